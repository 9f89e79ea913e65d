"""Probability that a fit is good."""

import numpy as np
import pytest

from planning_core.xray.fitting.confidence import NAMES, Calibration, shipped


def trials(seed=0, count=400):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(count, len(NAMES)))
    good = rng.uniform(size=count) < 1 / (1 + np.exp(-(1 + 2 * values[:, 0] - 1.5 * values[:, 3])))
    return values, good


def test_probabilities_are_as_often_right_as_they_say():
    values, good = trials()
    calibration = Calibration.fitted(values, good)
    fresh, truth = trials(seed=1)
    sure = np.array([calibration.probability_of(v) for v in fresh])
    for low, high in ((0.0, 0.4), (0.4, 0.75), (0.75, 1.0)):
        some = (sure >= low) & (sure < high)
        assert truth[some].mean() == pytest.approx(sure[some].mean(), abs=0.12)


def test_most_bad_ones_lie_under_the_threshold():
    values, good = trials()
    calibration = Calibration.fitted(values, good)
    sure = np.array([calibration.probability_of(v) for v in values])
    assert (sure[~good] < calibration.threshold).mean() >= 0.9
    assert (sure[good] >= calibration.threshold).mean() > 0.2


def test_the_shipped_one_asks_for_more_than_chance():
    calibration = shipped()
    assert len(calibration.weights) == len(calibration.centre) == len(NAMES)
    assert 0.5 <= calibration.threshold < 1
    better = calibration.centre + np.sign(calibration.weights) * calibration.spread
    assert calibration.probability_of(better) > calibration.probability_of(calibration.centre)
