import json
import re

import highdicom as hd
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
import trimesh

from planning_core.case import audit
from planning_core.case.plan import Plan, TamperedPlanError
from tests.data import VERSE012_CT, VERSE012_MASK, shared_data
from tests.system.conftest import pkp_plan


def test_the_plan_speaks_the_contract(planned):
    _, _, plan, _ = planned
    needed = "level verdict reasons defect_ml defect_ml_low defect_ml_high liquid_ml fill_percent"
    needed += " heights_mm genant paths plan_hash seconds"
    assert set(needed.split()) <= set(plan)
    assert set(plan["heights_mm"]) == {"anterior", "middle", "posterior"}
    path_keys = "side kind entry_mm target_mm depth_mm diameter_mm grade clearance_mm p_breach"
    assert all(set(path_keys.split()) <= set(path) for path in plan["paths"])


def test_the_synthetic_fracture_is_found_with_its_volume_inside_the_interval(planned):
    made, _, plan, _ = planned
    truth = next(v for v in made.deficit_ml.values() if v > 0)
    assert plan["defect_ml_low"] - 0.5 <= truth <= plan["defect_ml_high"] + 0.5
    assert plan["defect_ml"] == pytest.approx(truth, rel=0.45)


def test_both_pedicle_paths_are_on_their_sides_and_grade_a(planned):
    made, _, plan, _ = planned
    middle = next(c for v, c in made.centres_lps_mm.items() if v.value == "L1")[0]
    straight = {p["side"]: p for p in plan["paths"] if p["kind"] == "transpedicular"}
    assert straight["left"]["entry_mm"][0] > middle > straight["right"]["entry_mm"][0]
    assert {p["grade"] for p in straight.values()} == {"A"}


def test_labels_agree_with_the_truth_on_the_inputs_own_grid(planned):
    made, out, _, _ = planned
    labels = sitk.ReadImage(str(out / "labels.nii.gz"))
    array = sitk.GetArrayFromImage(labels)
    assert array.shape == made.labels.shape
    np.testing.assert_allclose(labels.TransformIndexToPhysicalPoint([3, 4, 5]), made.grid.points([5, 4, 3]), atol=1e-2)
    for number in (19, 20, 21):  # T12, L1, L2
        ours, theirs = array == number, made.labels == number
        assert 2 * (ours & theirs).sum() / (ours.sum() + theirs.sum()) > 0.8


def test_the_case_holds_everything_and_nothing_half_written(planned):
    _, out, plan, _ = planned
    for name in ("plan.json", "report.html", "report.png", "labels.nii.gz", "segmentation.dcm", "audit.jsonl"):
        assert (out / name).stat().st_size > 0
    surfaces = list((out / "surfaces").glob("*.stl"))
    assert {"L1_vertebra.stl", "L1_defect.stl", "L1_ideal_body.stl"} <= {s.name for s in surfaces}
    assert all(trimesh.load(s).is_watertight for s in surfaces if not s.name.startswith("path_"))
    assert not list(out.rglob(".part-*"))
    assert json.loads((out / audit.NAME).read_text().splitlines()[-1])["plan_hash"] == plan["plan_hash"]
    audit.verify(out)


def test_the_stored_plan_is_sealed_and_an_edit_is_seen(planned):
    _, out, plan, _ = planned
    stored = Plan.model_validate_json((out / "plan.json").read_text())
    stored.verify()
    assert stored.plan_hash == plan["plan_hash"]
    with pytest.raises(TamperedPlanError):
        stored.model_copy(update={"recommended_ml": 9.9}).verify()


def test_the_dicom_segmentation_opens_elsewhere_and_holds_the_same_voxels(planned):
    made, out, _, _ = planned
    labels = sitk.GetArrayFromImage(sitk.ReadImage(str(out / "labels.nii.gz")))
    dataset = hd.seg.segread(out / "segmentation.dcm")
    volume = dataset.get_volume(combine_segments=True)
    names = [None, *[dataset.get_segment_description(n + 1).segment_label for n in range(dataset.number_of_segments)]]
    assert "L1" in names
    count = int((volume.array == names.index("L1")).sum())
    assert count == int((labels == 20).sum())
    assert "Synthetic" not in str(pydicom.dcmread(out / "segmentation.dcm", stop_before_pixels=True))
    assert made.grid.shape[0] >= volume.array.shape[0]


def test_no_name_of_the_patient_is_in_the_case(planned):
    _, out, _, _ = planned
    for path in out.rglob("*"):
        if path.is_file():
            assert b"Synthetic" not in path.read_bytes()


def test_the_report_asks_nothing_of_the_network(planned):
    _, out, _, _ = planned
    page = (out / "report.html").read_text()
    assert "default-src 'none'" in page
    assert not re.findall(r'(?:src|href)="(?!data:)[^"]*"', page)
    assert "not a medical device" in page


def test_a_second_run_finds_its_plan_unchanged(planned, patient):
    _, out, plan, point = planned
    run, again = pkp_plan(patient[1], "--level", "L1", "--at", point, "--out", out, cwd=out.parent)
    assert run.returncode == 0
    assert again["plan_hash"] == plan["plan_hash"]
    assert set(again["seconds"]) == {"read", "unchanged", "total"}


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        (["nothing.nii.gz", "--level", "L1"], 2, "unreadable"),
        (["{dicom}", "--level", "L9"], 2, "unknown_level"),
        (["{dicom}", "--level", "L1", "--at", "1,2"], 2, "input"),
        (["{dicom}", "--level", "L1", "--product", "glue"], 2, "unknown_product"),
        (["--level", "L1"], 2, "nothing_given"),
    ],
)
def test_wrong_input_ends_in_a_named_error_with_its_status(patient, tmp_path, arguments, status, code):
    filled = [a.replace("{dicom}", str(patient[1])) for a in arguments]
    run, error = pkp_plan(*filled, "--out", tmp_path / "case", cwd=tmp_path)
    assert run.returncode == status
    assert error["message"]
    assert error["code"] == code
    assert "Traceback" not in run.stderr
    assert not (tmp_path / "case" / "plan.json").exists()


def test_masks_alone_are_planned_and_say_what_needs_a_ct(tmp_path):
    run, plan = pkp_plan("--labels", shared_data(VERSE012_MASK), "--level", "L1", "--out", tmp_path / "case", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert plan["spongiosa_hu"] is None
    assert any("need a CT" in w for w in plan["warnings"])


def test_a_real_spine_without_landmarks_is_offered_not_guessed(tmp_path):
    run, error = pkp_plan(shared_data(VERSE012_CT), "--level", "L1", "--out", tmp_path / "case", cwd=tmp_path)
    assert run.returncode == 3
    assert error["code"] == "ambiguous_level"
    assert any("L1" in c["levels"] for c in error["candidates"])
    assert (tmp_path / "case" / "numbering.png").stat().st_size > 10_000
    assert not (tmp_path / "case" / "plan.json").exists()
