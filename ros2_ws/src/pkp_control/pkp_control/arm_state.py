"""What the arm says of itself, after CRTK."""

from __future__ import annotations

from builtin_interfaces.msg import Time
from pkp_msgs.msg import OperatingState

from pkp_control.positioning import Positioner, Stage


def operating_state(positioner: Positioner, now_s: float, permit_s: float, active: bool, stamp: Time) -> OperatingState:
    """FAULT until the supervisor has answered it with a stop; PAUSED while it stands where something may move it again."""
    permit = positioner.permit
    message = OperatingState(device="arm", is_busy=positioner.busy, reason=positioner.reason)
    message.header.stamp = stamp
    message.epoch = 0 if permit is None else permit.epoch
    message.is_homed = positioner.joints is not None
    fresh = permit is not None and now_s - permit.heard_s <= permit_s
    if positioner.faulty:
        message.state = OperatingState.FAULT
    elif not active or not fresh or permit is None or not permit.plan_hash:
        message.state = OperatingState.DISABLED
    elif positioner.stage in (Stage.PAUSED, Stage.FAULT, Stage.BRAKE) or not permit.motion:
        message.state = OperatingState.PAUSED
    else:
        message.state = OperatingState.ENABLED
    return message
