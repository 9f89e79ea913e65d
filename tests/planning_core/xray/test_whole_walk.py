"""From a real patient's pictures to paths in his own pedicles, by the command alone.

The shipped models know this patient: what they reach on others is measured in the benchmarks; here the parts are seen to fit
together.
"""

import json

import numpy as np
import pytest

from benchmarks.raw_pedicle import RawBone
from benchmarks.xray_paths import inside_pedicles, picture_points
from hardware_sim.carm.shots import take_xrays
from planning_core.anatomy.label_file import LabelFileSegmenter
from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.modelling import model_spine
from planning_core.anatomy.vertebra import Side
from planning_core.command import main
from planning_core.geometry import RigidTransform
from planning_core.imaging.ingest import load_ct
from planning_core.xray.triangulation import PicturePoint
from tests.data import VERSE012_CT, VERSE012_MASK, shared_data
from tests.planning_core.xray.rebuilding import views

L2 = VertebraLevel.L2
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shot(tmp_path_factory):
    folder = tmp_path_factory.mktemp("verse012")
    ct, segmentation = load_ct(shared_data(VERSE012_CT)), LabelFileSegmenter(shared_data(VERSE012_MASK)).read()
    vertebra = model_spine(segmentation, None, [L2]).vertebrae[L2]
    middle = picture_points(vertebra)[PicturePoint.BODY]
    carm_from_ct = RigidTransform.from_parts("carm", "ct_lps", np.eye(3), np.array([8.0, -6.0, 5.0]) - middle)
    seen, rng, words = views(), np.random.default_rng(3), []
    paths = take_xrays(ct, carm_from_ct, seen, folder, 0)
    for n, view in enumerate(seen):
        row, column = view.project(carm_from_ct.apply(middle)) + rng.normal(0, 1.5, 2)
        words += ["--click", f"{'ab'[n]}:{row:.1f},{column:.1f}"]
    return paths, words, carm_from_ct, vertebra, RawBone.of(segmentation, L2)


def plan(capsys, shots, words, out, level="L2"):
    status = main(["plan", "--xray", *map(str, shots), "--level", level, *words, "--out", str(out), "--json"])
    return status, json.loads(capsys.readouterr().out)


def test_paths_from_pictures_lie_in_the_patients_own_pedicles(shot, tmp_path, capsys):
    shots, words, carm_from_ct, vertebra, bone = shot
    status, answer = plan(capsys, shots, words, tmp_path / "case")
    assert status == 0, answer
    back = carm_from_ct.inverse()
    paths = {}
    for path in answer["paths"]:
        if path["kind"] == "transpedicular":
            paths.setdefault(Side(path["side"]), (back.apply(path["entry_mm"]), back.apply(path["target_mm"])))
    assert inside_pedicles(bone, vertebra, paths, 3.2)


def test_a_click_on_nothing_is_no_plan(shot, tmp_path, capsys):
    shots, _, _, _, _ = shot
    status, answer = plan(capsys, shots, ["--click", "a:140,30", "--click", "b:140,30"], tmp_path / "case")
    assert status in (2, 5), answer
    assert not (tmp_path / "case" / "xray_plan.json").exists()


def test_without_a_click_no_level_is_taken_for_granted(shot, tmp_path, capsys):
    shots, _, _, _, _ = shot
    status, answer = plan(capsys, shots, [], tmp_path / "case")
    assert (status, answer["code"]) == (5, "not_trusted")


def test_a_lateral_picture_mirrored_behind_its_tags_is_no_plan(shot, tmp_path, capsys):
    import pydicom

    shots, words, _, _, _ = shot
    header = pydicom.dcmread(shots[1])
    header.PixelData = np.ascontiguousarray(header.pixel_array[:, ::-1]).tobytes()
    mirrored = tmp_path / "b.dcm"
    header.save_as(mirrored)
    row, column = map(float, words[3].split(":")[1].split(","))
    clicks = [*words[:2], "--click", f"b:{row},{header.Columns - 1 - column:.1f}"]
    status, answer = plan(capsys, [shots[0], mirrored], clicks, tmp_path / "case")
    assert (status, answer["code"]) == (5, "not_trusted")
