"""From shapes to models, without a patient or with one's own."""

import numpy as np
import pytest
import SimpleITK as sitk
import trimesh

from planning_core.anatomy.shape_model import Region, load_shape_model
from planning_core.anatomy.shape_model.training.__main__ import main
from planning_core.anatomy.shape_model.training.correspondence import Correspondence, shipped_shapes
from planning_core.anatomy.shape_model.training.learning import learn
from planning_core.anatomy.shape_model.training.surfaces import NoShapesError, folder_subjects
from planning_core.geometry.grid import Grid
from planning_core.geometry.solid import inside_mesh


def test_the_shipped_model_is_what_the_shipped_shapes_teach():
    shipped, fresh = load_shape_model(Region.LUMBAR), learn(shipped_shapes(), Region.LUMBAR)
    np.testing.assert_allclose(fresh.mean, shipped.mean, atol=1e-3)
    np.testing.assert_allclose(fresh.sigma_mm, shipped.sigma_mm, rtol=1e-4)


def test_a_patient_left_out_changes_the_model_and_a_stranger_does_not():
    known = shipped_shapes()
    whole, without, stranger = (learn(known, Region.UPPER_THORACIC, name) for name in ("", "thoracic_ct", "nobody"))
    assert np.abs(whole.mean - without.mean).max() > 0.1
    np.testing.assert_array_equal(whole.mean, stranger.mean)


def test_no_vertebra_to_learn_from_is_refused():
    known = shipped_shapes()
    few = Correspondence(known.template, known.shapes[:1], known.patients[:1], known.levels[:1], known.sound[:1], known.landmarks)
    with pytest.raises(NoShapesError):
        learn(few, Region.LUMBAR)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(NoShapesError):
        list(folder_subjects(tmp_path))


def test_shapes_are_kept_to_a_hundredth_of_a_millimetre(tmp_path):
    known = shipped_shapes()
    known.save(tmp_path / "shapes.npz")
    again = Correspondence.load(tmp_path / "shapes.npz")
    np.testing.assert_array_equal(again.shapes, known.shapes)
    assert again.patients == known.patients
    assert again.levels == known.levels


@pytest.mark.parametrize("layout", ["sub-x1/sub-x1_seg-vert_msk.nii.gz", "label/x1_seg.nii.gz", "x1/L2.ply"])
def test_ones_own_vertebrae_are_learned_from_in_every_layout(tmp_path, layout):
    model = load_shape_model(Region.LUMBAR)
    truth = model.vertices([1.0, -1.0], 1.05)
    path = tmp_path / "mine" / layout
    path.parent.mkdir(parents=True)
    if path.suffix == ".ply":
        trimesh.Trimesh(truth, model.triangles, process=False).export(path)
    else:
        grid = Grid((110, 140, 130), [1.0] * 3, [-65.0, -50, -55])
        image = sitk.GetImageFromArray(inside_mesh(truth, model.triangles, grid).astype(np.uint8) * 21)
        image.SetOrigin(grid.origin_mm.tolist())
        sitk.WriteImage(image, str(path))
    assert main([str(tmp_path / "out"), "--extra", str(tmp_path / "mine"), "--region", "T1-T4"]) == 0
    known = Correspondence.load(tmp_path / "out" / "shapes.npz")
    assert known.patients[-1] == "x1"
    assert known.levels[-1].value == "L2"
    drawn = known.shapes[-1] - known.shapes[-1].mean(axis=0) + truth.mean(axis=0)
    assert np.median(np.linalg.norm(drawn - truth, axis=1)) < 1.5


def test_the_same_shapes_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        assert main([str(tmp_path / name), "--without", "thoracic_ct", "--region", "T1-T4"]) == 0
    written = sorted((tmp_path / "a").iterdir())
    assert [file.name for file in written] == ["T1-T4.npz", "shapes.npz"]
    for file in written:
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()
