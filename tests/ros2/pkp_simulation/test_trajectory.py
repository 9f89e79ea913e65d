"""Trajectories as the action asks for them."""

import numpy as np
import pytest
from pkp_simulation.trajectory import JOINT_NAMES, Outcome, Run, TrajectoryRefusedError, way

START = np.array([0.1, -1.4, 1.5, -1.6, -1.5, 0.2])


def asked(names=JOINT_NAMES, times=(1.0, 2.0), points=None, speeds=((), ()), path=None, goal=None, patience_s=0.0):
    points = [START + 0.05, START + 0.1] if points is None else points
    return way(names, times, points, speeds, START, 0.008, path or {}, goal or {}, patience_s)


def test_joint_names_are_those_of_the_description():
    from pkp_control.kinematics import JOINT_NAMES as DRAWN

    assert JOINT_NAMES == DRAWN


def test_joints_may_come_in_any_order():
    order = [3, 1, 0, 2, 5, 4]
    shuffled = asked([JOINT_NAMES[i] for i in order], points=[(START + 0.05)[order], (START + 0.1)[order]])
    np.testing.assert_allclose(shuffled.points, asked().points)
    np.testing.assert_allclose(asked().desired(1.5), START + 0.075)


def test_velocities_make_it_a_smooth_curve():
    curve = asked(speeds=[[0.1] * 6, [0.0] * 6])
    speed = np.diff(curve.points, axis=0) / np.diff(curve.times_s)[:, None]
    assert np.abs(np.diff(speed, axis=0)).max() < 0.01
    np.testing.assert_allclose(curve.points[-1], START + 0.1)


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({"names": JOINT_NAMES[:5]}, Outcome.INVALID_JOINTS),
        ({"names": (*JOINT_NAMES[:5], "elbow_joint")}, Outcome.INVALID_JOINTS),
        ({"goal": {"knee_joint": 0.1}}, Outcome.INVALID_JOINTS),
        ({"times": ()}, Outcome.INVALID_GOAL),
        ({"times": (2.0, 1.0)}, Outcome.INVALID_GOAL),
        ({"times": (1.0, 1e9)}, Outcome.INVALID_GOAL),
        ({"times": (np.nan, 1.0)}, Outcome.INVALID_GOAL),
        ({"points": [START, START[:5]]}, Outcome.INVALID_GOAL),
        ({"points": [START, START * np.nan]}, Outcome.INVALID_GOAL),
        ({"speeds": [[0.1] * 6, [np.inf] * 6]}, Outcome.INVALID_GOAL),
    ],
)
def test_what_is_no_trajectory_is_refused_by_code(change, outcome):
    with pytest.raises(TrajectoryRefusedError) as refused:
        asked(**change)
    assert refused.value.outcome == outcome


def test_how_a_run_ends():
    run = Run(asked(path={"elbow_joint": 0.02}, patience_s=0.5), 10.0)
    assert run.judge(11.0, START + 0.05, True, "") is None
    assert run.judge(11.0, START + 0.05, False, "")[0] is Outcome.INVALID_GOAL
    assert run.judge(11.0, START + 0.08, True, "")[0] is Outcome.PATH_TOLERANCE_VIOLATED
    assert "asked for" in run.judge(11.0, START + 0.05, False, "protective_stop (asked for)")[1]
    assert run.judge(12.1, START + 0.1, False, "") == (Outcome.SUCCESSFUL, "")
    assert run.judge(12.1, START + 0.085, False, "") is None
    assert run.judge(12.6, START + 0.085, False, "")[0] is Outcome.GOAL_TOLERANCE_VIOLATED
