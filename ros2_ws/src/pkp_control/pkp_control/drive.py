"""A way that is driven without the tracker: one setpoint a period, the arm watched to be where it was sent."""

from __future__ import annotations

import attrs
import numpy as np

from pkp_control.kinematics import ArmKinematics, Joints
from pkp_control.lag import Lag
from pkp_control.route import Playback

ARRIVE_S = 1.0
ARRIVED_RAD = 0.002


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
        self._arm, self._lag, self._playback = arm, Lag(lag_rad), Playback(rows, period_s)
        self._end_mm = self._tip_mm(rows[-1])
        self._arrived_s = np.inf

    def left_mm(self, joints: Joints) -> float:
        """From the tip to where the route ends, in a straight line."""
        return float(np.linalg.norm(self._tip_mm(joints) - self._end_mm))

    def step(self, now_s: float, joints_s: float, joints: Joints) -> Period:
        """The next setpoint; done once the arm stands at the end.

        Args:
            joints_s: stamp of ``joints`` (6,) rad.
        """
        behind = self._lag.too_much(joints_s, joints)
        if behind is not None:
            return Period(None, fault=f"the arm is {behind:.4f} rad off its way: stopped or blocked")
        if not self._playback.done:
            setpoint = self._playback.step()
            self._lag.sent(now_s, setpoint)
            return Period(setpoint)
        last = np.asarray(self._playback.rows[-1])
        self._lag.sent(now_s, last)
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
