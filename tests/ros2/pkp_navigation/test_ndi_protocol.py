import contextlib
import struct

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pkp_navigation.ndi_protocol import (
    STRAYS,
    TRANSFORMS,
    CrcError,
    DeviceRefusalError,
    FrameFormatError,
    HandleStatus,
    NdiError,
    PortStatus,
    binary_size,
    command,
    crc16,
    parse_ascii,
    parse_bx,
)

from hardware_sim.tracker import wire
from hardware_sim.tracker.pose_fit import MISSING, ToolMeasurement
from hardware_sim.tracker.tracking_reply import TrackingFrame, binary


def frame(*tools: ToolMeasurement, number: int = 7, strays=()) -> bytes:
    strays_mm = np.array(strays, dtype=float).reshape(-1, 3)
    return binary(TrackingFrame(number, dict(enumerate(tools, 1)), strays_mm), TRANSFORMS | STRAYS, 0)


def seen(x: float = 1.0, rms: float = 0.1, **flags) -> ToolMeasurement:
    return ToolMeasurement(np.array([1.0, 0.0, 0.0, 0.0]), np.array([x, 2.0, -1500.0]), rms, **flags)


@given(st.binary(max_size=200))
def test_both_ends_of_the_wire_compute_the_same_crc(data):
    assert crc16(data) == wire.crc16(data)


@given(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ;=.", max_size=100))
def test_every_text_with_its_crc_is_read_back(text):
    line = wire.ascii_reply(text)[:-1]
    if text.startswith("ERROR"):
        with pytest.raises(DeviceRefusalError):
            parse_ascii(line)
    else:
        assert parse_ascii(line) == text


@given(st.text("0123456789ABCDEF", max_size=140))
def test_the_device_reads_what_we_send(parameters):
    assert wire.parse_command(command("PVWR", parameters)[:-1]) == wire.Command("PVWR", parameters)


def test_a_binary_reply_is_read_back():
    data = frame(seen(), MISSING, strays=[(5.0, 6.0, -1400.0)], number=123456)
    read = parse_bx(data, TRANSFORMS | STRAYS)
    first, second = read.handles
    assert (first.handle, first.status, first.frame_number) == (1, HandleStatus.VALID, 123456)
    assert first.pose == pytest.approx((1, 0, 0, 0, 1, 2, -1500, 0.1))
    assert first.port_status == PortStatus.OCCUPIED | PortStatus.INITIALISED | PortStatus.ENABLED
    assert (second.handle, second.status, second.pose) == (2, HandleStatus.MISSING, None)
    assert read.strays_mm == ((5.0, 6.0, -1400.0),)


@given(st.integers(0, 10**6), st.integers(0, 7))
def test_one_changed_bit_anywhere_is_refused(at, bit):
    data = bytearray(frame(seen(), MISSING))
    data[at % len(data)] ^= 1 << bit
    with pytest.raises(NdiError):
        parse_bx(bytes(data), TRANSFORMS | STRAYS)


@given(st.binary(max_size=300), st.sampled_from([0, TRANSFORMS, STRAYS, TRANSFORMS | STRAYS]))
def test_arbitrary_bytes_raise_named_errors_only(data, option):
    for parse in (lambda: parse_bx(data, option), lambda: parse_ascii(data), lambda: binary_size(data[:6])):
        with contextlib.suppress(NdiError):
            parse()


@given(st.binary(max_size=300), st.sampled_from([0, TRANSFORMS, STRAYS, TRANSFORMS | STRAYS]))
@example(b"", TRANSFORMS)
@example(b"\x01\x01\x08", TRANSFORMS)
@example(b"\xff\x01\x01", TRANSFORMS)
def test_arbitrary_contents_in_a_sound_frame_raise_named_errors_only(body, option):
    """The CRCs fit, so everything behind them is reached."""
    with contextlib.suppress(NdiError):
        parse_bx(wire.binary_reply(body), option)


@given(st.binary(max_size=100))
def test_arbitrary_text_with_a_sound_crc_raises_named_errors_only(body):
    line = body + f"{crc16(body):04X}".encode()
    with contextlib.suppress(NdiError):
        parse_ascii(line)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e6])
def test_numbers_that_cannot_be_are_refused(value):
    with pytest.raises(FrameFormatError):
        parse_bx(frame(seen(x=value)), TRANSFORMS | STRAYS)


def test_what_is_no_rotation_is_refused():
    tool = ToolMeasurement(np.array([0.9, 0.0, 0.0, 0.0]), np.array([0.0, 0.0, -1500.0]), 0.1)
    with pytest.raises(FrameFormatError, match="quaternion"):
        parse_bx(frame(tool), TRANSFORMS | STRAYS)


def test_the_same_handle_twice_is_refused():
    body = bytes([2]) + 2 * (bytes([1, 2]) + struct.pack("<II", 0x31, 1)) + b"\0\0"
    with pytest.raises(FrameFormatError, match="twice"):
        parse_bx(wire.binary_reply(body), TRANSFORMS)


def test_a_length_no_reply_has_is_refused_before_it_is_read():
    header = struct.pack("<HH", 0xA5C4, 60000)
    with pytest.raises(FrameFormatError, match="60000"):
        binary_size(header + struct.pack("<H", crc16(header)))


def test_a_refusal_carries_its_number():
    with pytest.raises(DeviceRefusalError) as refused:
        parse_ascii(wire.error_reply(0x0C)[:-1], "TSTOP")
    assert (refused.value.number, refused.value.command) == (0x0C, "TSTOP")


def test_a_wrong_crc_carries_both():
    with pytest.raises(CrcError) as wrong:
        parse_ascii(b"OKAY0000")
    assert (wrong.value.received, wrong.value.computed) == (0x0000, 0xA896)
