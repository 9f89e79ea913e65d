"""FollowJointTrajectory over the simulated arm: goals, cancelling, results; on a node of its own that is spun between steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import rclpy
from builtin_interfaces.msg import Duration
from control_msgs.action import FollowJointTrajectory
from pkp_lifecycle import names
from pkp_lifecycle.goals import conclude, not_yet
from rclpy.action import ActionServer, CancelResponse, GoalResponse

from hardware_sim.arm import ArmMode
from pkp_simulation.bench import ArmBench
from pkp_simulation.trajectory import JOINT_NAMES, Outcome, Run, TrajectoryRefusedError, Way, way
from planning_core.errors import PkpError

FEEDBACK_EVERY = 12
LINGER_S = 2.0
OLD_S = 5.0
"""A goal whose header says it was to begin so long ago is refused."""


class TrajectoryServer:
    """One goal at a time; a newer one, or a streamed command, ends the one before."""

    def __init__(self, owner: Any, bench: ArmBench, period_s: float) -> None:
        self.node = rclpy.create_node("arm_sim_trajectories", start_parameter_services=False, use_global_arguments=False)
        self._owner, self._bench, self._period_s = owner, bench, period_s
        self._run: Run | None = None
        self._handle: Any = None
        self._count = 0
        self._until_s = 0.0
        self._server = ActionServer(
            self.node,
            FollowJointTrajectory,
            names.FOLLOW_TRAJECTORY,
            execute_callback=not_yet,
            handle_accepted_callback=self._accepted,
            goal_callback=self._asked,
            cancel_callback=lambda _: CancelResponse.ACCEPT,
        )

    @property
    def busy(self) -> bool:
        """A goal was asked for, runs, or its result may not have been fetched yet."""
        return self._run is not None or self._bench.sampled_s < self._until_s

    def step(self) -> None:
        """Once a period: has it arrived, or failed?"""
        if self._run is None:
            return
        arm = self._bench.arm
        state = arm.joint_state()
        if self._handle.is_cancel_requested:
            arm.cancel()
            return self._end(Outcome.SUCCESSFUL, "cancelled")
        obstacle = "" if arm.mode is ArmMode.RUNNING else f"{arm.mode.value} ({arm.stop_reason})"
        ended = self._run.judge(arm.now_s, state.joints, arm.following, obstacle)
        if ended is not None:
            return self._end(*ended)
        self._count += 1
        if self._count % FEEDBACK_EVERY == 0:
            self._handle.publish_feedback(self._feedback(self._run, state.joints, arm.now_s))

    def close(self) -> None:
        """Let go."""
        self._server.destroy()
        self.node.destroy_node()

    def _asked(self, goal: FollowJointTrajectory.Goal) -> GoalResponse:
        self._linger()
        # only what a controller that is not running would refuse; what is wrong with a goal is said in its result
        return GoalResponse.ACCEPT if self._bench.arm.mode is ArmMode.RUNNING else GoalResponse.REJECT

    def _accepted(self, handle: Any) -> None:
        try:
            chosen = self._way(handle.request)
            self._end(Outcome.INVALID_GOAL, "a newer goal took the arm")
            self._bench.arm.follow(chosen.times_s[1:].tolist(), chosen.points[1:])
        except PkpError as error:
            code = int(error.data.get("outcome", Outcome.INVALID_GOAL))
            result = FollowJointTrajectory.Result(error_code=code, error_string=error.message)
            return conclude(handle, result, handle.abort)
        self._run, self._handle = Run(chosen, self._bench.arm.now_s), handle

    def _end(self, outcome: Outcome, words: str) -> None:
        self._linger()
        if self._run is None:
            return
        self._run, handle = None, self._handle
        result = FollowJointTrajectory.Result(error_code=int(outcome), error_string=words)
        called_off = handle.canceled if handle.is_cancel_requested else None
        conclude(handle, result, called_off or (handle.succeed if outcome is Outcome.SUCCESSFUL else handle.abort))

    def _linger(self) -> None:
        self._until_s = self._bench.sampled_s + LINGER_S

    def _way(self, goal: FollowJointTrajectory.Goal) -> Way:
        trajectory = goal.trajectory
        asked = trajectory.header.stamp
        begins_s = asked.sec + asked.nanosec * 1e-9
        if begins_s and self._owner.get_clock().now().nanoseconds * 1e-9 - begins_s > OLD_S:
            raise TrajectoryRefusedError("the trajectory was to begin long ago", outcome=int(Outcome.OLD_HEADER_TIMESTAMP))
        return way(
            trajectory.joint_names,
            [_seconds(p.time_from_start) for p in trajectory.points],
            [list(p.positions) for p in trajectory.points],
            [list(p.velocities) for p in trajectory.points],
            self._bench.arm.joint_state().joints,
            self._period_s,
            {t.name: t.position for t in goal.path_tolerance},
            {t.name: t.position for t in goal.goal_tolerance},
            _seconds(goal.goal_time_tolerance),
        )

    def _feedback(self, run: Run, joints: Any, now_s: float) -> FollowJointTrajectory.Feedback:
        wanted = run.way.desired(now_s - run.begun_s)
        feedback = FollowJointTrajectory.Feedback(joint_names=list(JOINT_NAMES))
        feedback.header.stamp = self._owner.get_clock().now().to_msg()
        feedback.desired.positions, feedback.actual.positions = wanted.tolist(), joints.tolist()
        feedback.error.positions = np.subtract(wanted, joints).tolist()
        return feedback


def _seconds(duration: Duration) -> float:
    return float(duration.sec + duration.nanosec * 1e-9)
