"""A mask drawn too large or too small is told by its arch; the limit follows from voxel size and noise."""

import attrs
import numpy as np
import pytest

from planning_core.anatomy.label_file import LabelFileSegmenter
from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.modelling import model_spine
from planning_core.cement.boundary import check_boundary
from planning_core.cement.config import CementConfig
from planning_core.geometry import DistanceField
from tests.data import VERSE005_MASK, shared_data

L2, L3 = VertebraLevel.L2, VertebraLevel.L3


@pytest.fixture(scope="module")
def spine():
    return model_spine(LabelFileSegmenter(shared_data(VERSE005_MASK)).read(), None, [L2, L3])


@pytest.mark.parametrize("shift", [-0.6, -0.3, 0.3, 0.6])
def test_a_moved_boundary_is_measured(spine, shift):
    own = spine.vertebrae[L3]
    moved = attrs.evolve(own, whole=DistanceField(own.whole.values - np.float32(shift), own.whole.grid))
    assert check_boundary(moved, [own], CementConfig()).shift_mm == pytest.approx(shift, rel=0.35)


def test_half_a_voxel_is_doubted_and_a_sound_neighbour_is_not(spine):
    own, config = spine.vertebrae[L3], CementConfig()
    sound = check_boundary(own, [spine.vertebrae[L2]], config)
    assert not sound.too_large
    assert not sound.too_small
    for shift in (-0.5, 0.5):
        moved = attrs.evolve(own, whole=DistanceField(own.whole.values - np.float32(shift), own.whole.grid))
        check = check_boundary(moved, [spine.vertebrae[L2]], config)
        assert (check.too_small, check.too_large) == (shift < 0, shift > 0)


def test_the_limit_grows_with_the_voxel_but_not_below_the_noise(spine):
    own, config = spine.vertebrae[L3], CementConfig()
    fine, coarse = (attrs.evolve(own, voxel_mm=np.full(3, h)) for h in (0.3, 3.0))
    assert check_boundary(coarse, [own], config).limit_mm == pytest.approx(0.75)
    assert check_boundary(fine, [own], config).limit_mm == pytest.approx(1.645 * config.arch_spread_mm)


def test_without_a_neighbour_nothing_is_doubted(spine):
    check = check_boundary(spine.vertebrae[L3], [], CementConfig())
    assert not check.too_large
    assert not check.too_small
