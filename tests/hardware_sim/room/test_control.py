"""What people do in the room: understood, or refused with what is wrong."""

import stat
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest

from hardware_sim.arm import ArmConfig, ArmMode, SimulatedArm
from hardware_sim.room import Room, RoomSpec, scan_joints
from hardware_sim.room.control import CONTROL, LONGEST, RoomControl, RoomOperator, RoomRequestError
from hardware_sim.room.shared import RoomWriter


@pytest.fixture
def served():  # type: ignore[no-untyped-def]
    with tempfile.TemporaryDirectory(dir="/tmp") as name:  # sockets want short paths
        folder = Path(name)
        spec = RoomSpec(seed=3)
        spec.write(folder)
        room, writer = Room(folder), RoomWriter(folder, spec.epoch_s)
        arm = SimulatedArm(ArmConfig(), 3, scan_joints(spec))
        control, done = RoomControl(room, writer, arm), threading.Event()

        def serve() -> None:
            while not done.wait(0.002):
                control.serve()

        thread = threading.Thread(target=serve)
        thread.start()
        yield folder, room, arm, control
        done.set()
        thread.join()
        control.close()
        assert not (folder / CONTROL).exists()


def test_each_request_has_its_effect(served) -> None:  # type: ignore[no-untyped-def]
    folder, room, arm, _ = served
    assert stat.S_IMODE((folder / CONTROL).stat().st_mode) == 0o600
    with RoomOperator(folder) as operator:
        wait_s = operator.hold_breath()
        assert 0 <= wait_s < 6
        from_s = room.spec.now_s() + wait_s
        assert np.ptp([room.motion.displacement(from_s + t).translation_mm for t in (0.1, 1.0, 20.0)], axis=0).max() < 1e-9
        operator.probe("bead")
        later = room.spec.now_s() + 5
        assert room.motion.world_from_probe(later) is not None
        operator.ask(do="occlude", tool="patient_ref")
        assert room.motion.occluder(later) is not None
        operator.ask(do="occlude", tool=None)
        assert room.motion.occluder(later) is None
        for message in ({"do": "bump", "mm": [1, 0, 0]}, {"do": "shift", "mm": [1, 0, 0]}, {"do": "cough"}):
            operator.ask(**message)
        operator.ask(do="arm", fault="protective_stop")
        assert operator.ask(do="status")["arm_mode"] == ArmMode.PROTECTIVE_STOP
        operator.ask(do="unlock")
        assert arm.mode is ArmMode.RUNNING
        assert operator.hold_breath(False) == 0.0


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"nonsense",
        b"[1]",
        b'{"do": "fly"}',
        b'{"on": true}',
        b'{"do": "breath_hold"}',
        b'{"do": "breath_hold", "on": true, "hard": 1}',
        b'{"do": "shift", "mm": [1, 2]}',
        b'{"do": "shift", "mm": [1, 2, NaN]}',
        b'{"do": "cough", "peak_mm": 1e9}',
        b'{"do": "bump", "mm": [1e300, 0, 0]}',
        b'{"do": "arm", "fault": "explode"}',
        b'{"do": "arm", "fault": "joint_lag", "amount": -1}',
        b'{"do": "occlude", "tool": "probe_tip"}',
        b"\xff\xfe{}",
        b'{"do": "status"}' + b" " * LONGEST,
    ],
)
def test_a_malformed_message_is_refused_and_nothing_happens(served, message) -> None:  # type: ignore[no-untyped-def]
    folder, room, arm, control = served
    if message:
        with RoomOperator(folder) as operator:
            operator.socket.send(message)
            assert b'"error"' in operator.socket.recv(1 << 16)
            assert operator.ask(do="status")["arm_mode"] == "running"
    else:
        with pytest.raises(RoomRequestError):
            control.handle(message)
    assert room.motion.occluder(1e9) is None
    assert arm.mode is ArmMode.RUNNING
