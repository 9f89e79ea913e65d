"""Cases by id, their files, moved paths, revisions, approval."""

import json
import time

import numpy as np
import pytest

from planning_core.case import audit
from planning_core.errors import AmbiguousError
from tests.ros2.pkp_console.conftest import PINS

DEADLINE_S = 10.0
TRAVERSALS = ["%2e%2e", "..%2f..%2fetc%2fpasswd", "%2e%2e%2f", ".console", "%00", "case-x%00", "\\..\\", "~root"]


def until(condition):
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, "deadline"


def question(plan, n=0, by=(0.0, 0.0, 0.0)):
    path = plan.paths[n]
    target = [c + d for c, d in zip(path.target_mm, by, strict=True)]
    return {
        "plan_hash": plan.plan_hash, "side": path.side, "kind": path.kind, "entry_mm": list(path.entry_mm), "target_mm": target,
    }  # fmt: skip


def test_the_list_shows_what_a_case_is(console, case_id, planned):
    (case,) = console.hand("viewer").get("/cases").json()
    assert case["id"] == case_id
    assert case["plan"]["level"] == "L1"
    assert case["plan"]["plan_hash"] == planned[1].plan_hash
    assert case["thumbnail"]
    assert case["has_ct"]


def test_a_tampered_plan_is_listed_with_its_refusal(console, case_id):
    place = console.desk.store.case(case_id).path / "plan.json"
    place.write_text(place.read_text().replace('"level": "L1"', '"level": "L2"'))
    (case,) = console.hand("viewer").get("/cases").json()
    assert case["plan"] is None
    assert case["problem"]["code"] == "tampered_plan"


@pytest.mark.parametrize("name", TRAVERSALS)
def test_no_name_leads_out_of_the_store(console, case_id, name):
    (console.desk.store.root.parent / "secret").write_text("secret")
    hand = console.hand("operator")
    inside = (f"{case_id}/files/{name}", f"{case_id}/surfaces/{name}", f"{case_id}/plans/{name}", name, f"{name}/files/ct")
    for path in (*(f"/cases/{p}" for p in inside), f"/imports/{name}/parts/1", f"/jobs/{name}"):
        answer = hand.get(path)
        assert answer.status_code in (404, 405, 422, 400), (path, answer.status_code)
        assert "secret" not in answer.text


def test_a_link_out_of_the_store_is_no_case_and_no_file(console, case_id, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "plan.json").write_text("{}")
    (console.desk.store.root / "linked").symlink_to(outside)
    (console.desk.store.case(case_id).path / "surfaces" / "x.stl").symlink_to(outside / "plan.json")
    hand = console.hand("viewer")
    assert hand.get("/cases/linked").status_code == 404
    assert hand.get(f"/cases/{case_id}/surfaces/x").status_code == 404


def test_files_come_whole_and_in_ranges(console, case_id, planned, tmp_path):
    import SimpleITK as sitk

    hand = console.hand("viewer")
    whole = hand.get(f"/cases/{case_id}/files/ct").content
    part = hand.ask("GET", f"/cases/{case_id}/files/ct", headers={"range": "bytes=0-347"})
    assert part.status_code == 206
    assert part.content == whole[:348]
    (tmp_path / "ct.nii").write_bytes(whole)
    read = sitk.ReadImage(str(tmp_path / "ct.nii"))
    ct = planned[0].ct
    point = ct.grid.points([3, 40, 30])
    assert read[read.TransformPhysicalPointToIndex([float(c) for c in point])] == ct.hu[3, 40, 30]
    assert hand.get(f"/cases/{case_id}/files/thumbnail").content.startswith(b"\x89PNG")


def test_surfaces_come_in_the_viewers_frame(console, case_id, planned):
    import trimesh

    content = console.hand("viewer").get(f"/cases/{case_id}/surfaces/L1_body").content
    shown = trimesh.load_mesh(trimesh.util.wrap_as_stream(content), file_type="stl")
    body = planned[0].surfaces["L1_body"]
    np.testing.assert_allclose(shown.bounds[0], body.bounds[[1, 1, 0], [0, 1, 2]] * [-1, -1, 1], atol=1e-3)
    assert shown.volume == pytest.approx(body.volume, rel=1e-3)


def test_a_moved_path_is_judged_at_once(console, case_id, planned):
    hand, plan = console.hand("planner"), planned[1]
    still = hand.post(f"/cases/{case_id}/paths", question(plan)).json()
    assert still["objections"] == []
    assert still["path"]["clearance_mm"] == pytest.approx(plan.paths[0].clearance_mm, abs=0.02)
    far = hand.post(f"/cases/{case_id}/paths", question(plan, by=(0, 0, 60.0))).json()
    assert far.get("objections") or far["code"] == "no_way_through"
    assert console.hand("viewer").post(f"/cases/{case_id}/paths", question(plan)).status_code == 403


@pytest.mark.parametrize("bad", [[1, 2], [1, 2, 3, 4], ["a", 0, 0], [1e9, 0, 0], None])
def test_a_point_is_three_finite_numbers(console, case_id, planned, bad):
    answer = console.hand("planner").post(f"/cases/{case_id}/paths", {**question(planned[1]), "target_mm": bad})
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_request")


def test_a_revision_has_its_own_hash_and_can_be_compared(console, case_id, planned):
    hand, plan = console.hand("planner"), planned[1]
    path = plan.paths[0]
    nearer = [-0.4 * (b - a) / path.depth_mm for a, b in zip(path.entry_mm, path.target_mm, strict=True)]
    kept = hand.post(f"/cases/{case_id}/revisions", question(plan, by=nearer))
    assert kept.status_code == 201, kept.text
    new = kept.json()["plan_hash"]
    facts = hand.get(f"/cases/{case_id}").json()
    assert [p["plan_hash"] for p in facts["plans"]] == [plan.plan_hash, new]
    assert facts["plans"][1]["of"] == plan.plan_hash
    assert facts["plans"][1]["by"] == "planner"
    assert facts["plan"]["plan_hash"] == plan.plan_hash
    differences = hand.get(f"/cases/{case_id}/compare/{plan.plan_hash}/{new}").json()["differences"]
    assert {d["what"] for d in differences} >= {f"{path.side} {path.kind} target_mm", f"{path.side} {path.kind} depth_mm"}
    assert all(d["what"].startswith(f"{path.side} {path.kind}") for d in differences)
    assert hand.get(f"/cases/{case_id}/plans/{new}").json()["plan_hash"] == new


def test_an_unsafe_path_is_not_kept(console, case_id, planned):
    answer = console.hand("planner").post(f"/cases/{case_id}/revisions", question(planned[1], by=(0, -40.0, 0)))
    assert (answer.status_code, answer.json()["code"]) == (400, "unsafe_path")
    assert answer.json()["objections"]


def test_approval_binds_name_pin_and_hash_and_is_in_the_chain(console, case_id, planned):
    plan, operator = planned[1], console.hand("operator")
    path = f"/cases/{case_id}/approve"
    good = {"plan_hash": plan.plan_hash, "pin": PINS["operator"]}
    assert console.hand("planner").post(path, good).status_code == 403
    assert operator.post(path, {**good, "pin": "000000"}).json()["code"] == "wrong_pin"
    assert operator.post(path, {**good, "plan_hash": "0" * 64}).json()["code"] == "no_plan"
    answer = operator.post(path, good).json()
    assert answer["approved"]
    assert answer["supervisor"] == "absent"
    folder = console.desk.store.case(case_id).path
    assert audit.verify(folder) == answer["audit_hash"]
    line = json.loads((folder / audit.NAME).read_text().splitlines()[-1])
    assert (line["event"], line["by"], line["plan_hash"]) == ("approved", "operator", plan.plan_hash)
    assert operator.get(f"/cases/{case_id}").json()["plans"][0]["approvals"][0]["by"] == "operator"


def test_a_supervisors_refusal_is_no_approval(console, case_id, planned):
    class Refusing:
        supervised, ros = True, True

        def decide(self, what, plan, operator_id, signature):
            assert (what, operator_id) == ("approve", "operator")
            assert plan.plan_hash == planned[1].plan_hash
            assert len(signature) == 64
            return {"accepted": False, "error_code": "wrong_phase", "error_msg": "not now"}

        def end(self):
            pass

    object.__setattr__(console.desk, "room", Refusing())
    answer = console.hand("operator").post(
        f"/cases/{case_id}/approve", {"plan_hash": planned[1].plan_hash, "pin": PINS["operator"]}
    )
    assert answer.json()["approved"] is False
    assert answer.json()["error_msg"] == "not now"
    assert console.desk.store.events(console.desk.store.case(case_id))[-1]["event"] == "approval_refused"


def test_planning_is_a_job_whose_questions_come_back_in_words(console, case_id):
    hand = console.hand("planner")
    console.desk.planner.refusal = AmbiguousError(
        "which numbering?", candidates=[{"probability": 0.5, "levels": {"L1": [1, 2, 3]}}]
    )
    job = hand.post(f"/cases/{case_id}/plan", {"level": "L1", "at": [1, 2, 3]}).json()

    def ended():
        return next(j for j in hand.get("/jobs").json() if j["id"] == job["id"])["state"] == "refused"

    until(ended)
    told = hand.get("/jobs").json()[-1]
    assert told["refusal"]["code"] == "ambiguous"
    assert told["refusal"]["candidates"][0]["levels"] == {"L1": [1, 2, 3]}
    asked = console.desk.planner.asked[0]
    assert (asked.level, asked.at, asked.by) == ("L1", (1, 2, 3), "planner")
    assert hand.post(f"/cases/{case_id}/plan", {"level": "L9"}).status_code == 400
    assert hand.post(f"/cases/{case_id}/plan", {"product": "butter"}).status_code == 400


def test_a_judge_begun_while_planning_does_not_outlast_it(console, case_id):
    """It was modelled on what was asked before."""
    desk, begun = console.desk, []

    class Planner:
        def plan(self, job, told, cancelled):
            begun.append(desk.judges.of(case_id))
            return "f" * 64

    object.__setattr__(desk, "planner", Planner())
    hand = console.hand("planner")
    before = desk.judges.of(case_id)
    assert hand.ended(hand.post(f"/cases/{case_id}/plan", {"level": "L1"}).json())["state"] == "done"
    assert not before.alive
    assert not begun[0].alive


def test_a_plan_of_another_planning_is_not_judged(console, case_id, planned):
    case, other = console.desk.store.case(case_id), planned[1].model_copy(update={"warnings": ("another",)}).sealed()
    case.write(f"plans/{other.plan_hash[:12]}.json", other.to_json().encode())
    hand = console.hand("planner")
    for what in ("paths", "revisions"):
        answer = hand.post(f"/cases/{case_id}/{what}", question(other))
        assert (answer.status_code, answer.json()["code"]) == (409, "not_planned_here")


DAMAGED = [b"", b"\xff\xfe\x00", b"{", b"[]", b"{}", b'{"name": 3}', b'{"name": "ct.nii", "series": {}}']


@pytest.mark.parametrize("content", DAMAGED)
@pytest.mark.parametrize("name", ["input/source.json", "audit.jsonl", "inputs.json", "plan.json", "inputs/series"])
def test_a_damaged_file_takes_no_page_down(console, case_id, name, content):
    console.desk.store.case(case_id).write(name, content)
    hand = console.hand("viewer")
    assert [c["id"] for c in hand.get("/cases").json()] == [case_id]
    facts = hand.get(f"/cases/{case_id}")
    assert facts.status_code == 200
    if name == "audit.jsonl" and content:
        assert facts.json()["audit_problem"]["code"] == "broken_audit"


def test_a_ct_whose_place_is_damaged_is_found_where_it_was_planned_on(console, case_id, tmp_path):
    from planning_core.case.inputs import link_ct

    case = console.desk.store.case(case_id)
    case.write("input/source.json", b"\xff")
    assert console.desk.store.source(case) is None
    link_ct(case, case.path / "input/ct.nii", "3")
    found = console.desk.store.source(case)
    assert (found.path, found.series) == (case.path / "input/ct.nii", "3")
