"""Cases of X-ray images: uploaded together, shown pixel for pixel, planned on, or refused in words."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from planning_core.case.record import content_sha256
from planning_core.command import main as command
from tests.planning_core.xray.rebuilding import clicks_on, rebuilt, views
from tests.planning_core.xray.shots import make_run, write_shots
from tests.ros2.pkp_console.test_imports import begin, ended, put

FOUND = rebuilt(place=(0.0, 0.0, 0.0))
PAIR = views()


@pytest.fixture(scope="module")
def shots(tmp_path_factory):
    return [p.read_bytes() for p in write_shots(tmp_path_factory.mktemp("shots"), PAIR, FOUND.shape)]


@pytest.fixture
def fitted(monkeypatch):
    """What the fit finds; its own tests see to it."""
    import planning_core.xray.fit

    given = {"found": FOUND}
    monkeypatch.setattr(planning_core.xray.fit, "reconstruct", lambda *asked: given["found"], raising=False)
    return given


def imported(hand, contents):
    place = begin(hand, "xray")
    for n, content in enumerate(contents):
        assert put(hand, place, content, n + 1).status_code == 200
    return ended(hand, place)


@pytest.fixture
def roomy(console):
    """A console that takes pictures of this size."""
    object.__setattr__(console.desk.config, "upload_bytes", 2_000_000)
    return console


@pytest.mark.slow
def test_pictures_become_a_case_and_a_plan_is_shown_over_them(roomy, shots, fitted):
    import attrs
    from pkp_console.xray_work import XrayPlanJob, plan_xrays

    from planning_core.xray.planning import NotTrustedError

    hand = roomy.hand("planner")
    job = imported(hand, shots)
    assert job["state"] == "done", job
    case = job["result"]
    assert next(c for c in hand.get("/cases").json() if c["id"] == case)["xrays"]
    shown = hand.get(f"/cases/{case}/xrays").json()
    assert [p["size"] for p in shown["pictures"]] == [[288, 288]] * 2
    assert shown["angle_deg"] == 90.0
    assert (shown["result"], shown["plan"]) == (None, None)
    for letter in "ab":
        picture = np.asarray(Image.open(io.BytesIO(hand.get(f"/cases/{case}/xrays/{letter}").content)))
        assert picture.shape[:2] == (288, 288)
        assert picture[144, 144].mean() > picture[144, 5].mean()  # bone is bright
    assert hand.get(f"/cases/{case}/xrays/c").status_code == 404
    assert hand.get(f"/cases/{case}/xrays/x").status_code == 422

    path = roomy.desk.store.case(case).path
    words = tuple(f"{n}:{r:.1f},{c:.1f}" for n, ((r, c), *_) in zip("ab", clicks_on(FOUND, PAIR).pixels, strict=True))
    plan_hash = plan_xrays(XrayPlanJob(str(path), "L1", words, "planner"), lambda stage: None)
    shown = hand.get(f"/cases/{case}/xrays").json()
    assert shown["plan"]["plan_hash"] == shown["result"]["plan_hash"] == plan_hash
    assert set(shown["result"]["views"][1]["paths"]) == {"left", "right"}
    assert hand.get(f"/cases/{case}/files/report.png").status_code == 200

    # the same pictures come again the other way round: what was seen and clicked in each stays with it
    assert imported(hand, shots[::-1])["result"] == case
    again = hand.get(f"/cases/{case}/xrays").json()
    assert (again["pictures"], again["result"]) == (shown["pictures"], shown["result"])
    # and a command given them in another order draws its lines over the right ones
    kept = path / "input/xrays"
    command(["plan", "--xray", str(kept / "b.dcm"), str(kept / "a.dcm"), "--level", "L1", "--out", str(path), "--json"])
    turned = hand.get(f"/cases/{case}/xrays").json()
    assert [view["outline"] for view in turned["result"]["views"]] == [view["outline"] for view in shown["result"]["views"]]

    fitted["found"] = attrs.evolve(FOUND, doubts=("two places fit alike",), confidence=0.3)
    with pytest.raises(NotTrustedError):
        plan_xrays(XrayPlanJob(str(path), "L2", (), "planner"), lambda stage: None)
    shown = hand.get(f"/cases/{case}/xrays").json()
    assert shown["plan"] is None
    assert shown["result"]["doubts"] == ["two places fit alike"]
    assert shown["result"]["next_view"]["primary_deg"] == 45.0


def test_what_was_pointed_at_is_said_as_the_command_takes_it():
    from pkp_console.api.xrays import XrayPlanQuestion, words

    places = {"body": (1.0, 2.0), "known": (9.5, 8.0)}
    asked = XrayPlanQuestion(level="L1", clicks={"a": places, "b": {"body": (3, 4), "left": (5, 6), "right": (7, 8)}}, known="l5")
    assert words(asked) == ("a:body:1.0,2.0", "a:L5:9.5,8.0", "b:body:3.0,4.0", "b:left:5.0,6.0", "b:right:7.0,8.0")
    assert "a:L5:9.5,8.0" not in words(asked.model_copy(update={"known": ""}))


def test_pictures_that_do_not_go_together_are_refused_by_name_and_leave_no_case(roomy, shots):
    hand = roomy.hand("planner")
    before = len(hand.get("/cases").json())
    for contents, code in (
        ([shots[0]], "too_few_views"),
        ([shots[0], shots[0]], "equal_views"),
        ([shots[0], b"x"], "unreadable_xray"),
    ):
        job = imported(hand, contents)
        assert (job["state"], job["refusal"]["code"]) == ("refused", code)
    assert len(hand.get("/cases").json()) == before


def test_a_frame_of_a_run_is_looked_at_and_chosen(roomy, tmp_path, fitted):
    from pkp_console.xray_work import XrayPlanJob, plan_xrays

    places = write_shots(tmp_path, PAIR, FOUND.shape)
    make_run(places[1])
    hand = roomy.hand("planner")
    place = begin(hand, "xray")
    for n, path in enumerate(places):
        assert put(hand, place, path.read_bytes(), n + 1).status_code == 200
    refusal = ended(hand, place)["refusal"]
    assert (refusal["code"], refusal["runs"]) == ("ambiguous_frame", {"b": 2})

    answer = hand.get(f"{place}/frames/b/1")
    assert answer.headers["content-type"] == "image/png"
    assert np.asarray(Image.open(io.BytesIO(answer.content))).shape[:2] == (288, 288)
    assert hand.get(f"{place}/frames/b/2").json()["refused_code"] == "unreadable_xray"
    assert hand.get(f"{place}/frames/c/0").status_code == 404
    assert roomy.hand("viewer").get(f"{place}/frames/b/1").status_code == 403
    assert hand.post(f"{place}/finish", {"frames": {"b": -1}}).status_code == 422

    case = ended(hand, place, frames={"b": 1})["result"]
    assert hand.get(f"/cases/{case}/xrays").json()["pictures"][1]["source"] == "DICOM XA frame 1"
    assert list(roomy.desk.uploads.iterdir()) == []
    path = roomy.desk.store.case(case).path
    words = tuple(f"{n}:{r:.1f},{c:.1f}" for n, ((r, c), *_) in zip("ab", clicks_on(FOUND, PAIR).pixels, strict=True))
    plan_xrays(XrayPlanJob(str(path), "L1", words, "planner"), lambda stage: None)
    assert hand.get(f"/cases/{case}/xrays").json()["plan"]["level"] == "L1"


def test_planning_checks_what_is_asked(roomy, shots, case_id):
    hand, viewer = roomy.hand("planner"), roomy.hand("viewer")
    assert hand.get(f"/cases/{case_id}/xrays").json()["code"] == "not_planned_here"
    assert hand.post(f"/cases/{case_id}/xrays/plan", {"level": "L1"}).status_code == 409
    case = imported(hand, shots)["result"]
    for body in ({"level": "L9"}, {"level": "L1", "clicks": {"z": {"body": [1, 2]}}}, {"level": "L1", "clicks": {"a": {}}}, {}):
        assert hand.post(f"/cases/{case}/xrays/plan", body).status_code in (400, 422)
    assert viewer.post(f"/cases/{case}/xrays/plan", {"level": "L1"}).status_code == 403
    assert viewer.get(f"/cases/{case}/xrays").status_code == 200
    assert json.loads((roomy.desk.store.case(case).path / "inputs.json").read_text())["ct_sha256"] is None


def test_what_is_damaged_of_a_case_leaves_its_pictures_to_plan_on(roomy, shots):
    hand = roomy.hand("planner")
    case = imported(hand, shots)["result"]
    whole = hand.get(f"/cases/{case}/xrays").json()
    assert (whole["plan"], whole["problem"]) == (None, None)
    held = roomy.desk.store.case(case)
    for content, code in (
        (b'{"schema_version": 1', "unreadable_plan"),
        (b"\xff", "unreadable_plan"),
        (earlier(), "other_plan_schema"),
    ):
        held.write("xray_plan.json", content)
        shown = hand.get(f"/cases/{case}/xrays").json()
        assert (shown["pictures"], shown["plan"], shown["problem"]["code"]) == (whole["pictures"], None, code)
    for content in (b"", b"\xff", b"[]", b'{"views": 3}', b'{"views": [1]}'):
        held.write("xray/overlays.json", content)
        assert hand.get(f"/cases/{case}/xrays").json()["result"] is None
    held.write("view/xrays.json", b'{"pictures": ')
    for answer in (hand.get(f"/cases/{case}/xrays"), hand.post(f"/cases/{case}/xrays/plan", {"level": "L1"})):
        assert (answer.status_code, answer.json()["code"]) == (409, "not_planned_here")
    assert imported(hand, shots)["result"] == case  # as the refusal says
    assert hand.get(f"/cases/{case}/xrays").json()["pictures"] == whole["pictures"]


def earlier():
    """A whole plan of a version before."""
    facts = {"schema_version": 0, "level": "L1"}
    return json.dumps({**facts, "plan_hash": content_sha256(facts)}).encode()
