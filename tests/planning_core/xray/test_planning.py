"""The walk from pictures to a plan; the fit is put in place of by what it would have found, which its own tests see to."""

import functools
import json
import shutil
from pathlib import Path

import attrs
import numpy as np
import pydicom
import pytest

import planning_core.xray.fit
import planning_core.xray.planning
from planning_core.anatomy.config import AnatomyConfig
from planning_core.anatomy.vertebra import Side
from planning_core.case.folder import Case, OtherInputError
from planning_core.case.record import TamperedPlanError
from planning_core.case.revisions import NoPlanError, open_plan, open_record
from planning_core.case.sealed import OtherSchemaError
from planning_core.command import main
from planning_core.trajectory.config import TrajectoryConfig
from planning_core.trajectory.plan import PathKind, RefusedPath
from planning_core.xray.paths import plan_on_reconstruction
from planning_core.xray.picture import write_xray
from planning_core.xray.plan import XrayPlan
from tests.planning_core.xray.rebuilding import clicks_on, rebuilt, views
from tests.planning_core.xray.shots import make_run, shot, write_shots

FOUND = rebuilt(place=(0.0, 0.0, 0.0))
PAIR = views()


@functools.cache
def paths_of(found, trajectory, anatomy):
    return plan_on_reconstruction(found, trajectory, anatomy)


def once(found, trajectory, anatomy, views, clicks):
    """Without what the clicks say, which ``test_paths`` has."""
    return paths_of(found, trajectory, anatomy)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return write_shots(tmp_path_factory.mktemp("shots"), PAIR, FOUND.shape)


@pytest.fixture
def shots(made, tmp_path):
    return [Path(shutil.copy(path, tmp_path)) for path in made]


@pytest.fixture
def fitted(monkeypatch):
    """What the fit finds; set ``fitted["found"]`` to something else where it shall find something else."""
    given = {"found": FOUND, "calls": 0}

    def reconstruct(images, level, clicks, config):
        given["calls"] += 1
        assert [image.view.frame for image in images] == ["carm"] * len(images)
        return given["found"]

    monkeypatch.setattr(planning_core.xray.fit, "reconstruct", reconstruct, raising=False)
    monkeypatch.setattr(planning_core.xray.planning, "plan_on_reconstruction", once)  # the same each time: some seconds
    return given


def clicked():
    """Words for the command."""
    words = []
    for letter, pixels in zip("ab", clicks_on(FOUND, PAIR).pixels, strict=True):
        for point, (row, column) in zip(("body", "left", "right"), pixels, strict=True):
            words += ["--click", f"{letter}:{point}:{row:.2f},{column:.2f}"]
    return words


def run(capsys, shots, *more, out):
    status = main(["plan", "--xray", *map(str, shots), "--out", str(out), "--json", *more])
    return status, json.loads(capsys.readouterr().out)


def test_a_plan_is_sealed_kept_and_found_again_unchanged(shots, fitted, tmp_path, capsys):
    case = tmp_path / "case"
    status, answer = run(capsys, shots, "--level", "L1", *clicked(), out=case)
    assert status == 0
    assert answer["frame"] == "carm"
    assert answer["verdict"] == "review"
    assert {p["side"] for p in answer["paths"]} == {"left", "right"}
    assert any(what.startswith("cement volume") for what in answer["not_said"])
    assert any("C-arm moved between the pictures" in what for what in answer["not_said"])
    assert "recommended_ml" not in answer
    assert len(answer["checks"]) == 3
    plan = open_record(case, XrayPlan, answer["plan_hash"])
    assert plan == open_record(case, XrayPlan)
    with pytest.raises(NoPlanError):
        open_plan(case)  # what handles plans on CTs does not see it,
    shutil.copy(case / "xray_plan.json", tmp_path / "plan.json")
    with pytest.raises(OtherSchemaError):
        open_plan(tmp_path)  # nor does it take it under a plan's name
    for name in ("report.html", "report.png", "xray/a.png", "xray/b.png", "xray/overlays.json", "audit.jsonl"):
        assert (case / name).stat().st_size > 0
    lines = json.loads((case / "xray/overlays.json").read_text())
    assert lines["plan_hash"] == plan.plan_hash
    assert set(lines["views"][0]["paths"]) == {"left", "right"}
    assert "SIM0" not in (case / "report.html").read_text()  # no patient's number

    again, same = run(capsys, shots, "--level", "L1", *clicked(), out=case)
    assert (again, same["plan_hash"]) == (0, answer["plan_hash"])
    assert fitted["calls"] == 1

    place = case / "xray_plan.json"
    changed = json.loads(place.read_text())
    changed["paths"][0]["target_mm"][0] += 1.0
    place.write_text(json.dumps(changed))
    with pytest.raises(TamperedPlanError):
        open_record(case, XrayPlan)


def test_without_trust_there_is_a_report_but_no_plan_and_a_view_to_take(shots, fitted, tmp_path, capsys):
    case = tmp_path / "case"
    fitted["found"] = attrs.evolve(FOUND, doubts=("two places fit alike",), confidence=0.2)
    status, answer = run(capsys, shots, "--level", "L1", out=case)
    assert status == 5
    assert answer["code"] == "not_trusted"
    assert answer["doubts"] == ["two places fit alike"]
    assert answer["next_view"] == {"primary_deg": 45.0, "secondary_deg": 0.0, "gain": 0.3}
    assert "45° to the patient's left" in answer["message"]
    assert (case / "report.html").is_file()
    assert not (case / "xray_plan.json").exists()
    assert json.loads((case / "xray/overlays.json").read_text())["views"][0]["paths"] == {}
    assert "two places fit alike" in (case / "audit.jsonl").read_text()


def test_what_a_surgeon_must_know_of_each_sides_path_is_said(shots, fitted, monkeypatch, tmp_path, capsys):
    planned = paths_of(FOUND, TrajectoryConfig(), AnatomyConfig())
    first = next(path for path in planned.trajectories.paths if path.side is Side.LEFT)
    second = attrs.evolve(first, kind=PathKind.CROSSING, warnings=("not of the first",))
    first = attrs.evolve(first, warnings=("flat entry: may skive", "a breach is likely"))
    refused = (
        RefusedPath(Side.LEFT, PathKind.CURVED, "no bend"),
        RefusedPath(Side.RIGHT, PathKind.TRANSPEDICULAR, "too narrow"),
        RefusedPath(Side.RIGHT, PathKind.CROSSING, "no way"),
    )
    found = attrs.evolve(planned.trajectories, paths=(first, second), refused=refused)
    planned = attrs.evolve(planned, shifted_mm={Side.LEFT: 1.24, Side.RIGHT: 0.4}, trajectories=found)
    monkeypatch.setattr(planning_core.xray.planning, "plan_on_reconstruction", lambda *_: planned)
    status, answer = run(capsys, shots, "--level", "L1", *clicked(), out=tmp_path / "case")
    assert status == 0
    assert answer["reasons"][3:] == [
        "the left pedicle is taken to stand 1.2 mm from its drawn outline, between that and the clicks",
        "left transpedicular: flat entry: may skive",
        "left transpedicular: a breach is likely",
        "no path on the right: transpedicular: too narrow; unipedicular crossing: no way",
    ]
    assert main(["plan", "--xray", *map(str, shots), "--out", str(tmp_path / "told"), "--level", "L1", *clicked()]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "  left transpedicular: a breach is likely" in lines
    assert "  left unipedicular crossing: not of the first" in lines
    assert "no path right unipedicular crossing: no way" in lines


def test_where_no_view_would_help_more_nothing_is_made_up(shots, fitted, tmp_path, capsys):
    fitted["found"] = attrs.evolve(FOUND, doubts=("the clicks disagree",), next_view=None)
    status, answer = run(capsys, shots, "--level", "L1", out=tmp_path / "case")
    assert (status, answer["next_view"]) == (5, None)
    assert answer["message"].endswith("No further view is asked for: check the level, the clicks and the pictures")


def test_a_doubted_plan_takes_the_place_of_no_older_one_silently(shots, fitted, tmp_path, capsys):
    case = tmp_path / "case"
    status, before = run(capsys, shots, "--level", "L1", out=case)
    assert status == 0
    fitted["found"] = attrs.evolve(FOUND, doubts=("the level may be another",))
    status, _ = run(capsys, shots, "--level", "L1", *clicked(), out=case)
    assert status == 5
    assert not (case / "xray_plan.json").exists()
    assert (case / "xray_plans" / f"{before['plan_hash'][:12]}.json").is_file()  # what was sealed stays as a revision


def test_clicks_on_the_neighbour_are_not_planned_on(shots, fitted, tmp_path, capsys):
    words = [
        f"{letter}:{row - 40:.1f},{column:.1f}"
        for letter, ((row, column), *_) in zip("ab", clicks_on(FOUND, PAIR).pixels, strict=True)
    ]
    status, answer = run(capsys, shots, "--level", "L1", "--click", words[0], "--click", words[1], out=tmp_path / "case")
    assert status == 5
    assert any("middle of the body as clicked" in doubt for doubt in answer["doubts"])


def test_an_inverted_picture_is_doubted(shots, fitted, tmp_path, capsys):
    header = pydicom.dcmread(shots[1])
    header.PixelData = (np.uint16(60000) - header.pixel_array).astype(np.uint16).tobytes()
    header.save_as(shots[1])
    status, answer = run(capsys, shots, "--level", "L1", out=tmp_path / "case")
    assert status == 5
    assert any("inverted" in doubt for doubt in answer["doubts"])


def edit(path, **tags):
    header = pydicom.dcmread(path)
    for name, value in tags.items():
        if value is None:
            delattr(header, name)
        else:
            setattr(header, name, value)
    header.save_as(path)


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        ({"PositionerPrimaryAngle": None}, "missing_geometry"),
        ({"DistanceSourceToDetector": None}, "missing_geometry"),
        ({"ImagerPixelSpacing": None}, "missing_geometry"),
        ({"PositionerPrimaryAngle": "8.0", "PatientOrientation": ["L", "F"]}, "equal_views"),
        ({"ImagerPixelSpacing": [0, 0]}, "invalid_view"),
        ({"PatientOrientation": ["L", "F"]}, "contradicting_orientation"),
        ({"PatientID": "SIM7"}, "mixed_patients"),
        ({"PatientName": "Somebody^Else"}, "mixed_patients"),
        ({"StudyInstanceUID": "1.2.9"}, "mixed_studies"),
        ({"Modality": "CT"}, "not_xray"),
    ],
)
def test_a_bad_picture_is_refused_by_name(shots, fitted, tmp_path, capsys, tags, code):
    edit(shots[1], **tags)
    status, answer = run(capsys, shots, "--level", "L1", out=tmp_path / "case")
    assert (status, answer["code"]) == (2, code)
    assert fitted["calls"] == 0
    assert not (tmp_path / "case" / "xray_plan.json").exists()


def test_a_mirrored_picture_is_refused_by_name(shots, fitted, tmp_path, capsys):
    header = pydicom.dcmread(shots[1])
    header.PixelData = np.ascontiguousarray(header.pixel_array[:, ::-1]).tobytes()
    across, down = header.PatientOrientation
    header.PatientOrientation = [str(across).translate(str.maketrans("LRAPHF", "RLPAFH")), down]
    header.save_as(shots[1])
    status, answer = run(capsys, shots, "--level", "L1", out=tmp_path / "case")
    assert (status, answer["code"]) == (2, "mirrored_view")


@pytest.mark.parametrize(
    ("count", "more", "status", "code"),
    [
        (1, ["--level", "L1"], 2, "too_few_views"),
        (2, [], 3, "level_not_given"),
        (2, ["--level", "L1", "--click", "c:1,2"], 2, "invalid_click"),
        (2, ["--level", "L1", "--click", "a:1,2"], 2, "invalid_click"),
        (2, ["--level", "L1", "--click", "a:1,2", "--click", "b:900,2"], 2, "invalid_clicks"),
        (2, ["--level", "L1", "--at", "1,2,3"], 64, "usage"),
        (2, ["--level", "L1", "--product", "x"], 64, "usage"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_by_name(shots, fitted, tmp_path, capsys, count, more, status, code):
    found, answer = run(capsys, shots[:count], *more, out=tmp_path / "case")
    assert (found, answer["code"]) == (status, code)


def test_the_same_picture_twice_is_no_second_view(shots, fitted, tmp_path, capsys):
    status, answer = run(capsys, [shots[0], shots[0]], "--level", "L1", out=tmp_path / "case")
    assert (status, answer["code"]) == (2, "equal_views")


def test_a_picture_that_was_given_already_is_no_further_evidence(shots, fitted, tmp_path, capsys):
    status, answer = run(capsys, [*shots, shots[1]], "--level", "L1", out=tmp_path / "case")
    assert (status, answer["code"]) == (2, "repeated_picture")
    assert answer["pictures"] == ["b", "c"]
    nearly = tmp_path / "nearly.dcm"  # another exposure, the C-arm left where it was
    header = pydicom.dcmread(shots[1])
    header.PixelData = np.ascontiguousarray(header.pixel_array + np.uint16(1)).tobytes()
    header.PositionerPrimaryAngle, header.SOPInstanceUID = float(header.PositionerPrimaryAngle) + 2.0, "1.2.3"
    header.save_as(nearly)
    status, answer = run(capsys, [*shots, nearly], "--level", "L1", out=tmp_path / "case")
    assert (status, answer["code"]) == (2, "repeated_picture")
    assert fitted["calls"] == 0


def test_a_geometry_that_was_put_right_makes_a_new_plan(fitted, tmp_path, capsys):
    places = [tmp_path / "a.npz", tmp_path / "b.npz"]
    for place, view in zip(places, PAIR, strict=True):
        write_xray(shot(view, FOUND.shape), place)
    case = tmp_path / "case"
    assert run(capsys, places, "--level", "L1", *clicked(), out=case)[0] == 0
    beside = places[1].with_suffix(".json")
    said = json.loads(beside.read_text())
    said["explicit"]["intrinsic"][0][2] += 3.0
    beside.write_text(json.dumps(said))
    status, answer = run(capsys, places, "--level", "L1", *clicked(), out=case)
    assert status == 0
    assert fitted["calls"] == 2
    assert answer["views"][1]["intrinsic"][0][2] == pytest.approx(said["explicit"]["intrinsic"][0][2])


def test_pictures_that_do_not_say_which_side_is_left_need_the_pedicles_clicked(shots, fitted, tmp_path, capsys):
    for path in shots:
        edit(path, PatientOrientation=None)
    case, words = tmp_path / "case", clicked()
    status, answer = run(capsys, shots, "--level", "L1", *words[:2], *words[6:8], out=case)
    assert status == 5
    assert any("which side is left" in doubt for doubt in answer["doubts"])
    assert "laid out as seen" in (case / "report.html").read_text()
    assert run(capsys, shots, "--level", "L1", *words, out=case)[0] == 0


def test_one_of_several_frames_can_be_chosen(shots, fitted, tmp_path, capsys):
    make_run(shots[1])
    case = tmp_path / "case"
    status, answer = run(capsys, shots, "--level", "L1", out=case)
    assert (status, answer["code"], answer["runs"]) == (3, "ambiguous_frame", {"b": 2})
    status, answer = run(capsys, shots, "--level", "L1", "--frame", "b:9", out=case)
    assert (status, answer["code"]) == (2, "unreadable_xray")
    status, answer = run(capsys, shots, "--level", "L1", "--frame", "b:x", out=case)
    assert (status, answer["code"]) == (2, "invalid_frame")
    status, answer = run(capsys, shots, "--level", "L1", "--frame", "b:1", out=case)
    assert status == 0
    assert answer["views"][1]["source"] == "DICOM XA frame 1"


def test_a_folder_never_holds_two_sets_of_pictures(tmp_path):
    case = Case(tmp_path / "case")
    with case.writing():
        case.claim_xrays(["a" * 64, "b" * 64])
        case.claim_xrays(["b" * 64, "a" * 64])
        with pytest.raises(OtherInputError):
            case.claim_xrays(["a" * 64, "c" * 64])
        with pytest.raises(OtherInputError):
            case.claim("d" * 64, None)
