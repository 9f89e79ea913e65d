import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware_sim.tracker.wire import (
    BAD_CRC,
    LONGEST_COMMAND,
    Command,
    DeviceError,
    LineBuffer,
    WireFormatError,
    ascii_reply,
    binary_reply,
    crc16,
    parse_command,
    signed_field,
)


def test_the_crc_is_the_published_one():
    assert crc16(b"123456789") == 0xBB3D
    assert ascii_reply("OKAY") == b"OKAYA896\r"
    assert ascii_reply("RESET") == b"RESETBE6F\r"


def test_a_known_command_is_read():
    assert parse_command(b"INIT:E3A5") == Command("INIT", "")
    assert parse_command(b"VER:065EE") == Command("VER", "0")
    assert parse_command(b"TX 1801") == Command("TX", "1801")


@given(st.from_regex(r"[A-Z][A-Z0-9]{0,6}", fullmatch=True), st.text("0123456789ABCDEF*:; ", max_size=140))
def test_every_command_with_its_crc_is_read_back(name, parameters):
    text = f"{name}:{parameters}".encode()
    assert parse_command(text + f"{crc16(text):04X}".encode()) == Command(name, parameters)


@given(st.from_regex(r"[A-Z]{2,6}", fullmatch=True), st.text("0123456789", max_size=20), st.data())
def test_one_changed_bit_is_refused(name, parameters, data):
    text = f"{name}:{parameters}".encode()
    line = bytearray(text + f"{crc16(text):04X}".encode())
    at = data.draw(st.integers(len(name) + 1, len(line) - 1))
    line[at] ^= 1 << data.draw(st.integers(0, 4))
    with pytest.raises(DeviceError) as refused:
        parse_command(bytes(line))
    assert refused.value.number == BAD_CRC


@given(st.binary(max_size=LONGEST_COMMAND + 50))
def test_arbitrary_bytes_are_a_command_or_a_named_refusal(line):
    with contextlib.suppress(DeviceError):
        parse_command(line)


@given(st.lists(st.binary(max_size=300), max_size=12))
def test_lines_are_found_wherever_the_bytes_are_cut(pieces):
    """However the stream is cut, the same lines come out, and none is longer than one over-long command."""
    whole, cut = LineBuffer(), LineBuffer()
    expected = whole.feed(b"".join(pieces))
    assert [line for piece in pieces for line in cut.feed(piece)] == expected
    assert all(len(line) <= LONGEST_COMMAND + 1 for line in expected)


def test_a_line_without_end_is_not_kept():
    buffer = LineBuffer()
    for _ in range(100):
        assert buffer.feed(b"A" * 4096) == []
    (line,) = buffer.feed(b"\r")
    assert len(line) == LONGEST_COMMAND + 1


def test_numbers_of_tx_replies():
    assert signed_field(1.2345, 5, 4) == "+12345"
    assert signed_field(-12.3, 6, 2) == "-001230"
    with pytest.raises(WireFormatError):
        signed_field(1e5, 6, 2)


def test_a_binary_reply_that_is_too_long_is_refused():
    with pytest.raises(WireFormatError):
        binary_reply(bytes(0x10000))
