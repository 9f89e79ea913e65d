"""The injector's node: goals, permits and the switch in; what the device says out. All deciding is in the modules it calls."""

from __future__ import annotations

import math
import time
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import attrs
from pkp_lifecycle import names
from pkp_lifecycle.goals import conclude, not_yet
from pkp_lifecycle.node import LATEST, PkpNode
from pkp_lifecycle.node import main as run
from pkp_lifecycle.stop import StopAsker
from pkp_lifecycle.units import cubic_metres, millilitres
from pkp_msgs import msg
from pkp_msgs.action import Inject
from pkp_supervisor.guard import Permit
from pkp_supervisor.phases import Phase as ProcedurePhase
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle

from pkp_control import injector_messages
from pkp_control.dose import checked_dose
from pkp_control.injection_config import limited
from pkp_control.injection_cycle import InjectionCycle
from pkp_control.injection_gate import InjectionGate, Order, Press
from pkp_control.injection_journal import InjectionJournal
from pkp_control.injection_runner import InjectionRunner
from pkp_control.injection_types import ARMED, InjectionOrder, InjectionRefusedError, Phase, Stop
from pkp_control.injector_client import ClientConfig, InjectorClient, SerialLine
from pkp_control.injector_config import InjectorConfig
from planning_core.case.revisions import open_plan
from planning_core.cement.curing import CURING, CementClock
from planning_core.errors import PkpError


@attrs.frozen(eq=False)
class _Given:
    """The goal that is being followed.

    Args:
        armed: ends when the device is. began_s: monotonic.
    """

    handle: ServerGoalHandle
    armed: Future[None]
    began_s: float


class Injector(PkpNode[Any]):
    """One cement injector."""

    NAME, CONFIG = "injector", InjectorConfig
    URGENT = 20
    PERIOD_S = 0.05

    def open(self) -> None:
        """Take up the record; the port is opened by the first telegram and again after each loss."""
        config = self.config
        Path(config.journal_folder).mkdir(parents=True, exist_ok=True)
        self._injection = config.injection()
        self._gate = InjectionGate(self._injection.flow_ml_s, config.press_s, config.permit_s)
        line = SerialLine(config.port, config.timeout_s)
        self._client = InjectorClient(line, time.monotonic, ClientConfig(timeout_s=config.timeout_s, oldest_s=config.oldest_s))
        journal = InjectionJournal(Path(config.journal_folder) / "injection.jsonl")
        self._cycle = InjectionCycle(self._client, journal, time.monotonic, self._injection)
        self._asker, self._plan, self._side = StopAsker(self), msg.PlanReference(), ""
        self._given: _Given | None = None
        self._runner = self._new_runner()
        self._state = self.create_publisher(msg.InjectorState, names.INJECTOR, 10)
        self._operating = self.create_publisher(msg.OperatingState, names.INJECTOR_STATE, 10)
        self._heard = (
            self.create_subscription(msg.StateCommand, names.STATE_COMMAND, self._on_command, LATEST),
            self.create_subscription(msg.HoldToRun, names.HOLD_TO_RUN, self._on_switch, 10),
        )
        self._server = ActionServer(
            self,
            Inject,
            names.INJECT,
            not_yet,
            handle_accepted_callback=self._accepted,
            goal_callback=self._asked,
            cancel_callback=lambda goal: CancelResponse.ACCEPT,
        )
        self._timer = self.create_timer(self.PERIOD_S, self._tell)
        self._timer.cancel()

    def begin(self) -> None:
        """Look at the device from now on, in a thread of its own each time."""
        self._runner = self._new_runner()
        self._runner.start()
        self._timer.reset()

    def halt(self) -> None:
        """Stop the plunger; a goal ends with what was given."""
        self._runner.end()
        self._timer.cancel()
        self._tell()

    def close(self) -> None:
        """Let go of the port."""
        if hasattr(self, "_client"):
            self._runner.end()
            self._client.close()
            self._server.destroy()
            self._asker.destroy()
            for made in self._heard:
                self.destroy_subscription(made)
            self.destroy_timer(self._timer)
            self.destroy_publisher(self._state)
            self.destroy_publisher(self._operating)
            del self._client

    def _new_runner(self) -> InjectionRunner:
        return InjectionRunner(self._cycle, self._gate, self._asker.ask, time.monotonic)

    def _on_command(self, word: msg.StateCommand) -> None:
        phase = ProcedurePhase(word.phase).name if word.phase in set(ProcedurePhase) else "FAULT"
        flow = word.flow_permitted and word.command == word.ENABLE
        permit = Permit(
            word.supervisor,
            word.sequence,
            word.epoch,
            word.motion_permitted,
            flow,
            phase,
            word.plan.plan_hash,
            word.side,
            min(time.monotonic(), self.monotonic_of(word.header.stamp)),  # one that lay in a queue is as old as its stamp says
        )
        try:
            self._gate.hear(permit, word.command != word.DISABLE)
            self._plan, self._side = word.plan, word.side
        except PkpError as error:
            self.get_logger().warning(error.message)

    def _on_switch(self, word: msg.HoldToRun) -> None:
        made = self.monotonic_of(word.header.stamp)
        self._gate.press(Press(word.operator_id, word.sequence, word.epoch, word.side, word.pressed, made, time.monotonic()))

    def _tell(self) -> None:
        view = self._runner.view
        reading = view.reading
        self.unhealthy = view.unhealthy(time.monotonic(), 5 * self._injection.blind_s)
        state = injector_messages.injector_state(view, self._plan, self._side)
        age_s = 0.0 if reading is None else time.monotonic() - reading.acquired_s
        state.header.stamp = injector_messages.earlier(self.stamp(), age_s)
        self._state.publish(state)
        operating = injector_messages.operating_state(view, self._gate.stops)
        operating.header.stamp = self.stamp()
        self._operating.publish(operating)
        if self._given is not None:
            self._follow(self._given)

    def _asked(self, goal: Inject.Goal) -> GoalResponse:
        sane = math.isfinite(goal.timeout) and 0 <= goal.timeout <= self.config.longest_s
        free = self.active and sane and self._given is None
        if not free:
            self.get_logger().warning(f"Inject refused: active {self.active}, timeout {goal.timeout} s, or one is being followed")
        return GoalResponse.ACCEPT if free else GoalResponse.REJECT

    def _accepted(self, handle: ServerGoalHandle) -> None:
        if self._given is not None:  # two were asked for at once
            return conclude(handle, Inject.Result(error_code="busy", error_msg="another goal is being followed"), handle.abort)
        now_s = time.monotonic()
        try:
            self._given = _Given(handle, self._arm(handle.request), now_s)
        except PkpError as error:
            self._conclude(handle, error.code, error.message)

    def _arm(self, goal: Inject.Goal) -> Future[None]:
        order = Order(goal.plan.plan_hash, goal.side, goal.epoch)
        self._gate.admit(order, time.monotonic())
        if goal.mixed_at.sec == 0:
            raise InjectionRefusedError("nobody said when the cement was mixed")
        plan = open_plan(Path(goal.plan.case_path), goal.plan.plan_hash)
        dose = checked_dose(millilitres(goal.volume), plan.recommended_ml, list(plan.by_side), goal.side)
        config = limited(self._injection, millilitres(goal.flow_limit), goal.pressure_limit / 1e3)
        cement = CementClock.start(self.monotonic_of(goal.mixed_at), CURING[self.config.cement_class])
        return self._runner.arm(order, InjectionOrder(goal.side, dose, plan.plan_hash), cement, config)

    def _follow(self, given: _Given) -> None:
        """Once a period: armed, given up, or ended? Otherwise feedback."""
        handle, armed, now_s = given.handle, given.armed, time.monotonic()
        if not armed.done():
            if (now_s - given.began_s > self.config.arming_s or not self.active) and armed.cancel():
                self._conclude(handle, "injector_line", "the injector could not be armed in time")
            return
        error = armed.exception()
        if isinstance(error, PkpError):
            return self._conclude(handle, error.code, error.message)
        view = self._runner.view
        if view.state.phase in ARMED and self.active:
            if handle.is_cancel_requested:
                self._runner.give_up("the operator called it off")
            elif now_s - given.began_s > (handle.request.timeout or self.config.longest_s):
                self._runner.give_up("the goal's time is over")
            handle.publish_feedback(injector_messages.feedback(view, now_s - given.began_s))
        elif view.state.phase is Phase.DONE:
            self._conclude(handle)
        else:
            stopped = view.state.phase is Phase.STOPPED
            code = (view.state.stop or Stop.ORDERED).name.lower() if stopped else "given_up"
            self._conclude(handle, code, view.why or "the procedure went on without the rest of the dose")

    def _conclude(self, handle: ServerGoalHandle, code: str = "", words: str = "") -> None:
        self._given = None
        result, side = Inject.Result(error_code=code, error_msg=words), handle.request.side
        if side in ("left", "right"):
            state = self._runner.view.state
            result.delivered_volume = cubic_metres(state.given(side).given_ml)
            result.peak_pressure = injector_messages.peak_pa(state, side)
        called_off = handle.canceled if handle.is_cancel_requested else handle.abort
        conclude(handle, result, called_off if code else handle.succeed)


def main() -> int:
    """Run the node."""
    return run(Injector)


if __name__ == "__main__":
    raise SystemExit(main())
