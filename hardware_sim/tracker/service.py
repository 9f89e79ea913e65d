"""The device's process: serial line, control socket and truth socket served by one loop.

Both sockets are local (AF_UNIX, SOCK_SEQPACKET): one message is one line, nothing listens on a network.
The truth socket is for tests and the bench; no driver or node may read it.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from hardware_sim.tracker.config import CameraConfig
from hardware_sim.tracker.device import PolarisDevice
from hardware_sim.tracker.faults import LONGEST_FAULT_LINE, FaultCommandError, apply_line
from hardware_sim.tracker.frames import Exposure, FrameSource, truth_record
from hardware_sim.tracker.scene import SceneProvider
from hardware_sim.tracker.serial_line import SerialLine

_MOST_CONNECTIONS = 8
_IDLE_S = 0.2


class LocalListener:
    """A local message socket with a bounded number of peers."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.unlink(missing_ok=True)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.setblocking(False)
        self.socket.bind(str(path))
        os.chmod(path, 0o600)
        self.socket.listen(_MOST_CONNECTIONS)
        self.peers: list[socket.socket] = []

    def accept(self) -> None:
        """Take the peer that is calling; one too many is turned away."""
        peer, _ = self.socket.accept()
        peer.setblocking(False)
        if len(self.peers) >= _MOST_CONNECTIONS:
            peer.close()
        else:
            self.peers.append(peer)

    def drop(self, peer: socket.socket) -> None:
        """Forget a peer that is gone."""
        peer.close()
        self.peers.remove(peer)

    def close(self) -> None:
        """Close everything and remove the path."""
        for peer in [*self.peers, self.socket]:
            peer.close()
        self.path.unlink(missing_ok=True)


class TrackerService:
    """Runs a simulated tracker until told to stop.

    Args:
        scene: the truth before the camera.
        config: the camera.
        seed: of every random number.
        link: path the serial line appears under.
        control: path of the fault socket, or None.
        truth: path of the truth socket, or None.
        epoch_monotonic_s: zero of the scene's time on the host's monotonic clock; None: now. Processes of one room share it.
    """

    def __init__(
        self,
        scene: SceneProvider,
        config: CameraConfig,
        seed: int,
        link: Path,
        control: Path | None = None,
        truth: Path | None = None,
        epoch_monotonic_s: float | None = None,
    ) -> None:
        epoch_s = time.monotonic() if epoch_monotonic_s is None else epoch_monotonic_s
        self._scene = scene
        self._control = None if control is None else LocalListener(control)
        self._truth = None if truth is None else LocalListener(truth)
        self.device = PolarisDevice(FrameSource(scene, config, seed, epoch_s, self._witness))
        self._line = SerialLine(self.device, link)
        self._work_s: float | None = None
        self._stopped = False

    def stop(self) -> None:
        """End :meth:`run` within a fifth of a second."""
        self._stopped = True

    def run(self) -> None:
        """Serve until :meth:`stop`; leaves no path behind."""
        try:
            while not self._stopped:
                self._turn()
        finally:
            self._line.cut()
            for listener in self._listeners():
                listener.close()

    def _listeners(self) -> Iterator[LocalListener]:
        yield from (listener for listener in (self._control, self._truth) if listener is not None)

    def _turn(self) -> None:
        waited: list[int | socket.socket] = [] if self._line.descriptor is None else [self._line.descriptor]
        for listener in self._listeners():
            waited += [listener.socket, *listener.peers]
        soonest = min((at for at in (self._line.due_s(), self._work_s) if at is not None), default=float("inf"))
        pause = min(_IDLE_S, max(0.0, soonest - time.monotonic()))
        readable, _, _ = select.select(waited, [], [], pause)
        now = time.monotonic()
        if self._line.descriptor in readable:
            self._line.receive(now)
        self._line.send(time.monotonic())
        self._work_s = self.device.work(time.monotonic())
        for listener in self._listeners():
            if listener.socket in readable:
                listener.accept()
            for peer in [peer for peer in listener.peers if peer in readable]:
                self._hear(listener, peer)

    def _hear(self, listener: LocalListener, peer: socket.socket) -> None:
        try:
            data = peer.recv(LONGEST_FAULT_LINE + 1)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        if not data:
            listener.drop(peer)
        elif listener is self._control:
            answer = self._change(data.decode("utf-8", "replace").strip())
            with contextlib.suppress(BlockingIOError, ConnectionError):
                peer.send(answer.encode("utf-8"))

    def _change(self, text: str) -> str:
        try:
            faults = apply_line(self.device.faults, text, self._scene.tools)
        except FaultCommandError as refused:
            return f"error {refused.message}"
        if text.startswith(("corrupt", "clear")):
            self._line.restart_corruption()
        self.device.faults = faults
        if faults.cut:
            self._line.cut()
        else:
            self._line.mend()
        return "ok"

    def _witness(self, exposure: Exposure) -> None:
        if self._truth is None or not self._truth.peers:
            return
        message = json.dumps(truth_record(exposure, self.device.frame_number(exposure.index))).encode("utf-8")
        for peer in list(self._truth.peers):
            try:
                peer.send(message)
            except BlockingIOError:
                continue  # a slow reader misses whole messages, never halves
            except ConnectionError:
                self._truth.drop(peer)
