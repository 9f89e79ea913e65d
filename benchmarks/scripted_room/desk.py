"""The scripted supervisor: the real workflow's table behind the real services, and what it says of the state."""

from __future__ import annotations

import time
from typing import Any

from pkp_lifecycle import names
from pkp_lifecycle.node import KEPT
from pkp_msgs import msg, srv
from pkp_supervisor import events, translate
from pkp_supervisor.phases import INTERLOCKS
from pkp_supervisor.state import Freshness, State
from pkp_supervisor.workflow import step
from rclpy.node import Node

from planning_core.errors import PkpError

DEVICES = {"arm": names.ARM_STATE, "injector": names.INJECTOR_STATE}


class Desk:
    """State, decisions, and words about both."""

    def __init__(self, node: Node, verbose: bool) -> None:
        self._node, self._verbose = node, verbose
        self.state, self._fresh = State(silent=()), Freshness()
        self._phase = node.create_publisher(msg.ProcedurePhase, names.PHASE, KEPT)
        self._safety = node.create_publisher(msg.SafetyState, names.SAFETY, KEPT)
        self._operating = {name: node.create_publisher(msg.OperatingState, topic, 10) for name, topic in DEVICES.items()}
        node.create_service(srv.Stop, names.STOP, self._on_stop)
        for kind, name, event in (
            (srv.Approve, names.APPROVE, translate.approved),
            (srv.Acknowledge, names.ACKNOWLEDGE, translate.acknowledge),
            (srv.Rearm, names.REARM, translate.rearm),
            (srv.ConfirmInsertion, names.CONFIRM_INSERTION, translate.insertion),
            (srv.Advance, names.ADVANCE, translate.advance),
        ):
            node.create_service(kind, name, self._decision(event))

    def stamp(self) -> Any:
        """Of now."""
        return self._node.get_clock().now().to_msg()

    def take(self, event: events.Event) -> PkpError | None:
        """One event of the workflow, and say what has become."""
        try:
            self.take_quietly(event)
        except PkpError as error:
            return error
        self.say()
        return None

    def take_quietly(self, event: events.Event) -> None:
        """One event that says itself ten times a second anyway.

        Raises:
            PkpError: the workflow's refusal.
        """
        self.state = step(self.state, event, time.monotonic(), self._fresh)

    def say(self) -> None:
        """Where the procedure stands."""
        now, now_s = self.stamp(), time.monotonic()
        needs = INTERLOCKS[self.state.phase].needs
        self._safety.publish(translate.safety_state(self.state, (), now_s, self._fresh, now))
        self._phase.publish(translate.procedure_phase(self.state, now_s, self._fresh, now))
        for name, publisher in self._operating.items():
            state = msg.OperatingState(device=name, state=msg.OperatingState.ENABLED, is_homed=True, epoch=self.state.epoch)
            state.is_busy, state.header.stamp = name in needs, now
            publisher.publish(state)

    def _decision(self, to_event: Any) -> Any:
        def decide(request: Any, response: Any) -> Any:
            refusal = self.take(to_event(request))
            if hasattr(response, "waits_for") and refusal is not None:
                response.waits_for = list(refusal.data.get("waits_for", ()))
            if hasattr(response, "phase"):
                response.phase = int(self.state.phase)
            return translate.answered(response, refusal)

        return decide

    def _on_stop(self, request: Any, response: Any) -> Any:
        self.take(events.Stop(request.source, request.reason))
        response.epoch = self.state.epoch
        if self._verbose:
            print(f"stop {request.source}: {request.reason}", flush=True)
        return response
