"""What people do in the room, asked for over a local socket: hold the breath, touch the bead, bump, cough, stop the arm.

One JSON object per message to ``<sim folder>/room.control`` (AF_UNIX, SOCK_SEQPACKET, this user's alone), one as the answer.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, TypeAdapter, ValidationError

from hardware_sim.arm import ArmFault, SimulatedArm
from hardware_sim.room.events import EventKind
from hardware_sim.room.shared import RoomWriter
from hardware_sim.room.truth import Room
from hardware_sim.tracker.channels import LocalCaller
from hardware_sim.tracker.service import LocalListener
from planning_core.errors import InputError, PkpError

CONTROL = "room.control"
LONGEST = 2048
BEFORE_TOOL_MM = 250.0
"""An occluder stands so far before the tool it hides."""
Three = tuple[FiniteFloat, FiniteFloat, FiniteFloat]


class RoomRequestError(InputError):
    """A message that makes no sense here. Carries ``problems``."""

    code = "room_request"


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class BreathHold(_Message):
    """The patient stops breathing at the end of this breath, or breathes on."""

    do: Literal["breath_hold"]
    on: bool


class Probe(_Message):
    """The operator sets the probe on the check bead, or takes it away."""

    do: Literal["probe"]
    at: Literal["bead", "away"]


class Bump(_Message):
    """The patient reference is knocked against the patient, in its own axes."""

    do: Literal["bump"]
    mm: Three = (0.0, 0.0, 0.0)
    deg: Three = (0.0, 0.0, 0.0)


class Shift(_Message):
    """The patient moves on the table for good, world axes."""

    do: Literal["shift"]
    mm: Three
    takes_s: FiniteFloat = 1.0


class Cough(_Message):
    """Three thrusts."""

    do: Literal["cough"]
    peak_mm: FiniteFloat = 8.0


class Occlude(_Message):
    """A hand or head before a tool; ``tool`` None: gone again."""

    do: Literal["occlude"]
    tool: Literal["patient_ref", "robot_ref", "probe_tip"] | None
    radius_mm: FiniteFloat = 90.0


class Fault(_Message):
    """The arm's controller, see :class:`hardware_sim.arm.ArmFault`."""

    do: Literal["arm"]
    fault: ArmFault
    amount: FiniteFloat | None = Field(None, ge=-1, le=1)


class Unlock(_Message):
    """The release on the arm's pendant."""

    do: Literal["unlock"]


class Status(_Message):
    """The room's time and the arm's mode."""

    do: Literal["status"]


MESSAGE: TypeAdapter[Any] = TypeAdapter(
    Annotated[
        BreathHold | Probe | Bump | Shift | Cough | Occlude | Fault | Unlock | Status,
        Field(discriminator="do"),
    ]
)


class RoomControl:
    """Serves the socket from the loop of the arm's process.

    Args:
        room: with the writer's own events heard. writer: of the shared file. arm: for its faults. extra: more for the status.
    """

    def __init__(
        self, room: Room, writer: RoomWriter, arm: SimulatedArm, extra: Callable[[], dict[str, Any]] = lambda: {}
    ) -> None:
        self._room, self._writer, self._arm, self._extra = room, writer, arm, extra
        self._listener = LocalListener(room.folder / CONTROL)

    def serve(self) -> None:
        """Answer what has come; never waits."""
        listener = self._listener
        readable, _, _ = select.select([listener.socket, *listener.peers], [], [], 0)
        for ready in readable:
            if ready is listener.socket:
                listener.accept()
            else:
                self._hear(ready)

    def close(self) -> None:
        """Hang up and remove the path."""
        self._listener.close()

    def _hear(self, peer: socket.socket) -> None:
        data = b""
        with contextlib.suppress(BlockingIOError, ConnectionError):
            data = peer.recv(LONGEST + 1)
        if not data:
            return self._listener.drop(peer)
        try:
            answer: dict[str, Any] = {"ok": True, **self.handle(data)}
        except PkpError as refused:
            answer = refused.as_dict()
        with contextlib.suppress(BlockingIOError, ConnectionError):
            peer.send(json.dumps(answer).encode())

    def handle(self, data: bytes) -> dict[str, Any]:
        """Do what one message asks for.

        Raises:
            RoomRequestError: too long, no JSON, unknown, or values out of range. PkpError: refused by the arm or the room.
        """
        if len(data) > LONGEST:
            raise RoomRequestError(f"a message has at most {LONGEST} bytes", problems=["too long"])
        try:
            message = MESSAGE.validate_json(data)
        except ValidationError as error:
            problems = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
            raise RoomRequestError(f"not understood: {'; '.join(problems)[:400]}", problems=problems[:10]) from error
        now_s = self._room.spec.now_s()
        if isinstance(message, Fault):
            self._arm.inject(message.fault, message.amount)
        elif isinstance(message, Unlock):
            self._arm.unlock()
        elif isinstance(message, Status):
            return {
                "time_s": now_s,
                "arm_mode": self._arm.mode.value,
                "arm_stop_reason": self._arm.stop_reason,
                "still_in_s": self._still_in_s(now_s),
                **self._extra(),
            }
        else:
            kind, values = self._event(message, now_s)
            event = self._writer.happen(now_s, kind, values)
            self._room.hear()
            answer = {"from_s": event.time_s}
            return answer | ({"still_in_s": self._still_in_s(now_s)} if isinstance(message, BreathHold) else {})
        return {}

    def _still_in_s(self, now_s: float) -> float | None:
        still = self._room.motion.still_from_s
        return None if still is None else max(0.0, still - now_s)

    def _event(self, message: Any, now_s: float) -> tuple[EventKind, tuple[float, ...]]:
        if isinstance(message, BreathHold):
            return EventKind.BREATH_HOLD, (float(message.on),)
        if isinstance(message, Probe):
            return EventKind.PROBE, (float(message.at == "bead"),)
        if isinstance(message, Bump):
            return EventKind.BUMP, (*message.mm, *message.deg)
        if isinstance(message, Shift):
            return EventKind.SHIFT, (*message.mm, message.takes_s)
        if isinstance(message, Cough):
            return EventKind.COUGH, (message.peak_mm,)
        assert isinstance(message, Occlude)
        if message.tool is None:
            return EventKind.OCCLUDER, (0.0, 0.0, 0.0, 0.0)
        return EventKind.OCCLUDER, (*self._before(message.tool, now_s), message.radius_mm)

    def _before(self, tool: str, now_s: float) -> tuple[float, float, float]:
        motion = self._room.motion
        probe = motion.world_from_probe(now_s)
        if tool == "patient_ref":
            at = motion.world_from_patient_ref(now_s).translation_mm
        elif tool == "robot_ref":
            at = self._room.arm(now_s)[0].translation_mm
        elif probe is not None:
            at = probe.apply([0.0, 0.0, 140.0])
        else:
            raise RoomRequestError("the probe is not in view, nothing can stand before it", problems=["probe is away"])
        way = self._room.layout.world_from_tracker.translation_mm - at
        place = at + BEFORE_TOOL_MM * way / float(np.linalg.norm(way))
        return float(place[0]), float(place[1]), float(place[2])


class RoomOperator(LocalCaller):
    """The other end, for tests and the automatic operator.

    Args:
        folder: the sim folder.
    """

    def __init__(self, folder: Path, timeout_s: float = 5.0) -> None:
        super().__init__(folder / CONTROL, timeout_s)

    def ask(self, **message: Any) -> dict[str, Any]:
        """Send one message, e.g. ``ask(do="breath_hold", on=True)``; returns the answer.

        Raises:
            RoomRequestError: the room refused it, or is gone.
        """
        self.socket.send(json.dumps(message).encode())
        data = self.socket.recv(1 << 16)
        answer: dict[str, Any] = json.loads(data) if data else {"message": "the room is gone"}
        if answer.get("ok") is not True:
            raise RoomRequestError(answer.get("message", "refused"), problems=answer.get("problems", []), answer=answer)
        return answer

    def hold_breath(self, on: bool = True) -> float:
        """Seconds until the patient is still (0 when breathing again is asked for)."""
        return float(self.ask(do="breath_hold", on=on)["still_in_s"] or 0.0)

    def probe(self, at: Literal["bead", "away"]) -> None:
        """Set the probe on the check bead, or take it away; it is there after about a second."""
        self.ask(do="probe", at=at)
