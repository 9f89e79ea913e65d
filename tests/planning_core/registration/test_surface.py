import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from planning_core.anatomy.levels import VertebraLevel
from planning_core.geometry import DistanceField, FrameMismatchError, Grid, RigidTransform
from planning_core.registration import CheckPoint, RegistrationConfig, judge, register_probed_surface
from planning_core.registration.carry import surface_points
from planning_core.registration.config import AcceptanceConfig, CarryConfig, SurfaceConfig
from planning_core.registration.refusals import PointsError, SurfaceError, UnstableSurfaceError
from planning_core.registration.surface import register_surface
from planning_core.registration.target_error import error_at
from tests.planning_core.registration.strategies import pose, seeds

GRID = Grid.centred("bone", (45, 40, 35), 1.0)


def lump():
    """Three blended balls, none like another: a bone without symmetry."""
    points = GRID.all_points()
    balls = [((0, 0, 0), 17), ((20, 8, 4), 10), ((-6, 22, -12), 8)]
    away = [np.linalg.norm(points - centre, axis=-1) - radius for centre, radius in balls]
    return DistanceField.from_mask(-3 * np.log(sum(np.exp(-d / 3) for d in away)) < 0, GRID)


LUMP = lump()


def off(transform, turn_deg, shift_mm, middle, seed):
    """A start turned about ``middle`` (src) and shifted, so much, some way."""
    rng = np.random.default_rng(seed)
    axis, way = (v / np.linalg.norm(v) for v in rng.normal(size=(2, 3)))
    turn = Rotation.from_rotvec(np.radians(turn_deg) * axis).as_matrix() @ transform.rotation
    place = transform.apply(middle) + shift_mm * way
    return RigidTransform.from_parts(transform.dst, transform.src, turn, place - turn @ middle)


def touched(field, seed, count, noise_mm=0.2, where=None):
    """T_<field>_patient_ref and points on the field's surface as a probe in ``patient_ref`` gives them."""
    rng = np.random.default_rng(seed)
    points = surface_points(field, CarryConfig(points=100_000))
    if where is not None:
        points = points[where(points)]
    truth = pose(seed, field.grid.frame, "patient_ref")
    chosen = points[rng.permutation(len(points))[:count]]
    return truth, truth.inverse().apply(chosen + rng.normal(0, noise_mm, chosen.shape))


@settings(max_examples=8, deadline=None)
@given(seeds, st.floats(0, 12), st.floats(0, 6))
def test_points_find_their_place_from_nearby(seed, turn, shift):
    truth, points = touched(LUMP, seed, 80)
    found = register_surface(points, LUMP, off(truth, turn, shift, points.mean(axis=0), seed))
    error = truth.apply(points) - found.moved.transform.apply(points)
    assert np.linalg.norm(error, axis=1).max() < 1.0
    assert found.rms_mm < 0.35


def test_the_same_start_gives_the_same_answer():
    truth, points = touched(LUMP, 3, 60)
    start = off(truth, 6, 3, points.mean(axis=0), 3)
    one, two = register_surface(points, LUMP, start), register_surface(points, LUMP, start)
    np.testing.assert_array_equal(one.moved.transform.matrix, two.moved.transform.matrix)


def test_wrong_touches_are_left_out():
    truth, points = touched(LUMP, 5, 80)
    points[:8] += truth.inverse().rotate(np.array([0, 0, 9.0]))
    found = register_surface(points, LUMP, off(truth, 5, 3, points.mean(axis=0), 5))
    assert found.kept[:8].sum() <= 2
    assert np.linalg.norm(truth.apply(points) - found.moved.transform.apply(points), axis=1).max() < 0.6


def test_a_balls_radius_is_taken_off():
    truth, points = touched(LUMP, 6, 80, noise_mm=0.0)
    inside = truth.apply(points)
    outside = truth.inverse().apply(inside + 1.5 * LUMP.gradient_at(inside))
    found = register_surface(outside, LUMP, off(truth, 4, 2, outside.mean(axis=0), 6), stand_off_mm=1.5)
    assert np.linalg.norm(truth.apply(outside) - found.moved.transform.apply(outside), axis=1).max() < 0.4
    assert abs(np.median(found.distances_mm)) < 0.25


def test_the_true_error_is_as_often_within_its_bound_as_said():
    config = SurfaceConfig(point_error_mm=0.3, trim=0.0, correlated_mm=0.0)
    inside, trials = 0, 30
    for seed in range(trials):
        truth, points = touched(LUMP, seed, 40, noise_mm=0.3)
        found = register_surface(points, LUMP, off(truth, 4, 2, points.mean(axis=0), seed), config)
        at = truth.inverse().apply([10.0, -5, 8])
        error = np.linalg.norm(found.moved.transform.apply(at) - [10.0, -5, 8])
        inside += error <= error_at(found.moved, at).bound95_mm
    assert inside / trials >= 0.87  # 0.95 less two sigma of thirty trials


def test_points_on_one_flat_patch_do_not_hold_a_bone():
    rng = np.random.default_rng(0)
    flat = DistanceField(GRID.all_points()[..., 2], GRID)
    points = np.column_stack([rng.uniform(-20, 20, (40, 2)), rng.normal(0, 0.1, 40)])
    with pytest.raises(UnstableSurfaceError) as caught:
        register_surface(points, flat, RigidTransform("bone", "patient_ref", np.eye(4)))
    assert caught.value.predicted_mm > 2


def test_points_that_belong_elsewhere_are_refused():
    rng = np.random.default_rng(1)
    with pytest.raises(SurfaceError):
        register_surface(rng.uniform(-40, 40, (60, 3)), LUMP, RigidTransform("bone", "patient_ref", np.eye(4)))


@pytest.mark.parametrize("points", [np.zeros((5, 3)), np.full((30, 3), np.nan), np.zeros((30, 2))])
def test_points_that_are_none_are_refused(points):
    with pytest.raises(PointsError):
        register_surface(points, LUMP, RigidTransform("bone", "patient_ref", np.eye(4)))


def test_a_start_into_another_frame_is_refused():
    with pytest.raises(FrameMismatchError):
        register_surface(np.zeros((30, 3)), LUMP, RigidTransform("ct_lps", "patient_ref", np.eye(4)))


def test_a_probed_bone_is_judged_like_any_other_registration(real_vertebrae):
    vertebra = real_vertebrae[VertebraLevel.L3]
    behind = float(vertebra.wall[0]) + 8
    truth, points = touched(vertebra.whole, 2, 120, 0.25, lambda p: p[:, 1] > behind)
    reference_from_ct = truth.inverse() @ vertebra.ct_lps_from_vertebra.inverse()
    start = off(reference_from_ct, 5, 3, vertebra.ct_lps_from_vertebra.translation_mm, 2)
    config = RegistrationConfig(surface=SurfaceConfig(point_error_mm=0.3))
    found = register_probed_surface(points, vertebra, start, config)
    assert (found.reference_from_ct.transform.dst, found.reference_from_ct.transform.src) == ("patient_ref", "ct_lps")
    tip = surface_points(vertebra.whole, CarryConfig())
    tip = vertebra.ct_lps_from_vertebra.apply(tip[tip[:, 1].argmax()])
    target = vertebra.ct_lps_from_vertebra.translation_mm
    limits = AcceptanceConfig(min_independent_touch_mm=0.0)
    check = CheckPoint(tip, reference_from_ct.apply(tip), np.eye(3) * 0.3**2)
    decision = judge(found, target, check, limits)
    assert decision.accepted, decision.reasons
    assert (
        np.linalg.norm(found.reference_from_ct.transform.apply(target) - reference_from_ct.apply(target))
        < decision.predicted.bound95_mm
    )
    wrong = CheckPoint(tip, reference_from_ct.apply(tip) + [3, 0, 0], np.eye(3) * 0.3**2)
    assert not judge(found, target, wrong, limits).accepted


@pytest.mark.parametrize(("turn", "shift"), [(5, 3), (12, 8)])
def test_a_probe_on_a_real_vertebras_arch_finds_it(real_vertebrae, turn, shift):
    vertebra = real_vertebrae[VertebraLevel.L3]
    behind = float(vertebra.wall[0]) + 8
    for seed in range(4):
        truth, points = touched(vertebra.whole, seed, 70, 0.3, lambda p: p[:, 1] > behind)
        found = register_surface(points, vertebra.whole, off(truth, turn, shift, points.mean(axis=0), seed))
        centre = truth.inverse().apply(np.zeros(3))
        error = np.linalg.norm(found.moved.transform.apply(centre))
        assert error < min(1.3, 2 * error_at(found.moved, centre).bound95_mm)
