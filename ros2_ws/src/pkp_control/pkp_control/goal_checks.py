"""Whether a goal may begin, and whether it may go on. Each answer is a code and a sentence, or None."""

from __future__ import annotations

from pkp_supervisor.guard import Permit

from pkp_control.arm_config import ArmConfig
from pkp_control.positioning_types import RESTING, Order, Purpose, Stage

Refusal = tuple[str, str] | None


def forbidden(order: Order, permit: Permit | None, may_move: bool) -> Refusal:
    """Why the goal may not move the arm now.

    Args:
        permit: the supervisor's newest word. may_move: the guard's answer to it (fresh, motion permitted).
    """
    if permit is None or not may_move:
        return "not_permitted", "no fresh permit to move"
    if order.epoch != permit.epoch:
        return "old_epoch", f"given under epoch {order.epoch}, now is {permit.epoch}"
    if (order.plan_hash, order.side) != (permit.plan_hash, permit.side):
        return "wrong_plan", f"the goal is for {order.side} of plan {order.plan_hash[:12]}, not what is worked on"
    if permit.phase not in order.purpose.moves_in:
        return "wrong_phase", f"no {order.purpose} in {permit.phase.lower()}"
    return None


def not_begun(
    order: Order,
    stage: Stage,
    permit: Permit | None,
    may_move: bool,
    now_s: float,
    joints_s: float,
    latched: int,
    config: ArmConfig,
) -> Refusal:
    """Why the goal is not taken up.

    Args:
        stage: where the arm is. now_s, joints_s: the clock and the stamp of the newest joint state.
        latched: the newest epoch under which the arm stopped by itself; only a newer one, given by a re-arm, moves it again.
    """
    if stage not in RESTING and stage is not Stage.HOLD:
        return "busy", f"another goal is in {stage}"
    if order.epoch <= latched:
        return "stopped", f"the arm stopped by itself under epoch {latched}: re-arm first"
    if not 0 < order.timeout_s <= config.timeout_s:
        return "bad_timeout", f"timeout {order.timeout_s} s; up to {config.timeout_s:g} s"
    why = forbidden(order, permit, may_move)
    if why:
        return why
    begins = order.purpose.begins_in
    if permit is not None and permit.phase != begins:
        return "wrong_phase", f"{order.purpose} begins in {begins.lower()}, not in {permit.phase.lower()}"
    if not now_s - joints_s <= config.joints_stale_s:
        return "no_joints", f"newest joint state is {now_s - joints_s:.3g} s old"
    if order.purpose is Purpose.APPROACH and order.goal is None:
        return "no_registration", "no accepted registration of this plan"
    if order.purpose is Purpose.APPROACH and not 0 <= now_s - order.registered_s <= config.registration_age_s:
        return "old_registration", f"the registration is {now_s - order.registered_s:.0f} s old"
    return None
