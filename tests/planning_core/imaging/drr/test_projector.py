import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from planning_core.geometry import FrameMismatchError, Grid, RigidTransform
from planning_core.imaging.drr.attenuation import AttenuationVolume
from planning_core.imaging.drr.projector import line_integrals, line_integrals_and_slopes, smooth_line_integrals
from planning_core.xray.geometry import PinholeView
from planning_core.xray.refusals import OutsideViewError
from tests.planning_core.xray.strategies import views

pytest.importorskip("numba")

few = settings(max_examples=20, deadline=None)


def box_grid(shape=(9, 12, 7), spacing=(4.0, 3.0, 5.0), turn=(0.2, -0.1, 0.4)):
    direction = Rotation.from_rotvec(turn).as_matrix()
    half = direction @ ((np.array(shape[::-1]) - 1) / 2 * spacing)
    return Grid(shape, spacing, -half, direction, "carm")


def random_volume(seed=3, **given):
    grid = box_grid(**given)
    return AttenuationVolume(np.random.default_rng(seed).random(grid.shape), grid)


def way_through_box(volume, view):
    """How long each ray is inside the volume's box, mm, by the box alone."""
    pixels = np.stack(np.mgrid[: view.size[0], : view.size[1]], axis=-1)
    turn, spacing = volume.grid.direction, volume.grid.spacing_mm
    s = turn.T @ (view.source_mm - volume.grid.points([-0.5] * 3))
    d = view.directions(pixels) @ turn
    with np.errstate(divide="ignore"):
        ends = np.stack([-s / d, (np.array(volume.grid.shape[::-1]) * spacing - s) / d])
    return np.clip(ends.max(axis=0).min(axis=-1) - ends.min(axis=0).max(axis=-1), 0, None)


@few
@given(views())
def test_a_box_of_one_attenuation_gives_the_way_through_it(view):
    view = view.binned(8)
    volume = AttenuationVolume(np.ones(box_grid().shape), box_grid())
    assert line_integrals(volume, view, 1) == pytest.approx(way_through_box(volume, view), rel=1e-4, abs=2e-3)


@few
@given(views(), st.integers(0, 99))
def test_integrals_are_sums_over_voxels_of_way_times_value(view, seed):
    """Each voxel is a box of its own: the exact integral by another road."""
    view = view.binned(16)
    volume = random_volume(seed, shape=(3, 2, 4), spacing=(20.0, 30.0, 25.0))
    summed = np.zeros(view.size)
    for k, j, i in np.ndindex(volume.mu.shape):
        cell = volume.grid.crop((slice(k, k + 1), slice(j, j + 1), slice(i, i + 1)))
        summed += volume.mu[k, j, i] * way_through_box(AttenuationVolume(np.ones((1, 1, 1)), cell), view)
    assert line_integrals(volume, view, 1) == pytest.approx(summed, rel=1e-4, abs=5e-3)


@few
@given(views(), st.floats(-2, 2), st.floats(-2, 2))
@pytest.mark.parametrize("integrals", [line_integrals, smooth_line_integrals])
def test_integrals_are_linear_in_the_volume(integrals, view, a, b):
    view = view.binned(8)
    one, other = random_volume(1), random_volume(2)
    both = AttenuationVolume(a * one.mu + b * other.mu, one.grid)
    expected = a * integrals(one, view, 1) + b * integrals(other, view, 1)
    assert integrals(both, view, 1) == pytest.approx(expected, rel=1e-4, abs=5e-3)


def view_of(primary_deg=20.0, secondary_deg=-10.0, size=(24, 32), spacing=(6.0, 6.0)):
    return PinholeView.isocentric(primary_deg, secondary_deg, 1000.0, 600.0, size, spacing)


@pytest.mark.parametrize(("primary_deg", "secondary_deg"), [(0, 0), (90, 0), (0, 90), (45, 0), (-30, 20)])
def test_smooth_and_exact_integrals_agree_on_a_smooth_volume(primary_deg, secondary_deg):
    grid = box_grid(shape=(40, 44, 48), spacing=(2.0, 2.0, 2.0))
    middle = np.array([2.0, -3.0, 4.0])
    mu = np.exp(-((grid.all_points() - middle) ** 2).sum(axis=-1) / (2 * 12.0**2))
    view = view_of(primary_deg, secondary_deg)
    volume = AttenuationVolume(mu, grid)
    exact = line_integrals(volume, view, 1)
    assert smooth_line_integrals(volume, view, 1) == pytest.approx(exact, abs=0.04 * float(exact.max()))  # steps of voxels


def moved(volume, about, turn, shift):
    """The volume with its points moved by a small turn about a point and a shift."""
    rotation = Rotation.from_rotvec(turn).as_matrix()
    origin = rotation @ (volume.grid.origin_mm - about) + about + shift
    grid = Grid(volume.grid.shape, volume.grid.spacing_mm, origin, rotation @ volume.grid.direction, "carm")
    return AttenuationVolume(volume.mu, grid)


@pytest.mark.parametrize(("primary_deg", "secondary_deg"), [(0, 0), (80, 10), (-40, 25), (5, 80)])
@pytest.mark.parametrize("axis", range(6))
def test_slopes_are_the_difference_quotient_of_moving_the_volume(primary_deg, secondary_deg, axis):
    view, about = view_of(primary_deg, secondary_deg), np.array([4.0, -7.0, 3.0])
    volume = random_volume(5, shape=(9, 12, 10))
    step = 2e-4 if axis < 3 else 0.005
    move = np.zeros(6)
    move[axis] = step
    more = smooth_line_integrals(moved(volume, about, move[:3], move[3:]), view, 1).astype(float)
    less = smooth_line_integrals(moved(volume, about, -move[:3], -move[3:]), view, 1).astype(float)
    quotient = (more - less) / (2 * step)
    _, slopes = line_integrals_and_slopes(volume, view, about, 1)
    apart = np.abs(slopes[..., axis] - quotient)
    # a ray within a step of the middle of a voxel has a bend there: few, and no other ray is off
    assert (apart < 0.02 * np.abs(quotient).max() + 0.01).mean() > 0.98
    assert np.corrcoef(slopes[..., axis].ravel(), quotient.ravel())[0, 1] > 0.999


def test_two_threads_make_the_picture_of_one():
    volume, view = random_volume(), view_of(size=(50, 40))
    assert np.array_equal(line_integrals(volume, view, 2), line_integrals(volume, view, 1))
    for one, two in zip(*(line_integrals_and_slopes(volume, view, np.zeros(3), n) for n in (1, 2)), strict=True):
        assert np.array_equal(one, two)


def test_the_empty_border_can_be_cut_off_without_a_change():
    volume, view = random_volume(), view_of()
    rim = np.zeros((15, 20, 17))
    rim[2:11, 3:15, 5:12] = volume.mu
    grid = Grid(rim.shape, volume.grid.spacing_mm, volume.grid.points([-2, -3, -5]), volume.grid.direction, "carm")
    around = AttenuationVolume(rim, grid)
    assert around.cropped().mu.shape == volume.mu.shape
    assert line_integrals(around, view, 1) == pytest.approx(line_integrals(around.cropped(), view, 1), abs=1e-4)


def test_a_volume_of_another_frame_or_behind_the_source_is_refused():
    volume, view = random_volume(), view_of()
    with pytest.raises(FrameMismatchError):
        line_integrals(volume, view.seen_from(RigidTransform.from_parts("carm", "ct_lps", np.eye(3), [0, 0, 0])))
    for shift in (-600.0, 400.0):
        with pytest.raises(OutsideViewError, match="before the source"):
            line_integrals(moved(volume, np.zeros(3), np.zeros(3), shift * view.beam), view)
