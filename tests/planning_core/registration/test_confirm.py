"""``./pkp confirm`` on a simulated patient who lies on the table otherwise than in his CT."""

import json
import shutil

import attrs
import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from hardware_sim.carm.shots import take_xrays
from hardware_sim.patient import PatientSpec, generate
from planning_core.anatomy.label_file import from_labels
from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.modelling import model_spine
from planning_core.anatomy.pedicles import measure_pedicles
from planning_core.case import revisions
from planning_core.case.exports import as_image, write_labels
from planning_core.case.folder import Case
from planning_core.case.inputs import LINK, link_ct
from planning_core.case.plan import HeightsMm
from planning_core.case.planned import CaseWithoutVertebraError
from planning_core.geometry import RigidTransform
from planning_core.imaging.identity import PatientIdentity
from planning_core.imaging.ingest import load_ct
from planning_core.registration import confirm
from planning_core.registration.confirmation import clicked_places, planned_mask, start_from
from planning_core.xray.clicks import Clicks
from planning_core.xray.image import read_xray
from planning_core.xray.picture import write_xray
from tests.planning_core.xray.rebuilding import views
from tests.planning_core.xray.shots import make_run
from tests.ros2.small_plan import path, sealed_plan

pytest.importorskip("numba")
L2 = VertebraLevel.L2
NEAR = (VertebraLevel.L1, VertebraLevel.L2, VertebraLevel.L3)


@attrs.frozen(eq=False)
class Room:
    """A case, pictures of its patient, and how he lies there: T_carm_ct_lps."""

    case: Case
    shots: list
    truth: RigidTransform
    plan: object
    vertebra: object
    segmentation: object
    ct: object

    def clicks(self, points=1, off_px=3.0, views_=None):
        places = self.truth.apply(clicked_places(self.vertebra)[:points])
        return Clicks([view.project(places) + [off_px, -off_px] for view in views_ or views()])

    def words(self, points=1, off_px=3.0):
        words = []
        for letter, pixels in zip("ab", self.clicks(points, off_px).pixels, strict=True):
            for name, (row, column) in zip(("body", "left", "right"), pixels, strict=False):
                words += ["--click", f"{letter}:{name}:{row:.1f},{column:.1f}"]
        return words


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    made, folder = generate(PatientSpec(seed=4, spacing_mm=(2.0, 2.0, 2.0))), tmp_path_factory.mktemp("room")
    rows = np.flatnonzero(np.isin(made.labels, [v.verse_id for v in NEAR]).any(axis=(1, 2)))
    near = (slice(rows[0] - 4, rows[-1] + 5), slice(None), slice(None))
    sitk.WriteImage(as_image(made.hu[near], made.grid.crop(near)), str(folder / "ct.nii.gz"))
    ct = load_ct(folder / "ct.nii.gz")
    segmentation = from_labels(made.labels[near], made.grid.crop(near))
    vertebra = model_spine(segmentation, None, [L2]).vertebrae[L2]
    paths = [
        path(side.value, tuple(p.centre_lps_mm - 18 * p.axis_lps), tuple(p.centre_lps_mm + 25 * p.axis_lps))
        for side, p in measure_pedicles(vertebra).items()
    ]
    plan = sealed_plan(*paths, level="L2", ct_sha256=ct.sha256, heights_mm=HeightsMm.of(vertebra.heights))
    case = Case(folder / "case")
    with case.writing():
        case.claim(ct.sha256, None)
        link_ct(case, folder / "ct.nii.gz")
        write_labels(case, segmentation)
        revisions.keep(case, plan)
        case.write(plan.NEWEST, plan.to_json().encode())
    turn = Rotation.from_euler("xyz", (5, -4, 6), degrees=True).as_matrix()
    middle = vertebra.ct_lps_from_vertebra.translation_mm
    truth = RigidTransform.from_parts("carm", "ct_lps", turn, np.array([6.0, -4.0, 9.0]) - turn @ middle)
    shots = take_xrays(ct, truth, views(), folder / "shots", 4)
    return Room(case, shots, truth, plan, vertebra, segmentation, ct)


@pytest.fixture
def own(room, tmp_path):
    """The same room with a case that may be harmed."""
    shutil.copytree(room.case.path, tmp_path / "case", symlinks=True)
    return attrs.evolve(room, case=Case(tmp_path / "case"))


def run(capsys, room, *words, shots=None):
    status = confirm.main([str(room.case.path), *map(str, shots or room.shots), *words, "--json"])
    return status, json.loads(capsys.readouterr().out)


@pytest.mark.slow
@pytest.mark.parametrize("points", [1, 3])
def test_the_plan_is_found_where_the_patient_lies_now(own, capsys, points):
    status, said = run(capsys, own, *own.words(points))
    assert status == 0, said
    assert said["trusted"]
    assert said["doubts"] == []
    assert set(said["likeness_beside"]) == {"L1", "L3"}
    assert max(said["likeness_beside"].values()) < np.mean(said["likeness"]) - 0.1
    found = RigidTransform("carm", "ct_lps", said["T_carm_ct_lps"])
    for told in said["paths"]:
        meant = own.plan.by_side[told["side"]]
        for end, place in (("entry", meant.entry_mm), ("target", meant.target_mm)):
            error = np.linalg.norm(found.apply(place) - own.truth.apply(place))
            assert error < 0.7
            assert 0.1 < told[end]["rms_mm"] < told[end]["bound95_mm"] < 2.0
        for view, pixels in zip(views(), told["pixels"], strict=True):
            assert np.array(pixels) == pytest.approx(view.project(own.truth.apply(meant.waypoints_mm)), abs=1.2)
    folder = own.case.path / "confirmation"
    assert sorted(p.name for p in folder.iterdir()) == ["confirmation.json", "confirmation_a.png", "confirmation_b.png"]
    assert json.loads((folder / "confirmation.json").read_text())["plan_hash"] == own.plan.plan_hash
    assert all(read.read_bytes()[:4] == b"\x89PNG" for read in folder.glob("*.png"))
    (event,) = map(json.loads, (own.case.path / "audit.jsonl").read_text().splitlines())
    assert (event["event"], event["trusted"], event["plan_hash"]) == ("confirmation", True, own.plan.plan_hash)


@pytest.mark.slow
@pytest.mark.parametrize("level", [VertebraLevel.L1, VertebraLevel.L3])
def test_a_click_on_the_neighbour_is_not_believed(own, capsys, level):
    neighbour = model_spine(own.segmentation, None, [level]).vertebrae[level]
    status, said = run(capsys, own, *attrs.evolve(own, vertebra=neighbour).words())
    assert (status, said["code"]) == (5, "not_confirmed")
    if level is VertebraLevel.L1:  # one lower the bone fits as it should: without that it would have been believed
        assert said["doubts"] == [said["doubts"][0]]
        assert "another level was clicked: it fits where L3 should be" in said["doubts"][0]
        assert said["likeness_beside"]["L3"] > np.mean(said["likeness"]) + 0.1


@pytest.mark.slow
def test_pictures_of_something_else_are_drawn_and_not_believed(own, tmp_path, capsys):
    noise, shots = np.random.default_rng(5), []
    for shot in own.shots:
        image = read_xray(shot)
        shots.append(tmp_path / f"{shot.stem}.npz")
        write_xray(attrs.evolve(image, pixels=noise.permuted(image.pixels, axis=0)), shots[-1])
    status, said = run(capsys, own, *own.words(), "--out", str(tmp_path / "out"), shots=shots)
    assert (status, said["code"]) == (5, "not_confirmed")
    assert not said["trusted"]
    assert said["doubts"]
    assert said["doubts"][0] in said["message"]
    assert (tmp_path / "out/confirmation_b.png").is_file()
    assert not (own.case.path / "confirmation").exists()
    assert '"trusted": false' in (own.case.path / "audit.jsonl").read_text()


def test_three_clicks_place_and_turn_the_bone(room):
    places = clicked_places(room.vertebra)
    assert places[1, 0] > places[0, 0] > places[2, 0]  # left, body, right
    start = start_from(places, room.clicks(3, 0.0).met(views()), "carm")
    assert start.apply(places) == pytest.approx(room.truth.apply(places), abs=1e-6)
    by_one = start_from(places, room.clicks(1, 0.0).met(views()), "carm")
    assert by_one.apply(places[0]) == pytest.approx(room.truth.apply(places[0]), abs=1e-6)
    assert by_one.rotation == pytest.approx(np.eye(3))


def test_what_is_asked_wrongly_is_refused_by_name_and_changes_nothing(own, tmp_path, capsys):
    kept = own.case.write("confirmation/confirmation.json", b"{}")
    assert run(capsys, own)[1]["code"] == "no_clicks"
    assert run(capsys, own, "--click", "a:1,2")[1]["code"] == "invalid_click"
    words = own.words(3)
    words = [w.replace(":left:", ":x:").replace(":right:", ":left:").replace(":x:", ":right:") for w in words]
    status, said = run(capsys, own, *words)
    assert (status, said["code"]) == (2, "invalid_clicks")
    assert run(capsys, own, *own.words(), "--plan", "0" * 64)[1]["code"] == "no_plan"
    assert run(capsys, own, *own.words()[:2], shots=own.shots[:1])[1]["code"] == "too_few_views"
    other = attrs.evolve(own, case=Case(tmp_path / "none"))
    assert run(capsys, other, *own.words())[1]["code"] == "no_plan"
    assert not other.case.path.exists()
    frames = [shutil.copy(shot, tmp_path) for shot in own.shots]
    make_run(frames[1])
    assert run(capsys, own, *own.words(), shots=frames)[1]["code"] == "ambiguous_frame"
    assert kept.read_bytes() == b"{}"


def test_views_in_different_frames_are_refused(own, tmp_path, capsys):
    shots = [tmp_path / f"{name}.npz" for name in "ab"]
    for shot, place, frame in zip(own.shots, shots, ("carm", "phantom"), strict=True):
        image = read_xray(shot)
        pose = image.view.camera_from_scene
        moved = attrs.evolve(image.view, camera_from_scene=RigidTransform(pose.dst, frame, pose.matrix))
        write_xray(attrs.evolve(image, view=moved), place)
    assert run(capsys, own, *own.words(), shots=shots)[1]["code"] == "frame_mismatch"


def test_without_its_ct_and_its_masks_a_case_confirms_nothing(own, tmp_path, capsys):
    (own.case.path / "labels.nii.gz").rename(tmp_path / "labels.nii.gz")
    status, said = run(capsys, own, *own.words())
    assert (status, said["code"]) == (2, "case_without_vertebra")
    place = own.case.path / LINK
    place.unlink()
    assert run(capsys, own, *own.words())[1]["code"] == "no_ct_link"
    place.symlink_to(tmp_path / "gone.nii.gz")
    assert run(capsys, own, *own.words())[1]["code"] == "ct_moved"


def test_masks_on_other_voxels_are_refused(room):
    grid = room.segmentation.grid
    askew = attrs.evolve(room.segmentation, grid=attrs.evolve(grid, origin_mm=grid.origin_mm + 0.7))
    with pytest.raises(CaseWithoutVertebraError, match="do not lie on its CT"):
        planned_mask(askew, L2, room.ct)
    assert planned_mask(room.segmentation, L2, room.ct).sum() == (room.segmentation.labels == L2.verse_id).sum()


def test_headers_that_name_another_patient_are_a_doubt(room, monkeypatch):
    assert confirm._other_patient(room.case.path, room.shots) == ()
    for who, told in (
        (PatientIdentity("Simulated", "sim4", "19500101"), ""),
        (PatientIdentity("Somebody^Else", "SIM4", ""), "PatientName"),
        (PatientIdentity("Somebody^Else", "77", ""), "PatientID, PatientName"),
    ):
        monkeypatch.setattr(confirm, "read_identity", lambda *_, who=who: who)
        doubts = confirm._other_patient(room.case.path, room.shots)
        assert doubts == ((f"the pictures name another patient than the CT does, by {told}",) if told else ())
        assert "Else" not in "".join(doubts)
