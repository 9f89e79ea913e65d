"""The supervisor node: evidence and decisions in, the one state command out.

Its silence is a stop: devices halt when they have not heard it for 0.1 s.
"""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import Any

from pkp_lifecycle import names
from pkp_lifecycle.node import KEPT, LATEST, PkpNode
from pkp_lifecycle.node import main as run
from pkp_msgs import msg, srv
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pkp_supervisor import events, journal, translate
from pkp_supervisor.phases import INTERLOCKS, PIN_IN, Phase
from pkp_supervisor.state import Freshness, State
from pkp_supervisor.watchdogs import Watchdogs
from pkp_supervisor.workflow import step
from planning_core.errors import PkpError

HELD_UP_PERIODS = 3


class SupervisorConfig(BaseModel):
    """Parameters of the supervisor."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    run_folder: str = Field(min_length=1, description="folder of this run's audit chain")
    rate_hz: float = Field(40.0, ge=20, le=200, description="state command; devices refuse one older than 0.1 s")
    watch: tuple[str, ...] = Field(
        ("tracker", "arm", "injector", "registration", "verification"), description="nodes whose heartbeat is listened for"
    )
    watch_limit_s: float = Field(
        0.3, gt=0, le=0.5, description="longest silence of a node that beats ten times a second (assumed)"
    )
    registration_check_s: float = Field(60.0, gt=0, le=300, description="age of the registration check at a re-arm (assumed)")
    verification_s: float = Field(0.5, gt=0, le=5, description="age of the verified pose at the step to insertion (assumed)")

    @model_validator(mode="after")
    def _distinct(self) -> SupervisorConfig:
        if len(set(self.watch)) != len(self.watch):
            raise ValueError(f"watch names a node twice: {', '.join(self.watch)}")
        lacking = sorted({name for lock in INTERLOCKS.values() for name in lock.needs} - set(self.watch))
        if lacking:
            raise ValueError(f"watch lacks {', '.join(lacking)}, without whom no procedure can go on")
        return self


class Supervisor(PkpNode[SupervisorConfig]):
    """The only writer of the state command."""

    NAME, CONFIG = "supervisor", SupervisorConfig
    URGENT = 30
    SPEAK_OF_ALL = 5
    """Of so many state commands one comes with phase and safety state; a change always does."""

    def open(self) -> None:
        """Take up the run where its audit chain says it was; latched unless it is new."""
        config = self.config
        self._identity = uuid.uuid4().hex
        self._sequence = 0
        self._fresh = Freshness(config.registration_check_s, config.verification_s)
        self._watch = Watchdogs(dict.fromkeys(config.watch, config.watch_limit_s))
        self._folder = Path(config.run_folder)
        self._folder.mkdir(parents=True, exist_ok=True)
        restored = journal.restore(self._folder, time.monotonic())
        self._state = State() if restored is None else restored
        self._written: dict[str, Any] = {}
        self._faults: dict[str, set[str]] = {}
        self._command = self.create_publisher(msg.StateCommand, names.STATE_COMMAND, LATEST)
        self._phase = self.create_publisher(msg.ProcedurePhase, names.PHASE, KEPT)
        self._safety = self.create_publisher(msg.SafetyState, names.SAFETY, KEPT)
        self._listen()
        self._ticked_s, self._held_up = time.monotonic(), False
        self._timer = self.create_timer(1.0 / config.rate_hz, self._tick)
        self._timer.cancel()
        self._keep_record()

    def begin(self) -> None:
        """Speak from now on."""
        self._timer.reset()

    def halt(self) -> None:
        """Fall silent, after a last word that disables everything."""
        self._timer.cancel()
        if self._state.phase is not Phase.REPORT:  # nothing is left there that could be stopped
            self._take(events.Stop("supervisor", "deactivated"))
        self._say()

    def close(self) -> None:
        """Let go; publishers and services go with the node."""
        for made in getattr(self, "_made", ()):
            made()
        self._made: list[Any] = []

    def _listen(self) -> None:
        heard = (
            (msg.Heartbeat, names.HEARTBEAT, 50, self._on_heartbeat),
            (msg.StateCommand, names.STATE_COMMAND, 10, self._on_command),
            (msg.CtReference, names.CT, KEPT, lambda m: self._take(translate.ct(m))),
            (msg.PlanReference, names.PLAN, KEPT, lambda m: self._take(translate.plan(m))),
            (msg.RegistrationResult, names.REGISTRATION, 10, lambda m: self._take(translate.registration(m, self.monotonic_of))),
            (msg.VerificationState, names.VERIFICATION, 10, lambda m: self._take(translate.verification(m, self.monotonic_of))),
            (msg.InjectorState, names.INJECTOR, 10, lambda m: self._take(translate.delivery(m))),
            (msg.OperatingState, names.ARM_STATE, 10, self._on_device),
            (msg.OperatingState, names.INJECTOR_STATE, 10, self._on_device),
        )
        subscriptions = [self.create_subscription(kind, topic, callback, qos) for kind, topic, qos, callback in heard]
        served = (
            (srv.Stop, names.STOP, self._on_stop),
            (srv.Approve, names.APPROVE, self._on_approve),
            (srv.Acknowledge, names.ACKNOWLEDGE, self._decision(translate.acknowledge)),
            (srv.Rearm, names.REARM, self._decision(translate.rearm)),
            (srv.ConfirmInsertion, names.CONFIRM_INSERTION, self._decision(translate.insertion)),
            (srv.Advance, names.ADVANCE, self._decision(translate.advance)),
        )
        services = [self.create_service(kind, name, callback) for kind, name, callback in served]
        self._made = [
            *(lambda s=s: self.destroy_subscription(s) for s in subscriptions),
            *(lambda s=s: self.destroy_service(s) for s in services),
            *(lambda p=p: self.destroy_publisher(p) for p in (self._command, self._phase, self._safety)),
            lambda: self.destroy_timer(self._timer),
        ]

    def _take(self, event: events.Event) -> PkpError | None:
        """One event; a refusal is logged and answered, the state stays. A stop is said before it is written down."""
        before = self._state
        try:
            self._state = step(before, event, time.monotonic(), self._fresh)
        except PkpError as error:
            self.get_logger().warning(f"{type(event).__name__} refused: {error.message}")
            if before.latched:
                self._note("refused", decision=type(event).__name__, code=error.code, why=error.message)
            return error
        if before.latched and isinstance(event, events.RegistrationSeen):
            self._note("registration", accepted=event.accepted, why=event.reason, epoch=before.epoch)
        if self._state.epoch != before.epoch or self._state.phase is not before.phase:
            self._say()
            self.get_logger().info(f"{before.phase.name.lower()} -> {self._state.phase.name.lower()} {self._state.reason}")
        if self._state != before:
            self._keep_record()
        return None

    def _note(self, what: str, **facts: Any) -> None:
        try:
            self._line = journal.note(self._folder, what, **facts)
        except (OSError, PkpError) as error:
            self.unhealthy = f"the audit chain cannot be written: {error}"

    def _keep_record(self) -> None:
        facts = journal.facts(self._state)
        if facts == self._written:
            return
        try:
            self._line = journal.write(self._folder, self._state)
            self._written = facts
        except (OSError, PkpError) as error:
            self.unhealthy = f"the audit chain cannot be written: {error}"
            self._written = facts
            if self._state.phase.name != "FAULT":
                self._take(events.Fault("audit", str(error)))

    def _tick(self) -> None:
        # whoever was held up itself hears first what came meanwhile, and judges at the next tick, however late that is again: one
        # that is always late would permit and never judge. Devices stop at our silence by themselves
        now_s = time.monotonic()
        late, self._ticked_s = now_s - self._ticked_s > HELD_UP_PERIODS / self.config.rate_hz, now_s
        self._held_up = late and not self._held_up
        if not self._held_up:
            self._take(self._watch.seen(now_s, INTERLOCKS[self._state.phase].patience))
        self._say(everything=self._sequence % self.SPEAK_OF_ALL == 0)

    def _say(self, everything: bool = True) -> None:
        self._sequence += 1
        now, now_s = self.stamp(), time.monotonic()
        command = translate.state_command(self._state, self._identity, self._sequence, now)
        if not self._timer.is_canceled() or self._state.latched:
            self._command.publish(command)
        if not everything:
            return
        self._safety.publish(
            translate.safety_state(
                self._state, self._watch.ages(now_s, INTERLOCKS[self._state.phase].patience), now_s, self._fresh, now
            )
        )
        self._phase.publish(translate.procedure_phase(self._state, now_s, self._fresh, now))

    def _on_heartbeat(self, beat: msg.Heartbeat) -> None:
        patient = INTERLOCKS[self._state.phase].patience > 1
        said_s = min(time.monotonic(), self.monotonic_of(beat.header.stamp))
        self._watch.hear(beat.node.rsplit("/", 1)[-1], said_s, beat.healthy, patient)

    def _on_command(self, command: msg.StateCommand) -> None:
        if command.supervisor != self._identity and self._state.phase.name != "FAULT":
            self._take(events.Fault("supervisor", "another supervisor speaks"))

    def _on_device(self, state: msg.OperatingState) -> None:
        """A fault is a stop in every phase when it is first said: it may be an emergency stop. Said on and on it is one again
        only where nothing is latched and the device is needed or no pin is in: it must keep nobody on the pin."""
        device, why, phase = state.device or "device", state.reason or "fault", self._state.phase
        faulty = state.state == msg.OperatingState.FAULT
        self._watch.doubt(device, faulty)
        counts_on = not self._state.latched and (phase not in PIN_IN or device in INTERLOCKS[phase].needs)
        if not faulty:
            self._faults.pop(device, None)
        elif counts_on or why not in self._faults.get(device, ()):
            self._faults.setdefault(device, set()).add(why)
            self._take(events.Fault(device, why))

    def _on_stop(self, request: srv.Stop.Request, response: srv.Stop.Response) -> srv.Stop.Response:
        self._take(events.Stop(request.source or "unnamed", request.reason or "no reason given"))
        response.epoch = self._state.epoch
        return response

    def _on_approve(self, request: srv.Approve.Request, response: srv.Approve.Response) -> srv.Approve.Response:
        refusal = self._take(translate.approved(request))
        if refusal is None:
            response.audit_hash = self._line
        return translate.answered(response, refusal)

    def _decision(self, to_event: Any) -> Any:
        def decide(request: Any, response: Any) -> Any:
            refusal = self._take(to_event(request))
            if hasattr(response, "waits_for") and refusal is not None:
                response.waits_for = list(refusal.data.get("waits_for", ()))
            if hasattr(response, "phase"):
                response.phase = int(self._state.phase)
            return translate.answered(response, refusal)

        return decide


def main() -> int:
    """Run the node."""
    return run(Supervisor)


if __name__ == "__main__":
    raise SystemExit(main())
