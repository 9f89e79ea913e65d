"""Probability that a fit is good."""

import json

import numpy as np
import pytest

from planning_core.xray.fitting.confidence import NAMES, Calibration, shipped, with_calibration


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


@pytest.mark.parametrize("points", [1, 3])
def test_the_shipped_ones_ask_for_more_than_chance(points):
    calibration = shipped(points)
    assert len(calibration.weights) == len(calibration.centre) == len(NAMES)
    assert 0.5 <= calibration.threshold < 1
    better = calibration.centre + np.sign(calibration.weights) * calibration.spread
    assert calibration.probability_of(better) > calibration.probability_of(calibration.centre)


def test_a_calibration_is_written_beside_the_other():
    made = Calibration.fitted(*trials())
    text = with_calibration('{"signs": [], "1": {"offset": 1.0}}', 3, made)
    table = json.loads(text)
    assert (table["1"], tuple(table["signs"])) == ({"offset": 1.0}, NAMES)
    again = Calibration.of_table(table["3"])
    values, _ = trials(seed=2, count=1)
    assert again.probability_of(values[0]) == pytest.approx(made.probability_of(values[0]), abs=1e-3)
