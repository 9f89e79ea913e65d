import numpy as np
import pytest
import scipy.ndimage as ndi
from scipy.spatial.transform import Rotation

from hardware_sim.carm import ScanSpec, scan
from planning_core.anatomy.label_file import LabelFileSegmenter, from_labels
from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.modelling import model_spine
from planning_core.geometry import Grid, RigidTransform
from planning_core.imaging.ingest import load_ct
from planning_core.registration.carry import carry_by_intensity, carry_by_surface, halves
from planning_core.registration.config import CarryConfig
from planning_core.registration.refusals import CarryError, SurfaceError
from planning_core.registration.target_error import error_at
from tests.data import TOTALSEG_CT, TOTALSEG_MASK, shared_data

L3, L4 = VertebraLevel.L3, VertebraLevel.L4
PLAN = np.array([[0.0, 0, 0], [12, -8, 3], [16, 28, 6], [-16, 28, 6]])
"""Targets and entries in a vertebra's frame, mm."""


def test_halves_alternate_in_blocks():
    points = np.random.default_rng(0).uniform(-40, 40, (4000, 3))
    half = halves(points, CarryConfig())
    assert half.mean() == pytest.approx(0.5, abs=0.05)


@pytest.fixture(scope="module")
def moved(real_segmentation, real_vertebrae):
    """L3 of a real spine where another scan shows it, on that scan's grid, modelled anew; and the true move."""
    centre = real_vertebrae[L3].ct_lps_from_vertebra.translation_mm
    turn = Rotation.from_rotvec([0.1, -0.06, 0.12]).as_matrix()
    truth = RigidTransform.from_parts("ct_lps", "preop_lps", turn, centre - turn @ centre + [8, -5, 12])
    grid = Grid((100, 150, 150), (0.9, 0.9, 1.2), truth.apply(centre) - np.array([67, 46, 60]))
    index = real_segmentation.grid.indices(truth.inverse().apply(grid.all_points())).reshape(-1, 3).T
    mask = ndi.map_coordinates((real_segmentation.labels == L3.verse_id).astype(np.float32), index, order=1)
    labels = np.where(mask.reshape(grid.shape) > 0.5, L3.verse_id, 0).astype(np.uint8)
    return model_spine(from_labels(labels, grid), None, [L3]).vertebrae[L3], truth


def test_a_plan_is_carried_to_another_segmented_scan(real_vertebrae, moved):
    intraop, truth = moved
    carried = carry_by_surface(real_vertebrae[L3], intraop)
    plan = real_vertebrae[L3].ct_lps_from_vertebra.apply(PLAN)
    error = np.linalg.norm(carried.intraop_from_preop.transform.apply(plan) - truth.apply(plan), axis=1)
    assert error.max() < 0.3
    assert carried.held_out_mm < 0.3
    assert carried.halves_mm < 0.3
    assert error[0] < error_at(carried.intraop_from_preop, plan[0]).bound95_mm


def test_the_neighbour_is_not_taken_for_the_vertebra(real_vertebrae):
    with pytest.raises((CarryError, SurfaceError)):
        carry_by_surface(real_vertebrae[L3], real_vertebrae[L4])


@pytest.fixture(scope="module")
def rescanned():
    """A real CT, its L3, a C-arm's scan of it, and the true move."""
    ct = load_ct(shared_data(TOTALSEG_CT))
    spine = model_spine(LabelFileSegmenter(shared_data(TOTALSEG_MASK)).read(), None, [L3, L4]).vertebrae
    centre = spine[L3].ct_lps_from_vertebra.translation_mm
    turn = Rotation.from_rotvec([0.05, 0.1, -0.04]).as_matrix()
    lies = RigidTransform.from_parts("carm", "patient", turn, np.array([2, -15, 4.0]) - turn @ centre)
    made, truth = scan(ct, lies, spec=ScanSpec(spacing_mm=(1.0, 1.0, 1.0), noise_hu=60, shading_hu=60))
    return ct, spine, made.as_ct(), RigidTransform("ct_lps", "preop_lps", truth.ct_from_patient.matrix)


@pytest.mark.parametrize("shift", [(0, 0, 0), (3, -2, 3)])
def test_a_plan_is_carried_to_a_scan_that_nobody_segmented(rescanned, shift):
    ct, spine, intraop, truth = rescanned
    start = RigidTransform.from_parts("ct_lps", "preop_lps", truth.rotation, truth.translation_mm + shift)
    carried = carry_by_intensity(ct, spine[L3], intraop, start)
    plan = spine[L3].ct_lps_from_vertebra.apply(PLAN)
    error = np.linalg.norm(carried.intraop_from_preop.transform.apply(plan) - truth.apply(plan), axis=1)
    assert error.max() < 0.3
    assert carried.correlation > 0.9
    assert error[0] < error_at(carried.intraop_from_preop, plan[0]).bound95_mm


def test_a_start_at_the_neighbour_or_out_of_view_is_refused(rescanned):
    ct, spine, intraop, truth = rescanned
    step = spine[L4].ct_lps_from_vertebra.translation_mm - spine[L3].ct_lps_from_vertebra.translation_mm
    for shift in (truth.rotate(step), [0, 0, 500.0]):
        start = RigidTransform.from_parts("ct_lps", "preop_lps", truth.rotation, truth.translation_mm + shift)
        with pytest.raises(CarryError) as caught:
            carry_by_intensity(ct, spine[L3], intraop, start)
        assert caught.value.correlation < 0.85
