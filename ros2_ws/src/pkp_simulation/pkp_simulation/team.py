"""The people at the table of a simulated room while somebody decides at the console: they do what they would be asked to do.

``./pkp up --sim`` without ``--auto`` has them. The operator's page has no button for a breath that is held, a turn of the C-arm
or a probe: others do that, on the surgeon's word. Here they follow the phase and the registration node's own requests.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
from action_msgs.msg import GoalStatus, GoalStatusArray
from pkp_lifecycle import names
from pkp_lifecycle.node import KEPT, LATEST
from pkp_lifecycle.polled import Polled, unspun
from pkp_msgs import msg
from pkp_msgs.action import Register
from pkp_supervisor.phases import LATCHED, Phase
from rclpy.qos import DurabilityPolicy, QoSProfile

from pkp_simulation.procedure import CHECK_STAGE, SCAN_STAGE, Hands
from planning_core.errors import PkpError

AT_WORK = (GoalStatus.STATUS_ACCEPTED, GoalStatus.STATUS_EXECUTING, GoalStatus.STATUS_CANCELING)


@attrs.frozen
class Heard:
    """What the team goes by.

    Args:
        stage: of a registration or check that is under way; empty while none is. verified: in this phase, once.
    """

    phase: Phase = Phase.PREFLIGHT
    stage: str = ""
    verified: bool = False

    @property
    def breath_held(self) -> bool:
        """While the patient is registered, and from the first word that the guide is in place until the sleeve is open."""
        return self.phase in (Phase.REGISTER, Phase.INSERT) or (self.phase is Phase.VERIFY and self.verified)


def attend(hands: Hands, before: Heard, now: Heard) -> None:
    """Do what has come to be asked for since.

    Raises:
        PkpError: a device refused; it is asked again only when it is wanted anew.
    """
    if now.breath_held != before.breath_held:
        hands.hold_breath(now.breath_held)
    if now.stage == CHECK_STAGE != before.stage and now.phase in LATCHED:
        hands.release_arm()  # before a re-arm somebody looks at it
    if (now.stage == CHECK_STAGE) != (before.stage == CHECK_STAGE):
        hands.touch_check_point(now.stage == CHECK_STAGE)
    if now.stage == SCAN_STAGE != before.stage:
        hands.scan_over()  # of one that was called off
        hands.scan()
    elif now.stage == SCAN_STAGE:
        hands.scan_runs()
    if now.phase is Phase.INJECT and before.phase is Phase.INSERT:
        hands.cement_mixed_at()


class Team:
    """Listens, past any executor, whenever it is asked to look.

    Args:
        say: hears what a hand could not do.
    """

    def __init__(self, hands: Hands, say: Callable[[str], None]) -> None:
        self._hands, self._say, self._heard = hands, say, Heard()
        self._node = unspun("team")
        goals = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._phase = Polled(self._node, msg.ProcedurePhase, names.PHASE, KEPT)
        self._verification = Polled(self._node, msg.VerificationState, names.VERIFICATION, LATEST)
        self._stages = Polled(self._node, Register.Impl.FeedbackMessage, f"{names.REGISTER}/_action/feedback", 10)
        self._goals = Polled(self._node, GoalStatusArray, f"{names.REGISTER}/_action/status", goals)

    def look(self) -> None:
        """Hear what has come, and do what is asked for."""
        before, self._heard = self._heard, self._now(self._heard)
        try:
            attend(self._hands, before, self._heard)
        except PkpError as refusal:
            self._say(f"at the table: {refusal.message}")

    def end(self) -> None:
        """Leave the room."""
        self._node.destroy_node()

    def _now(self, heard: Heard) -> Heard:
        for one in self._phase.take():
            phase = Phase(one.phase)
            heard = attrs.evolve(heard, phase=phase, verified=heard.verified and phase is heard.phase)
        for seen in self._verification.take():
            verified = heard.phase is Phase.VERIFY and seen.state == seen.VERIFIED
            heard = attrs.evolve(heard, verified=heard.verified or verified)
        for told in self._stages.take():
            heard = attrs.evolve(heard, stage=told.feedback.stage)
        for goals in self._goals.take():
            if not any(goal.status in AT_WORK for goal in goals.status_list):
                heard = attrs.evolve(heard, stage="")
        return heard
