import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware_sim.tracker.config import CameraConfig
from hardware_sim.tracker.device import Mode, PolarisDevice
from hardware_sim.tracker.faults import apply_line
from hardware_sim.tracker.frames import FrameSource
from hardware_sim.tracker.scene import PATIENT_REF, ROBOT_REF, ScriptedScene, facing_camera, still
from hardware_sim.tracker.wire import crc16
from tests.hardware_sim.tracker.rom import rom


def device(**camera) -> PolarisDevice:
    return PolarisDevice(FrameSource(still(), CameraConfig(**camera), seed=1, epoch_monotonic_s=0.0))


def ask(tracker: PolarisDevice, name: str, parameters: str = "", at: float = 1.0) -> str:
    text = f"{name}:{parameters}".encode()
    reply = tracker.answer(text + f"{crc16(text):04X}".encode(), at).data
    body = reply[:-5]
    assert int(reply[-5:-1], 16) == crc16(body)
    return body.decode()


def load(tracker: PolarisDevice, image: bytes) -> str:
    handle = ask(tracker, "PHRQ", "*********1****")
    padded = image.ljust(1024, b"\0")
    for at in range(0, 1024, 64):
        assert ask(tracker, "PVWR", f"{handle}{at:04X}{padded[at : at + 64].hex()}") == "OKAY"
    return handle


def tracking(*tools, **camera) -> PolarisDevice:
    tracker = device(**camera)
    enter(tracker, *tools)
    return tracker


def enter(tracker: PolarisDevice, *tools) -> None:
    ask(tracker, "INIT")
    for tool in tools:
        handle = load(tracker, rom(tool.markers_mm))
        assert ask(tracker, "PINIT", handle) == ask(tracker, "PENA", handle + "D") == "OKAY"
    assert ask(tracker, "TSTART", "80") == "OKAY"


def poses(tracker: PolarisDevice, at: float) -> tuple[int, list[np.ndarray | None]]:
    """Frame number and poses of a TX reply."""
    reply = ask(tracker, "TX", "0001", at)
    lines = reply[2:].split("\n")[:-1]
    assert len(lines) == int(reply[:2], 16)
    frame = {int(line[-8:], 16) for line in lines}
    assert len(frame) == 1
    found = []
    for line in lines:
        if line[2:9] == "MISSING":
            found.append(None)
            continue
        numbers = [line[2 + 6 * i : 8 + 6 * i] for i in range(4)] + [line[26 + 7 * i : 33 + 7 * i] for i in range(3)]
        found.append(_scaled(numbers))
    return frame.pop(), found


def _scaled(numbers: list[str]) -> np.ndarray:
    return np.array([float(number) for number in numbers]) / np.array([1e4] * 4 + [1e2] * 3)


@pytest.mark.parametrize(
    ("name", "parameters", "number"),
    [
        ("NOSUCH", "", "01"),
        ("PHRQ", "*********1****", "10"),
        ("BX", "0001", "10"),
        ("TSTART", "", "10"),
        ("COMM", "9", "07"),
        ("COMM", "90000", "23"),
        ("GETINFO", "No.Such", "34"),
    ],
)
def test_before_init_commands_are_refused_by_number(name, parameters, number):
    assert ask(device(), name, parameters) == f"ERROR{number}"


@pytest.mark.parametrize(
    ("name", "parameters", "number"),
    [
        ("BX", "0001", "0C"),
        ("TSTOP", "", "0C"),
        ("PINIT", "07", "2B"),
        ("PENA", "01D", "2B"),
        ("PVWR", "01", "07"),
        ("PHRQ", "*********0****", "2F"),
        ("SFLIST", "FF", "23"),
        ("BEEP", "0", "23"),
        ("TSTART", "77", "23"),
    ],
)
def test_in_setup_commands_are_refused_by_number(name, parameters, number):
    tracker = device()
    assert ask(tracker, "INIT") == "OKAY"
    assert ask(tracker, name, parameters) == f"ERROR{number}"


def test_a_wrong_command_crc_is_refused():
    assert device().answer(b"INIT:0000", 0.0).data.startswith(b"ERROR04")


def test_a_handle_goes_from_requested_to_enabled():
    tracker = device()
    ask(tracker, "INIT")
    handle = load(tracker, rom(PATIENT_REF.markers_mm, part="8700339"))
    assert ask(tracker, "PHSR", "02") == f"01{handle}001"
    assert ask(tracker, "PENA", f"{handle}D") == "ERROR0E"
    assert ask(tracker, "PINIT", handle) == "OKAY"
    assert ask(tracker, "PHSR", "03") == f"01{handle}011"
    assert ask(tracker, "PENA", f"{handle}X") == "ERROR09"
    assert ask(tracker, "PENA", f"{handle}D") == "OKAY"
    assert ask(tracker, "PHSR", "04") == f"01{handle}031"
    assert ask(tracker, "PHINF", f"{handle}0004").strip() == "8700339"
    assert len(ask(tracker, "PHINF", f"{handle}0001")) == 33
    assert ask(tracker, "PDIS", handle) == "OKAY"
    assert ask(tracker, "PHSR", "03") == f"01{handle}011"
    assert ask(tracker, "PHF", handle) == "OKAY"
    assert ask(tracker, "PHSR", "00") == "00"


@pytest.mark.parametrize(
    "spoil", [lambda image: b"XXX" + image[3:], lambda image: image[:80] + b"\x7f" + image[81:], lambda _: b""]
)
def test_a_spoiled_tool_file_is_refused(spoil):
    tracker = device()
    ask(tracker, "INIT")
    handle = load(tracker, spoil(rom(PATIENT_REF.markers_mm)))
    assert ask(tracker, "PINIT", handle) == "ERROR40"


def test_there_are_fifteen_handles():
    tracker = device()
    ask(tracker, "INIT")
    replies = [ask(tracker, "PHRQ", "*********1****") for _ in range(16)]
    assert replies[14] == "0F"
    assert replies[15] == "ERROR2D"


def test_tracking_gives_the_true_place_within_the_cameras_error():
    _, (patient, robot) = poses(tracking(PATIENT_REF, ROBOT_REF), 1.5)
    assert np.linalg.norm(patient[4:] - [40.0, -60.0, -1450.0]) < 1.0
    assert np.linalg.norm(robot[4:] - [-120.0, 130.0, -1400.0]) < 1.0
    assert abs(patient[0]) > 0.9999


def test_the_frame_counter_counts_exposures_and_holds_between_them():
    tracker = tracking(PATIENT_REF, latency_sd_ms=0.0)
    first, before = poses(tracker, 2.0)
    again, _ = poses(tracker, 2.005)
    later, after = poses(tracker, 3.0)
    assert first == 60
    assert later == first + 60
    assert again in (first, first + 1)
    assert not np.array_equal(before[0], after[0])


def test_a_tool_file_of_another_body_is_missing():
    tracker = device()
    ask(tracker, "INIT")
    handle = load(tracker, rom(PATIENT_REF.markers_mm * 1.1))
    ask(tracker, "PINIT", handle)
    ask(tracker, "PENA", handle + "D")
    ask(tracker, "TSTART")
    assert poses(tracker, 2.0)[1] == [None]


def test_binary_and_text_replies_say_the_same():
    tracker = tracking(PATIENT_REF, ROBOT_REF)
    number, texts = poses(tracker, 2.0)
    data = tracker.answer(b"BX 0001", 2.0).data
    start, length, header_crc = struct.unpack_from("<HHH", data)
    assert (start, length) == (0xA5C4, len(data) - 8)
    assert header_crc == crc16(data[:4])
    assert struct.unpack("<H", data[-2:])[0] == crc16(data[6:-2])
    body = data[6:-2]
    assert body[0] == 2
    for i, text in enumerate(texts):
        at = 1 + 42 * i
        values = struct.unpack_from("<8f", body, at + 2)
        assert np.allclose(values[:4], text[:4], atol=1e-4)
        assert np.allclose(values[4:7], text[4:], atol=0.01)
        assert struct.unpack_from("<II", body, at + 34) == (0x31, number)


def test_the_same_seed_gives_the_same_replies():
    replies = [tracking(PATIENT_REF).answer(b"BX 0001", 2.0).data for _ in range(2)]
    assert replies[0] == replies[1]


def change(tracker: PolarisDevice, line: str) -> None:
    tracker.faults = apply_line(tracker.faults, line, still().tools)


def test_freeze_keeps_poses_and_moves_the_counter():
    tracker = tracking(PATIENT_REF)
    before, pose = poses(tracker, 2.0)
    change(tracker, "freeze on")
    after, frozen = poses(tracker, 2.5)
    assert after == before + 30
    assert np.array_equal(pose[0], frozen[0])
    change(tracker, "freeze off")
    assert not np.array_equal(poses(tracker, 3.0)[1][0], frozen[0])


def test_halt_keeps_the_counter_too():
    tracker = tracking(PATIENT_REF)
    before, _ = poses(tracker, 2.0)
    change(tracker, "halt on")
    assert poses(tracker, 2.5)[0] == before


def test_a_paused_counter_stands_that_long_and_goes_on_without_a_gap():
    tracker = tracking(PATIENT_REF, latency_sd_ms=0.0)
    before, pose = poses(tracker, 2.0)
    change(tracker, "pause 0.5")
    standing, held = poses(tracker, 2.4)
    assert standing == before
    assert np.array_equal(pose[0], held[0])
    after, later = poses(tracker, 2.6)
    assert after == before + 6
    assert not np.array_equal(later[0], held[0])
    change(tracker, "pause 1")
    assert poses(tracker, 3.5)[0] == after
    ask(tracker, "TSTOP", at=5.0)
    assert ask(tracker, "TSTART", "80", at=5.0) == "OKAY"
    assert poses(tracker, 5.5)[0] == 30


def test_system_status_bits_stand_in_both_replies_at_once():
    tracker = tracking(PATIENT_REF)
    assert ask(tracker, "TX", "0001", 2.0).endswith("0000")
    change(tracker, "status 0300")
    assert ask(tracker, "TX", "0001", 2.001).endswith("0300")
    assert struct.unpack("<H", tracker.answer(b"BX 0001", 2.002).data[-4:-2]) == (0x0300,)


def test_dropout_jump_swap_and_ghost_do_what_they_say():
    tracker = tracking(PATIENT_REF, ROBOT_REF)
    _, (patient, robot) = poses(tracker, 2.0)
    change(tracker, "dropout patient_ref on")
    assert poses(tracker, 2.1)[1][0] is None
    change(tracker, "clear")
    change(tracker, "jump patient_ref 5 0 0")
    assert poses(tracker, 2.2)[1][0][4] - patient[4] == pytest.approx(5.0, abs=0.5)
    change(tracker, "clear")
    change(tracker, "swap patient_ref robot_ref")
    _, swapped = poses(tracker, 2.3)
    assert np.linalg.norm(swapped[0][4:] - robot[4:]) < 1.0
    assert np.linalg.norm(swapped[1][4:] - patient[4:]) < 1.0
    change(tracker, "clear")
    change(tracker, "ghost patient_ref 2")
    reply = ask(tracker, "TX", "0001", 2.4)
    assert float(reply.split("\n")[0][49:55]) / 1e4 > 0.5


def test_strays_are_reported_when_asked_for():
    tracker = tracking(PATIENT_REF)
    change(tracker, "stray 10 20 -1500")
    assert "+001000+002000-150000" in ask(tracker, "TX", "1001", 2.0)


def test_a_number_without_digits_is_an_internal_error():
    tracker = tracking(PATIENT_REF)
    change(tracker, "jump patient_ref 0 0 -10000")
    assert ask(tracker, "TX", "0001", 2.0) == "ERROR1A"


def test_a_tool_outside_the_volume_is_missing_unless_asked_for():
    scene = ScriptedScene({"patient_ref": PATIENT_REF}, {"patient_ref": lambda _: facing_camera("patient_ref", 0, 0, -2600.0)})
    tracker = PolarisDevice(FrameSource(scene, CameraConfig(), 1, 0.0))
    enter(tracker, PATIENT_REF)
    assert ask(tracker, "TX", "0001", 2.0)[4:19] == "MISSING00000071"
    assert ask(tracker, "TX", "0801", 2.0)[4] == "+"


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.one_of(st.binary(max_size=160), st.sampled_from([b"INIT:E3A5", b"TSTART ", b"BX 0001", b"TSTOP "])), max_size=20)
)
def test_whatever_is_sent_the_device_answers_with_a_framed_reply(lines):
    tracker = device()
    for i, line in enumerate(lines):
        reply = tracker.answer(line, 1.0 + i).data
        assert reply.endswith(b"\r") or reply[:2] == b"\xc4\xa5"
    assert tracker.mode in Mode
