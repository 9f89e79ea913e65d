"""Balls on the skin, touched in any order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planning_core.registration.beads import Bead
from planning_core.registration.config import FiducialConfig
from planning_core.registration.fiducials import (
    FiducialsMismatchError,
    NoFiducialsError,
    find_fiducials,
    nearest,
    register_touched,
)
from planning_core.registration.touch import Touch
from tests.planning_core.registration.strategies import pose

BALLS = np.array([[14, 8, -22], [-40, 15, 25], [35, 18, 30], [-30, 12, -32], [2, 25, 5], [48, 2, -5], [-52, 4, 2]], float)


def beads(centres=BALLS):
    return [Bead(c, np.eye(3) * 0.05**2, 0.4, 0.01, 1.0) for c in centres]


def touched(places, sigma_mm=0.2):
    return [Touch(p, np.eye(3) * sigma_mm**2, 0.1, float(n), n) for n, p in enumerate(places)]


@settings(max_examples=25, deadline=None)
@given(order=st.permutations(range(len(BALLS))), seed=st.integers(0, 9999))
def test_whatever_the_order_the_pose_comes_back_within_its_bound(order, seed):
    true = pose(seed, "patient_ref", "ct_lps")
    noise = np.random.default_rng(seed).normal(scale=0.2, size=BALLS.shape)
    left_out = nearest(beads(), [0, 20, 0])
    found = register_touched(touched(true.apply(BALLS[order]) + noise), beads(), left_out)
    assert len(found.fit.src_mm) == len(BALLS) - 1
    target = np.array([0.0, -30.0, 0.0])
    error = np.linalg.norm(found.reference_from_ct.transform.apply(target) - true.apply(target))
    assert error < 2 * found.error_at(target).bound95_mm  # 95 %, and this is every one of many


def test_a_place_beside_its_ball_is_refused_and_nothing_is_guessed():
    places = BALLS.copy()
    places[3] += [0, 6.0, 0]
    with pytest.raises(FiducialsMismatchError) as refused:
        register_touched(touched(places), beads(), 0)
    assert (refused.value.data["touched"], refused.value.data["why"]) == (7, "plate_not_found")


def test_balls_that_lie_alike_from_two_sides_are_refused():
    ring = [[40 * np.cos(a), 40 * np.sin(a), 0] for a in np.arange(6) * np.pi / 3]
    with pytest.raises(FiducialsMismatchError) as refused:
        register_touched(touched(np.array(ring)), beads(np.array(ring)), 0)
    assert refused.value.data["why"] == "ambiguous_beads"


def test_too_few_balls_are_refused_with_their_number(ball_scan):
    with pytest.raises(NoFiducialsError, match="shows 5 steel balls"):
        find_fiducials(ball_scan(BALLS[:5]))
    found = find_fiducials(ball_scan(BALLS[:6]), FiducialConfig())
    off = [np.linalg.norm(BALLS[:6] - b.centre_lps_mm, axis=1).min() for b in found]
    assert max(off) < 0.15


@pytest.fixture
def ball_scan():
    """Balls in air-filled nothing, as the simulated C-arm draws them."""
    from hardware_sim.carm.metal import Ball, PointSpread, add_metal
    from planning_core.geometry import Grid
    from planning_core.imaging.volume import CtVolume

    def make(centres):
        grid = Grid((90, 90, 160), [0.8, 0.8, 0.8], [-64.0, -26.0, -36.0])
        hu = np.full(grid.shape, -50, np.int16)
        for centre in centres:
            add_metal(hu, grid, Ball(centre, 1.5), 14_000.0, PointSpread((0.4, 0.4, 0.48), 1.3, 0.04))
        return CtVolume(np.minimum(hu, 3071).astype(np.int16), grid, "")

    return make
