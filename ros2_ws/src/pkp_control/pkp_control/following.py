"""The patient being followed: steady poses first, then along the axis and held on the path."""

from __future__ import annotations

from pkp_control.arm_config import ArmConfig
from pkp_control.compensation import CompensationState, Compensator, Goal, Permit, ToolSample
from pkp_control.compensation.goal import RearmRefusedError
from pkp_control.drive import Period
from pkp_control.kinematics import ArmKinematics, Joints
from planning_core.geometry import RigidTransform

THERE_MM = 1e-3


class Following:
    """A compensator and what it waits for.

    Args:
        goal: to hold. base_from_tracker: ``T_base_tracker``. tool_from_tip: ``T_robot_ref_guide_tip``.
        standoff: (6,) rad, where the arm stands as this begins.
    """

    def __init__(
        self,
        arm: ArmKinematics,
        goal: Goal,
        base_from_tracker: RigidTransform,
        tool_from_tip: RigidTransform,
        standoff: Joints,
        config: ArmConfig,
    ) -> None:
        self._config = config
        self._made_of = (arm, goal, base_from_tracker, tool_from_tip, standoff, config.standoff_mm, config.compensation)
        self._compensator = Compensator(*self._made_of)
        self.reason = ""

    @property
    def left_mm(self) -> float:
        """Of the way along the axis."""
        return self._compensator.depth_left_mm

    @property
    def there(self) -> bool:
        """At the depth, and on the path."""
        near = self._compensator.deviation_mm() <= self._compensator.config.advance_tolerance_mm
        return near and self._compensator.depth_left_mm < THERE_MM

    def errors(self) -> tuple[float, float, float]:
        """Entry mm, target mm and angle rad off the path, by the arm's own joints."""
        return self._compensator.errors()

    def observe(self, sample: ToolSample, now_s: float) -> None:
        """A tool of one frame of the tracker."""
        self._compensator.observe(sample, now_s)

    def settle(self, now_s: float, joints_s: float, joints: Joints, permit: Permit | None) -> Period:
        """At rest until the poses are steady; done once the patient is followed.

        Args:
            joints_s: stamp of ``joints``. permit: where it may be begun in this period.
        """
        setpoint = self._compensator.step(now_s, joints_s, joints).joints
        if self._compensator.reason != "never enabled":
            self.reason = self._compensator.reason
            self._compensator = Compensator(*self._made_of)
        elif permit is not None:
            try:
                self._compensator.enable(permit, now_s, setpoint)
            except RearmRefusedError as error:
                self.reason = error.message
        if self._compensator.state is not CompensationState.ENABLED:
            return Period(setpoint)
        self.reason, deviation = "", self._compensator.deviation_mm()
        if not deviation <= self._config.start_deviation_mm:
            return Period(setpoint, doubt=f"the guide is {deviation:.1f} mm from the path: the patient moved, or the camera")
        self._compensator.advance(0.0)
        return Period(setpoint, done=True)

    def step(self, now_s: float, joints_s: float, joints: Joints) -> Period:
        """The next setpoint along the axis, or on the place."""
        setpoint = self._compensator.step(now_s, joints_s, joints).joints
        if self._compensator.state is CompensationState.ENABLED:
            return Period(setpoint)
        if self._compensator.state is CompensationState.FAULT:
            return Period(setpoint, fault=self._compensator.reason)
        return Period(setpoint, doubt=self._compensator.reason)

    def brake(self, reason: str, now_s: float) -> None:
        """Slow down from now on."""
        self._compensator.stop(reason, now_s)

    def slow(self, now_s: float, joints_s: float, joints: Joints) -> Period:
        """The next setpoint while braking; done at rest."""
        setpoint = self._compensator.step(now_s, joints_s, joints)
        return Period(setpoint.joints, setpoint.at_rest)
