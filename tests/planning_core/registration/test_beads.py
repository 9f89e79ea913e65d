import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware_sim.carm import Rod
from planning_core.imaging.volume import CtVolume
from planning_core.registration.bead_model import blurred_ball
from planning_core.registration.beads import find_beads
from planning_core.registration.config import BeadConfig
from planning_core.registration.refusals import TooMuchMetalError
from tests.planning_core.registration.rooms import scanned


def errors(search, truth):
    """(n, 3) of each true bead in view to the found one nearest."""
    there = truth.beads_lps_mm[truth.in_view]
    found = search.centres_lps_mm
    nearest = np.linalg.norm(found[:, None] - there, axis=-1).argmin(axis=0)
    return found[nearest] - there


@given(st.floats(0.5, 4), st.floats(0.05, 1.5))
def test_a_blurred_ball_keeps_its_volume(radius, blur):
    r = np.linspace(0, radius + 8 * blur, 4000)
    volume = np.trapezoid(4 * np.pi * r**2 * blurred_ball(r, radius, blur), r)
    assert volume == pytest.approx(4 / 3 * np.pi * radius**3, rel=1e-3)


@pytest.mark.parametrize(("spacing", "limit_mm"), [(0.5, 0.05), (1.0, 0.1), ((0.7, 0.7, 1.25), 0.1), (1.25, 0.15)])
def test_centres_are_found_to_a_fraction_of_a_voxel(spacing, limit_mm):
    made, truth = scanned(spacing)
    search = find_beads(made.as_ct(), 3.0)
    assert truth.in_view.all()
    assert len(search.beads) == 9
    assert np.linalg.norm(errors(search, truth), axis=1).max() < limit_mm
    assert all(0 < b.quality <= 1 for b in search.beads)


def test_the_predicted_error_covers_the_true_one():
    made, truth = scanned(1.0, seed=3)
    search = find_beads(made.as_ct(), 3.0)
    off = errors(search, truth)
    order = np.linalg.norm(search.centres_lps_mm[:, None] - truth.beads_lps_mm, axis=-1).argmin(axis=0)
    surprise = [o @ np.linalg.solve(search.beads[n].covariance, o) for o, n in zip(off, order, strict=True)]
    assert np.mean(surprise) < 3


def test_screws_and_needles_are_no_beads():
    rods = [Rod([-40, 0, -8], [-30, 25, 4], 2.75), Rod([30, 0, 0], [45, 10, 10], 0.8), Rod([40, -10, 12], [40, -6.5, 12], 1.5)]
    made, _ = scanned(1.0, rods=rods)
    search = find_beads(made.as_ct(), 3.0)
    assert len(search.beads) == 9
    assert len(search.others) == 3
    assert all(o.reason for o in search.others)


def test_a_ball_of_another_size_is_no_bead():
    made, _ = scanned(1.25)
    assert not find_beads(made.as_ct(), 6.0).beads


def test_a_bead_cut_off_by_the_edge_is_named():
    made, _ = scanned(1.0, loose_beads_mm=[np.array([0.0, 10, 29.6])])
    search = find_beads(made.as_ct(), 3.0)
    assert len(search.beads) == 9
    assert "edge" in search.others[0].reason or "as large" in search.others[0].reason or "long" in search.others[0].reason


def test_a_scan_full_of_metal_is_refused_not_searched():
    made, _ = scanned(1.25)
    with pytest.raises(TooMuchMetalError) as caught:
        find_beads(made.as_ct(), 3.0, BeadConfig(max_metal=8))
    assert caught.value.found == 9


def test_a_scan_without_metal_has_no_beads():
    made, _ = scanned(1.25)
    plain = CtVolume(np.minimum(made.hu, 1500), made.grid, "")
    assert find_beads(plain, 3.0).centres_lps_mm.shape == (0, 3)
