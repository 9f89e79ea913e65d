"""The fit on a real vertebra whose right answer is known."""

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from planning_core.anatomy.body_size import BodySize, measure_size
from planning_core.anatomy.label_file import LabelFileSegmenter
from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.modelling import model_spine
from planning_core.cement.config import CementConfig
from planning_core.cement.fit import fit_neighbour, residual_structures
from planning_core.cement.size import Stretch, expected_size
from planning_core.cement.subtract import missing_ml, subtract
from planning_core.cement.template import Template
from planning_core.geometry import DistanceField
from tests.data import VERSE005_MASK, shared_data

L3 = VertebraLevel.L3
sizes = st.builds(BodySize, *[st.floats(10, 60)] * 5)


@pytest.fixture(scope="module")
def spine():
    return model_spine(LabelFileSegmenter(shared_data(VERSE005_MASK)).read(), None, [VertebraLevel.L2, L3])


@pytest.fixture(scope="module")
def vertebra(spine):
    return spine.vertebrae[L3]


def moved(vertebra, turn, shift):
    """The same bone seen in a frame that is turned and shifted: p = R q + shift."""
    grid = vertebra.whole.grid
    matrix = Rotation.from_rotvec(turn).as_matrix()
    there = grid.all_points() @ matrix.T + shift
    body = DistanceField(vertebra.body.at(there), grid)
    return attrs.evolve(vertebra, whole=DistanceField(vertebra.whole.at(there), grid), body=body)


def test_a_bone_laid_over_itself_in_another_frame_goes_back_to_its_place(vertebra):
    turn, shift = np.array([0.08, -0.05, 0.03]), np.array([1.5, -1.0, 2.0])
    target = moved(vertebra, turn, shift)
    size = measure_size(vertebra)
    standing = residual_structures(target)
    fit = fit_neighbour(target, vertebra, size, size, standing)
    points = target.body.grid.points(np.argwhere(target.body.values < 0)[::97])
    expected = points @ Rotation.from_rotvec(turn).as_matrix().T + shift
    assert np.abs(fit.warp(points) - expected).max() < 0.7
    off = vertebra.whole.at(fit.warp(standing.points[~standing.endplate]))
    assert np.median(np.abs(off)) < 0.2


def test_the_solids_volume_is_that_of_its_voxels(spine, vertebra):
    """The Boolean on surfaces and the sum of partial voxels are two roads to one number."""
    taller = DistanceField(vertebra.body.at(vertebra.body.grid.all_points() / [1, 1, 1.2]), vertebra.body.grid)
    template = Template(taller, (), np.full(taller.grid.shape, -1.0), (), vertebra.heights, "one neighbour", ())
    config = CementConfig()
    defect = subtract(vertebra, template, config)
    assert defect.volume_ml == pytest.approx(missing_ml(vertebra, taller, config), rel=0.03)
    assert defect.volume_ml > 5
    assert abs(defect.conserved) < 1e-6


def test_nothing_is_missing_between_a_body_and_itself(vertebra):
    template = Template(vertebra.body, (), np.full(vertebra.body.grid.shape, -1.0), (), vertebra.heights, "one neighbour", ())
    assert subtract(vertebra, template, CementConfig()).volume_ml < 0.2


@given(sizes)
def test_a_size_needs_no_stretch_to_itself(size):
    assert attrs.astuple(Stretch.between(size, size)) == pytest.approx((0, 0, 0, 0))


@given(sizes, st.floats(0.8, 1.25))
def test_a_size_scaled_all_over_is_a_stretch_without_wedge(size, factor):
    scaled = BodySize(*(factor * v for v in attrs.astuple(size)))
    stretch = Stretch.between(size, scaled)
    log = float(np.log(factor))
    assert attrs.astuple(stretch) == pytest.approx((log, log, log, 0), abs=1e-9)


@given(sizes)
def test_equal_neighbours_on_the_same_level_give_their_own_size(size):
    expected = expected_size(L3, size, {L3: size}, [1.0])
    assert attrs.astuple(expected) == pytest.approx(attrs.astuple(size))
