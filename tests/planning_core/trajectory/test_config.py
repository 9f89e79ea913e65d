"""Cannulas and the error budget."""

import pytest
from pydantic import ValidationError

from planning_core.trajectory.config import TrajectoryConfig, UnknownCannulaError, cannula_diameter_mm


def test_gauges_are_stubs_diameters() -> None:
    assert cannula_diameter_mm("11G") == pytest.approx(0.120 * 25.4, abs=0.005)
    assert cannula_diameter_mm("13G") == pytest.approx(0.095 * 25.4, abs=0.005)


def test_an_unknown_cannula_is_refused_by_name() -> None:
    with pytest.raises(UnknownCannulaError) as refusal:
        cannula_diameter_mm("12G")
    assert refusal.value.given == "12G"
    with pytest.raises(ValidationError):
        TrajectoryConfig(cannulas=("12G",))


def test_the_default_budget_adds_up_to_the_robots_stated_error() -> None:
    budget = TrajectoryConfig().budget
    total = (budget.registration_mm**2 + budget.tracker_mm**2 + budget.arm_mm**2 + budget.segmentation_mm**2) ** 0.5
    assert total == pytest.approx(0.8, abs=0.01)
