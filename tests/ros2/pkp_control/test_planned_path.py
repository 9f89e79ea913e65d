"""From a sealed plan to what is held on the patient."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pkp_control.planned_path import (
    BadPathError,
    BeyondReachError,
    CurvedPathError,
    GuideConfig,
    NoSuchPathError,
    planned_goal,
)
from scipy.spatial.transform import Rotation

from planning_core.case.plan import TamperedPlanError
from planning_core.errors import InputError
from planning_core.geometry import RigidTransform
from tests.ros2.small_plan import path, sealed_plan

ENTRY, TARGET = (25.0, 40.0, 10.0), (8.0, 0.0, 6.0)
PLAN = sealed_plan(path("left", ENTRY, TARGET), path("right", (-25.0, 40.0, 10.0), (-8.0, 0.0, 6.0), skin_mm=None))
coordinate = st.floats(-200, 200)


def registration(turn=(0.1, 0.2, 0.3), shift=(10.0, -30.0, 50.0)):
    return RigidTransform.from_parts("patient_ref", "ct_lps", Rotation.from_rotvec(turn).as_matrix(), shift)


@settings(deadline=None, max_examples=60)
@given(
    st.tuples(coordinate, coordinate, coordinate),
    st.floats(-1.2, 1.2),
    st.floats(-np.pi, np.pi),
    st.floats(5.0, 60.0),
    st.tuples(coordinate, coordinate, coordinate),
)
def test_entry_and_target_lie_on_the_tips_axis_at_the_distances_it_names(entry, lean, turn, depth, shift):
    axis = np.array([np.sin(lean) * np.cos(turn), np.sin(lean) * np.sin(turn), -np.cos(lean)])
    target = tuple(float(v) for v in np.array(entry) + depth * axis)
    at = registration((lean, turn, 0.4), shift)
    goal = planned_goal(sealed_plan(path("left", entry, target)), "left", at)
    tip = goal.patient_from_tip
    np.testing.assert_allclose(tip.apply([0.0, 0.0, goal.entry_mm]), at.apply(np.array(entry)), atol=1e-6)
    np.testing.assert_allclose(tip.apply([0.0, 0.0, goal.target_mm]), at.apply(np.array(target)), atol=1e-6)
    assert goal.entry_mm == 45.0 + GuideConfig().skin_clearance_mm


def test_unknown_skin_takes_the_configured_distance():
    guide = GuideConfig(unknown_skin_mm=70.0, skin_clearance_mm=12.0)
    assert planned_goal(PLAN, "right", registration(), guide).entry_mm == 82.0


def test_refusals_have_names():
    at = registration()
    with pytest.raises(NoSuchPathError):
        planned_goal(PLAN, "middle", at)
    with pytest.raises(BeyondReachError):
        planned_goal(PLAN, "left", at, GuideConfig(reach_mm=80.0))
    with pytest.raises(CurvedPathError):
        planned_goal(sealed_plan(path("left", ENTRY, TARGET, kind="curved")), "left", at)
    for bad in (
        path("left", ENTRY, ENTRY),
        path("left", ENTRY, (float("nan"), 0.0, 0.0)),
        path("left", ENTRY, TARGET, skin_mm=-1),
    ):
        with pytest.raises(BadPathError):
            planned_goal(sealed_plan(bad), "left", at)
    with pytest.raises(TamperedPlanError):
        planned_goal(PLAN.model_copy(update={"level": "L2"}), "left", at)
    with pytest.raises(InputError):
        planned_goal(PLAN, "left", at.inverse())
