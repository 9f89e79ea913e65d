"""A way that is driven without the tracker: one setpoint a period, the arm watched to be where it was sent."""

from __future__ import annotations

from collections import deque

import attrs
import numpy as np

from pkp_control.kinematics import ArmKinematics, Joints
from pkp_control.route import Playback

LATE_PERIODS = 5
ARRIVE_S = 1.0
ARRIVED_RAD = 0.002
TRAIL_S = 0.08
"""Setpoints of so long ago may be where the arm is now: what a servo lags behind, several times."""


@attrs.frozen(eq=False)
class Period:
    """What one period came to: the setpoint (6,) rad, whether this part is over, and why it cannot go on if it cannot.

    Args:
        doubt: something outside is not as it should be. fault: the arm itself is not.
    """

    setpoint: Joints | None
    done: bool = False
    doubt: str = ""
    fault: str = ""


class Drive:
    """One route on its way.

    Args:
        rows: (n, 6) rad, one a period of ``period_s``, at rest at both ends. lag_rad: of one joint, for some periods, is a fault.
    """

    def __init__(self, arm: ArmKinematics, rows: Joints, period_s: float, lag_rad: float) -> None:
        self._arm, self._lag_rad, self._playback = arm, lag_rad, Playback(rows, period_s)
        self._end_mm = self._tip_mm(rows[-1])
        self._trail = deque[tuple[float, Joints]](maxlen=64)
        self._late, self._arrived_s = 0, np.inf

    def left_mm(self, joints: Joints) -> float:
        """From the tip to where the route ends, in a straight line."""
        return float(np.linalg.norm(self._tip_mm(joints) - self._end_mm))

    def step(self, now_s: float, joints: Joints) -> Period:
        """The next setpoint; done once the arm stands at the end."""
        behind = self._behind(now_s, joints)
        if behind is not None:
            return Period(None, fault=f"the arm is {behind:.4f} rad off its way: stopped or blocked")
        if not self._playback.done:
            setpoint = self._playback.step()
            self._trail.append((now_s, setpoint))
            return Period(setpoint)
        last = np.asarray(self._playback.rows[-1])
        self._trail.append((now_s, last))
        if np.abs(joints - last).max() <= ARRIVED_RAD:
            return Period(last, done=True)
        self._arrived_s = min(self._arrived_s, now_s)  # the servo is still on its way
        if now_s - self._arrived_s > ARRIVE_S:
            return Period(None, fault="the arm does not come to the end of its way")
        return Period(last)

    def brake(self) -> None:
        """Slow down from now on."""
        self._playback.brake()

    def slow(self) -> Period:
        """The next setpoint while braking; done at rest."""
        return Period(self._playback.step(), self._playback.done)

    def _tip_mm(self, joints: Joints) -> Joints:
        return np.array(self._arm.tip_matrix(joints)[:3, 3])

    def _behind(self, now_s: float, joints: Joints) -> float | None:
        """By how much the arm is behind, rad, where it was too much for too long."""
        recent = [q for sent_s, q in self._trail if sent_s >= now_s - TRAIL_S]
        if not recent:
            return None
        behind = min(float(np.abs(joints - q).max()) for q in recent)
        self._late = self._late + 1 if behind > self._lag_rad else 0
        return behind if self._late >= LATE_PERIODS else None
