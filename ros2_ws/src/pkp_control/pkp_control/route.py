"""Ways that are driven without the tracker: freely to the stand-off, and straight back along the guide's own axis.

A router has kinematics of its own, so that it may look for a way elsewhere than where the arm is driven.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

import attrs
import numpy as np

from pkp_control.approach import LineRefusedError, plan_approach, timed_line
from pkp_control.arm_config import ArmConfig
from pkp_control.collision import PATIENT_BODY, ClearanceConfig, CollisionChecker
from pkp_control.compensation import Goal
from pkp_control.kinematics import PLATE, TIP, ArmKinematics, InverseNotFoundError, Joints
from pkp_control.limits import MotionLimits
from planning_core.errors import PkpError
from planning_core.geometry import RigidTransform

SLACK_MM = 0.1
LED_OVER_S = 0.4


class CalledOffError(PkpError):
    """The way is not wanted any more."""

    code = "called_off"


class Flag(Protocol):
    """What threading's and multiprocessing's events have in common."""

    def is_set(self) -> bool:
        """Whether it was raised."""
        ...


@attrs.frozen(eq=False)
class Route:
    """Setpoints (n, 6) rad, one a period, at rest at both ends; ``goal`` as the approach will hold it, None for a withdrawal."""

    rows: Joints
    goal: Goal | None


def begun_at(rows: Joints, joints: Joints, period_s: float) -> Joints:
    """A route (n, 6) from where the arm stands now, (6,) rad, led over within ``LED_OVER_S`` without a jerk.

    It was looked for from a mean of the last moments, in which an arm may still have crept to rest.
    """
    left = np.clip(1.0 - np.arange(len(rows)) * period_s / LED_OVER_S, 0.0, 1.0)
    return np.asarray(rows + (left**3 * (10 - 15 * left + 6 * left**2))[:, None] * (joints - rows[0]))


class Playback:
    """A route being driven: one row a period, or slowed to a stop on the route itself, which is the way that was checked."""

    BRAKE_S = 0.25

    def __init__(self, rows: Joints, period_s: float) -> None:
        self.rows, self._period_s = rows, period_s
        self._at, self._braking_s = 0.0, -1.0

    @property
    def done(self) -> bool:
        """At its end, or braked to rest."""
        return self._at >= len(self.rows) - 1 or self._braking_s >= self.BRAKE_S

    def brake(self) -> None:
        """Slow down from now on."""
        self._braking_s = max(self._braking_s, 0.0)

    def step(self) -> Joints:
        """The next setpoint (6,) rad."""
        rate = 1.0
        if self._braking_s >= 0:
            self._braking_s += self._period_s
            rate = 0.5 * (1.0 + np.cos(np.pi * min(1.0, self._braking_s / self.BRAKE_S)))
        last = len(self.rows) - 1
        self._at = min(self._at + rate, float(last))
        below = min(int(self._at), max(0, last - 1))
        above = min(below + 1, last)
        return np.asarray(self.rows[below] + (self._at - below) * (self.rows[above] - self.rows[below]))


class Router:
    """Looks for ways in one room. One call at a time.

    Args:
        config: see there. limits: of free motion. off: set by others, ends the search under way at its next sample.
    """

    def __init__(self, config: ArmConfig, limits: MotionLimits, off: Flag | None = None) -> None:
        self._config, self._limits = config, limits
        self._arm = ArmKinematics.load(config.model, **config.description)
        self._off: Flag = off or threading.Event()

    def approach(
        self, joints: Joints, goal: Goal, skin_mm: float | None, base_from_tracker: RigidTransform, patient: RigidTransform
    ) -> Route:
        """To the stand-off before the planned place; straight back first where the guide is next to the patient.

        Args:
            joints: (6,) rad, where the arm stands.
            goal: as planned; the turn about its axis is chosen here.
            skin_mm: from the guide's mouth at the planned place to the skin, where it is known.
            base_from_tracker: ``T_robot_base_tracker``.
            patient: ``T_tracker_patient_ref``.

        Raises:
            PkpError: those of ``plan_approach`` and ``retreat``; CalledOffError.
        """
        config, arm = self._config, self._arm
        base_from_patient = base_from_tracker @ patient
        tip = base_from_patient @ goal.patient_from_tip
        checker = self._checker(tip, skin_mm)
        start, parts = joints, []
        tight = checker.clearance(joints)
        if tight.spare_mm < 0 and PATIENT_BODY in (tight.first, tight.second):
            back = self._retreat(joints, checker)
            start, parts = back[-1], [back]
        eye = base_from_tracker.translation_mm
        found = plan_approach(arm, checker, start, tip, config.seed, lambda q: self._plate_hidden(q, eye), config.approach)
        parts.append(found.free_setpoints(arm, self._limits))
        held = attrs.evolve(goal, patient_from_tip=base_from_patient.inverse() @ found.tip)
        return Route(np.concatenate(parts), held)

    def retreat(self, joints: Joints) -> Route:
        """Straight back by the stand-off along the guide's own axis.

        Raises:
            LineRefusedError: something is in the way, or the joints end before.
        """
        return Route(self._retreat(joints, self._checker(None, None)), None)

    def _retreat(self, joints: Joints, checker: CollisionChecker) -> Joints:
        config = self._config.approach
        tip = self._arm.forward(joints)
        least = min(0.0, checker.clearance(joints, near_patient=True).spare_mm) - SLACK_MM
        distances = np.linspace(0.0, config.standoff_mm, int(np.ceil(config.standoff_mm / config.line_step_mm)) + 1)
        rows = [joints]
        for distance in distances[1:]:
            back = tip @ RigidTransform.from_parts(TIP, TIP, np.eye(3), [0.0, 0.0, -distance])
            try:
                following = self._arm.inverse_near(back, rows[-1])
            except InverseNotFoundError as error:
                raise _no_way_back(distance, "no joints") from error
            tight = checker.clearance(following, near_patient=True)
            # where the guide stands too near already, each step must at least not come nearer
            if tight.spare_mm < least:
                raise _no_way_back(distance, f"{tight.first} is {tight.distance_mm:.0f} mm from {tight.second}")
            least = max(least, min(0.0, tight.spare_mm) - SLACK_MM)
            if np.abs(following - rows[-1]).max() > config.line_stride_rad or self._arm.range.margin_rad(following) < 0:
                raise _no_way_back(distance, "a joint jumps or is at its stop")
            rows.append(following)
        return timed_line(np.array(rows), distances[::-1], self._limits, config)

    def _plate_hidden(self, joints: Joints, eye: Joints) -> str | None:
        plate = self._arm.forward(joints, PLATE)
        sight = eye - plate.translation_mm
        off = float(np.rad2deg(np.arccos(np.clip(plate.rotation[:, 2] @ sight / np.linalg.norm(sight), -1, 1))))
        return f"marker plate {off:.0f}° off the camera" if off > self._config.camera_angle_deg else None

    def _checker(self, tip: RigidTransform | None, skin_mm: float | None) -> CollisionChecker:
        place = None
        if tip is not None and skin_mm is not None and self._config.patient_top_from_plan:
            middle = 1e3 * np.array([float(v) for v in self._config.patient_xyz.split()])
            height = 1e3 * float(self._config.patient_size.split()[2])
            skin = (self._arm.world_from_base @ tip).apply(np.array([0.0, 0.0, skin_mm]))
            place = RigidTransform.from_parts("world", PATIENT_BODY, np.eye(3), [*middle[:2], skin[2] - height / 2])
        checker = CollisionChecker(self._arm, ClearanceConfig(), place)
        checker.free = _stoppable(checker.free, self._off)  # type: ignore[method-assign]
        return checker


def _stoppable(free: Callable[[Joints], bool], off: Flag) -> Callable[[Joints], bool]:
    def asked(joints: Joints) -> bool:
        if off.is_set():
            raise CalledOffError("the way is not wanted any more")
        return free(joints)

    return asked


def _no_way_back(distance: float, reason: str) -> LineRefusedError:
    return LineRefusedError(f"the way back is refused after {distance:.0f} mm: {reason}", at_mm=float(distance), reason=reason)


class Ways(Protocol):
    """Who looks for ways, elsewhere; the arguments are those of :class:`Router`."""

    def approach(
        self, joints: Joints, goal: Goal, skin_mm: float | None, base_from_tracker: RigidTransform, patient: RigidTransform
    ) -> None:
        """Ask for the way to a goal."""
        ...

    def retreat(self, joints: Joints) -> None:
        """Ask for the way back."""
        ...

    def call_off(self) -> None:
        """The last question's answer is not wanted any more."""
        ...

    def answer(self) -> Route | None:
        """The answer, None while there is none; a refusal is raised."""
        ...
