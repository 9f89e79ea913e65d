import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from planning_core.anatomy.label_file import from_labels
from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.modelling import model_spine
from planning_core.anatomy.pedicles import measure_pedicles
from planning_core.anatomy.surface import closed_surface
from planning_core.anatomy.vertebra import FractureShape, GenantGrade, Side
from planning_core.case.exports import as_image
from planning_core.geometry import Grid
from tests.data import HEALTHY_MASK, TOTALSEG_BODIES, TOTALSEG_MASK, VERSE005_MASK, VERSE012_MASK, shared_data

L1 = VertebraLevel.L1


def test_the_fractured_l1_measures_what_a_radiologist_measured(modelled):
    _, spine = modelled(VERSE012_MASK)
    heights = spine.vertebrae[L1].heights
    assert heights.anterior_mm == pytest.approx(18.7, abs=1.5)
    assert heights.middle_mm == pytest.approx(19.4, abs=1.5)
    assert heights.posterior_mm == pytest.approx(26.0, abs=1.5)
    assert spine.assessments[L1].genant is GenantGrade.MODERATE
    assert spine.assessments[L1].shape is FractureShape.WEDGE


def test_its_neighbours_are_not_called_fractured(modelled):
    _, spine = modelled(VERSE012_MASK)
    for name in ("T12", "L2", "L3"):
        assert spine.assessments[VertebraLevel(name)].genant is GenantGrade.NONE


@pytest.mark.parametrize("name", [VERSE012_MASK, VERSE005_MASK, TOTALSEG_MASK])
def test_surfaces_are_closed_and_hold_the_masks_volume(modelled, name):
    segmentation, spine = modelled(name)
    for level, vertebra in spine.vertebrae.items():
        voxels = float((segmentation.labels == level.verse_id).sum()) * segmentation.grid.voxel_ml
        surface = closed_surface(vertebra.whole, vertebra.ct_lps_from_vertebra)
        assert surface.is_watertight
        assert surface.volume / 1000 == pytest.approx(voxels, rel=0.02)


def test_bodies_agree_with_an_independent_body_mask(modelled):
    _, spine = modelled(TOTALSEG_MASK)
    image = sitk.ReadImage(str(shared_data(TOTALSEG_BODIES)))
    bodies = sitk.GetArrayFromImage(image) == 1
    direction = np.array(image.GetDirection()).reshape(3, 3)
    grid = Grid(bodies.shape, image.GetSpacing(), image.GetOrigin(), direction)
    points = grid.all_points()
    ours, theirs = np.zeros(bodies.shape, bool), np.zeros(bodies.shape, bool)
    for vertebra in spine.vertebrae.values():
        local = vertebra.ct_lps_from_vertebra.inverse().apply(points)
        near = vertebra.whole.at(local) < 3
        ours |= vertebra.body.at(local) < 0
        theirs |= near & bodies
    assert 2 * (ours & theirs).sum() / (ours.sum() + theirs.sum()) > 0.93


def test_the_frame_looks_left_back_and_up(modelled):
    for name in (VERSE012_MASK, TOTALSEG_MASK, HEALTHY_MASK):
        _, spine = modelled(name)
        for vertebra in spine.vertebrae.values():
            left, back, up = vertebra.ct_lps_from_vertebra.rotation.T
            assert left[0] > 0.9
            assert back[1] > 0.6
            assert up[2] > 0.6


def test_left_and_right_pedicles_lie_on_their_sides_behind_the_body(modelled):
    _, spine = modelled(VERSE005_MASK)
    for vertebra in spine.vertebrae.values():
        back = vertebra.ct_lps_from_vertebra.inverse()
        pedicles = measure_pedicles(vertebra)
        assert back.apply(pedicles[Side.LEFT].centre_lps_mm)[0] > 5
        assert back.apply(pedicles[Side.RIGHT].centre_lps_mm)[0] < -5


def test_pedicle_widths_are_within_what_anatomists_measured(modelled):
    # FACTS: L1–L3 means 7.5–10.3 mm, standard deviations up to 2.6
    _, spine = modelled(VERSE012_MASK)
    for name in ("L1", "L2", "L3"):
        for pedicle in measure_pedicles(spine.vertebrae[VertebraLevel(name)]).values():
            assert 5 < pedicle.width_mm < 13


@pytest.mark.parametrize("degrees", [(12, 0, 0), (0, 10, 8), (-15, 5, -10)])
def test_heights_do_not_change_when_the_patient_lies_differently(modelled, degrees):
    segmentation, spine = modelled(VERSE005_MASK)
    turn = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    grid = segmentation.grid
    turned = Grid(grid.shape, grid.spacing_mm, turn @ grid.origin_mm + [5, -20, 300], turn @ grid.direction)
    level = VertebraLevel.L3
    other = model_spine(from_labels(segmentation.labels, turned), None).vertebrae[level].heights
    own = spine.vertebrae[level].heights
    for name in ("anterior_mm", "middle_mm", "posterior_mm"):
        assert getattr(other, name) == pytest.approx(getattr(own, name), abs=1.0)


def test_a_flipped_file_gives_the_same_model(modelled):
    segmentation, spine = modelled(VERSE005_MASK)
    grid = segmentation.grid
    n = np.array(grid.shape)
    flipped = Grid(grid.shape, grid.spacing_mm, grid.points([0, n[1] - 1, 0]), grid.direction * [1, -1, 1])
    other = model_spine(from_labels(segmentation.labels[:, ::-1].copy(), flipped), None)
    for level in spine.levels:
        assert other.vertebrae[level].body_volume_ml == pytest.approx(spine.vertebrae[level].body_volume_ml, rel=0.01)


def test_images_written_for_others_keep_their_geometry(modelled):
    segmentation, _ = modelled(TOTALSEG_MASK)
    image = as_image(segmentation.labels, segmentation.grid)
    np.testing.assert_allclose(image.TransformIndexToPhysicalPoint([7, 6, 5]), segmentation.grid.points([5, 6, 7]), atol=1e-4)
