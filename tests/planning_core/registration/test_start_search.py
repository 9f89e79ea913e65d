"""A vertebra found in a scan of which nothing is known; three alike blocks of bone stand in for a spine."""

import attrs
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from planning_core.anatomy.levels import VertebraLevel
from planning_core.geometry import DistanceField, Grid, RigidTransform
from planning_core.imaging.volume import CtVolume
from planning_core.registration.config import CarryConfig
from planning_core.registration.place_search import VertebraNotInScanError
from planning_core.registration.start_search import (
    StartSearchConfig,
    WrongLevelError,
    find_start,
)

APART_MM = 34.0
QUICK = StartSearchConfig(turns_deg=(0.0, 12.0), largest_turn_deg=13.0, places=4)
FEW = CarryConfig(samples=1500)


@attrs.frozen(eq=False)
class Bone:
    """What the search reads of a vertebra."""

    level: VertebraLevel
    ct_lps_from_vertebra: RigidTransform
    whole: DistanceField


def distance(points, centre):
    """A body with an arch behind and one spike to the left: no symmetry."""
    x, y, z = np.moveaxis(points, -1, 0)
    z = z - centre
    body = np.maximum(np.hypot(x / 1.2, y) - 17, np.abs(z) - 11)
    arch = np.maximum(np.maximum(np.abs(x) - 7, np.abs(y - 28) - 14), np.abs(z + 3) - 6)
    spike = np.maximum(np.maximum(np.abs(x - 22) - 14, np.abs(y - 16) - 4), np.abs(z - 2) - 4)
    return np.minimum(np.minimum(body, arch), spike)


def hounsfield(points, textures):
    """Cortex over marrow of a grain that differs from level to level."""
    hu = np.full(points.shape[:-1], 40.0)
    for number, texture in enumerate(textures):
        d = distance(points, APART_MM * (number - len(textures) // 2))
        grain = 280 * np.sin(points @ texture)
        hu = np.where(d < 0, 180 + grain + 350 * np.exp(-((d + 1.5) ** 2) / 3), hu)
    return hu


def spine(textures, move=None, size=(120, 110, 150), spacing=2.0, seed=0, middle=0.0):
    """A CT about a height; ``move`` takes points of the first CT to this one."""
    n = (np.array(size) / spacing).astype(int)
    grid = Grid(n[::-1], [spacing] * 3, -np.array(size) / 2 + [0, 10, middle])
    points = grid.all_points()
    points = points if move is None else move.inverse().apply(points)
    noise = np.random.default_rng(seed).normal(0, 30, grid.shape)
    return CtVolume((hounsfield(points, textures) + noise).astype(np.int16), grid, "")


OWN = [np.array([0.35, 0.1, 0.2]), np.array([0.1, 0.4, -0.15]), np.array([-0.2, 0.15, 0.4])]
ALIKE = [np.zeros(3)] * 5
LONG = (120, 110, 150)


@pytest.fixture(scope="module")
def bone():
    grid = Grid((41, 51, 51), [2.0] * 3, [-50.0, -40, -40], frame="vertebra_L2")
    place = RigidTransform.from_parts("ct_lps", "vertebra_L2", np.eye(3), [0, 0, 0])
    return Bone(VertebraLevel.L2, place, DistanceField(distance(grid.all_points(), 0.0).astype(np.float32), grid))


def test_it_is_found_wherever_it_lies(bone):
    turn = Rotation.from_rotvec([0.08, -0.1, 0.12]).as_matrix()
    move = RigidTransform.from_parts("ct_lps", "preop_lps", turn, [7.0, -6, 13])
    start = find_start(spine(OWN), bone, spine(OWN, move, seed=1), QUICK, FEW)
    points = np.array([[0.0, 0, 0], [15, 0, 0], [0, 30, 0]])
    np.testing.assert_allclose(start.place.transform.apply(points), move.apply(points), atol=0.5)
    assert start.place.correlation - start.other > 0.2


def test_levels_that_cannot_be_told_apart_are_refused_with_both_numbers(bone):
    with pytest.raises(WrongLevelError) as caught:
        find_start(spine(ALIKE, size=LONG), bone, spine(ALIKE, size=LONG, seed=1), QUICK, FEW)
    assert caught.value.beside[0] - caught.value.beside[1] < QUICK.beside.lead
    assert 30 < caught.value.apart_mm < 38
    assert caught.value.correlation - caught.value.other < caught.value.lead
    assert "bring more of the spine into the field" in caught.value.message


def test_levels_alike_are_told_apart_by_the_bones_beside_them(bone):
    """Two levels are the same to the last grain; what lies below one of them is not what lies below the other."""
    twins = [OWN[2], *ALIKE[:2]]
    with pytest.raises(WrongLevelError) as caught:  # the scan shows these two alone
        find_start(spine(twins), bone, spine(twins, size=(120, 110, 86), seed=1, middle=17.0), QUICK, FEW)
    assert caught.value.beside is None
    start = find_start(spine(twins), bone, spine(twins, seed=1), QUICK, FEW)
    assert np.linalg.norm(start.place.transform.apply(np.zeros(3))) < 0.5
    assert start.place.correlation - start.other < QUICK.lead
    assert start.beside is not None
    assert start.beside[0] - start.beside[1] > QUICK.beside.lead
    assert "told apart by the bones above and below" in start.told


def test_a_scan_too_small_to_hold_it_is_refused_with_the_share_seen(bone):
    with pytest.raises(VertebraNotInScanError) as caught:
        find_start(spine(OWN), bone, spine(OWN, size=(40, 40, 40)), QUICK, FEW)
    assert caught.value.in_view < caught.value.needed
