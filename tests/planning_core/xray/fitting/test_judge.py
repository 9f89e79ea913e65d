"""What a fit is worth."""

import attrs
import numpy as np
import pytest

from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.shape_model import ShapeInstance, load_shape_model
from planning_core.geometry import RigidTransform
from planning_core.xray.fitting.climb import Summit
from planning_core.xray.fitting.judge import axis_sd_mm, collapse_differs, disagreement_mm

MODEL = load_shape_model(VertebraLevel.L2)
SHAPE = ShapeInstance(
    MODEL, RigidTransform.from_parts("carm", "vertebra", np.eye(3), [1.0, 2.0, 3.0]), np.zeros(MODEL.mode_count)
)


@attrs.frozen
class OneShape:
    """What is asked of a chain here."""

    shape: ShapeInstance


def summit(score, shift=0.0, fracture=(0.0, 0.0, 0.0)):
    pose = RigidTransform.from_parts("carm", "vertebra", np.eye(3), [1.0 + shift, 2.0, 3.0])
    return Summit(OneShape(attrs.evolve(SHAPE, pose=pose, fracture=fracture)), score, (0.5, 0.5))


def test_only_results_that_fit_about_as_well_disagree():
    assert disagreement_mm([summit(9), summit(8.5, 3.0), summit(2, 20.0)], 1.0) == pytest.approx(3.0)
    assert disagreement_mm([summit(9)], 1.0) == 0.0


def test_collapsed_and_sound_that_fit_alike_are_told():
    broken = summit(8.9, fracture=(0.2, 0.2, 0.0))
    assert collapse_differs([summit(9), broken], 1.0) == pytest.approx(0.4)
    assert collapse_differs([summit(9), attrs.evolve(broken, score=5.0)], 1.0) == 0.0


def test_a_shift_across_the_axes_counts_and_one_of_size_zero_does_not():
    covariance = np.zeros((MODEL.mode_count + 10,) * 2)
    assert axis_sd_mm(SHAPE, covariance) == 0.0
    covariance[5, 5] = 4.0  # upwards, across both pedicles' axes
    assert axis_sd_mm(SHAPE, covariance) == pytest.approx(2.0 / np.sqrt(2), rel=0.1)
