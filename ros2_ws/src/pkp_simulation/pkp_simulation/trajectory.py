"""A joint trajectory as its message says it: checked, brought to the controller's period, and watched while it runs. No ROS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicHermiteSpline

from planning_core.errors import InputError

Joints = NDArray[np.float64]
JOINT_NAMES = ("shoulder_pan_joint", "shoulder_lift_joint", "elbow_joint", "wrist_1_joint", "wrist_2_joint", "wrist_3_joint")
"""As in the URDF."""
GOAL_RAD = 0.01
"""Where a goal names no tolerance (assumed)."""
GOAL_TIME_S = 1.0
MOST_POINTS, LONGEST_S = 20_000, 600.0


class Outcome(IntEnum):
    """control_msgs/FollowJointTrajectory's codes."""

    SUCCESSFUL = 0
    INVALID_GOAL = -1
    INVALID_JOINTS = -2
    OLD_HEADER_TIMESTAMP = -3
    PATH_TOLERANCE_VIOLATED = -4
    GOAL_TOLERANCE_VIOLATED = -5


class TrajectoryRefusedError(InputError):
    """A goal that cannot be followed. Carries ``outcome``."""

    code = "trajectory_refused"


@attrs.frozen(eq=False)
class Way:
    """What to follow: (n,) s from its start and (n, 6) rad in JOINT_NAMES' order; tolerances (6,) rad, inf for none."""

    times_s: NDArray[np.float64]
    points: NDArray[np.float64]
    path_rad: Joints
    goal_rad: Joints
    goal_time_s: float

    def desired(self, time_s: float) -> Joints:
        """(6,) rad at a time from the start."""
        return np.array([np.interp(time_s, self.times_s, column) for column in self.points.T])


def way(
    names: Sequence[str],
    times_s: Sequence[float],
    positions: Sequence[Sequence[float]],
    velocities: Sequence[Sequence[float]],
    start: Joints,
    period_s: float,
    path: Mapping[str, float],
    goal: Mapping[str, float],
    goal_time_s: float,
) -> Way:
    """Check and order a goal; with velocities it is a cubic spline, without them straight lines, as ros2_control's own.

    Args:
        start: (6,) rad, where the arm is. path, goal: tolerance by joint, rad; 0 or absent: none, GOAL_RAD at the goal.

    Raises:
        TrajectoryRefusedError: wrong joints, or times and points that make no trajectory.
    """
    unknown = [*path, *goal]
    if sorted(names) != sorted(JOINT_NAMES) or any(name not in JOINT_NAMES for name in unknown):
        raise _refused(Outcome.INVALID_JOINTS, f"joints must be {', '.join(JOINT_NAMES)}, got {', '.join([*names, *unknown])}")
    if not 0 < len(times_s) <= MOST_POINTS:
        raise _refused(Outcome.INVALID_GOAL, f"{len(times_s)} points, 1 to {MOST_POINTS} are taken")
    if any(len(row) != 6 for row in positions) or any(len(row) not in (0, 6) for row in velocities):
        raise _refused(Outcome.INVALID_GOAL, "each point needs six positions, and six velocities or none")
    order = [list(names).index(name) for name in JOINT_NAMES]
    times, points = np.asarray(times_s, dtype=np.float64), np.asarray(positions, dtype=np.float64)[:, order]
    if not np.isfinite(times).all() or not np.isfinite(points).all():
        raise _refused(Outcome.INVALID_GOAL, "times and positions must be finite")
    if times[0] == 0 and len(times) > 1:
        times, points, velocities = times[1:], points[1:], velocities[1:]
    if times[0] <= 0 or (np.diff(times) <= 0).any() or times[-1] > LONGEST_S:
        raise _refused(Outcome.INVALID_GOAL, f"times must rise from above 0 to {LONGEST_S:g} s at most, got {times[:5]}")
    if all(len(row) == 6 for row in velocities) and len(velocities) == len(times):
        speeds = np.vstack([np.zeros(6), np.asarray(velocities, dtype=np.float64)[:, order]])
        if not np.isfinite(speeds).all():
            raise _refused(Outcome.INVALID_GOAL, "velocities must be finite")
        spline = CubicHermiteSpline(np.concatenate([[0.0], times]), np.vstack([start, points]), speeds)
        fine = np.arange(1, int(np.ceil(times[-1] / period_s))) * period_s
        times = np.append(fine, times[-1])
        points = spline(times)
    reach = np.array([goal.get(name, 0.0) or GOAL_RAD for name in JOINT_NAMES])
    within = np.array([path.get(name, 0.0) or np.inf for name in JOINT_NAMES])
    # -1 means without limit in this action
    reach, within = np.where(reach < 0, np.inf, reach), np.where(within < 0, np.inf, within)
    begun = np.vstack([start, points])
    return Way(np.concatenate([[0.0], times]), begun, within, reach, goal_time_s if goal_time_s > 0 else GOAL_TIME_S)


@attrs.define(eq=False)
class Run:
    """A trajectory under way since ``begun_s``."""

    way: Way
    begun_s: float

    def judge(self, now_s: float, joints: Joints, following: bool, obstacle: str) -> tuple[Outcome, str] | None:
        """How it ended, or None while it goes on.

        Args:
            joints: (6,) rad measured. following: the arm still follows it. obstacle: why the arm takes no commands, or empty.
        """
        ran_s = now_s - self.begun_s
        off = np.abs(joints - self.way.desired(ran_s))
        if obstacle:
            return Outcome.PATH_TOLERANCE_VIOLATED, f"the arm stopped: {obstacle}"
        if (off > self.way.path_rad).any():
            worst = int(np.argmax(off / self.way.path_rad))
            return Outcome.PATH_TOLERANCE_VIOLATED, f"{JOINT_NAMES[worst]} is {off[worst]:.4f} rad off its path"
        end_s = float(self.way.times_s[-1])
        if ran_s < end_s:
            return None if following else (Outcome.INVALID_GOAL, "another command took the arm")
        missing = np.abs(joints - self.way.points[-1])
        if (missing <= self.way.goal_rad).all() and not following:
            return Outcome.SUCCESSFUL, ""
        if ran_s > end_s + self.way.goal_time_s:
            worst = int(np.argmax(missing / self.way.goal_rad))
            return Outcome.GOAL_TOLERANCE_VIOLATED, f"{JOINT_NAMES[worst]} is {missing[worst]:.4f} rad from its goal"
        return None


def _refused(outcome: Outcome, message: str) -> TrajectoryRefusedError:
    return TrajectoryRefusedError(message, outcome=int(outcome))
