"""A line that answers anything at all: the driver reads on or refuses by name, never otherwise."""

import contextlib
import os
import pty
import threading
import time
import tty

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pkp_control.injector_client import InjectorClient, InjectorError, SerialLine

from hardware_sim.injector.slave import crc16

answers = st.one_of(
    st.binary(max_size=60),
    st.binary(min_size=1, max_size=50).map(lambda b: b"\x01" + b + crc16(b"\x01" + b)),
    st.tuples(st.sampled_from([3, 4, 16, 0x84, 0x90, 0x2B]), st.binary(max_size=45)).map(
        lambda t: (lambda b: b + crc16(b))(bytes([1, t[0]]) + t[1])
    ),
    st.binary(max_size=38).map(lambda b: (lambda c: c + crc16(c))(bytes([1, 4, len(b)]) + b)),
)


class Liar:
    """The far end of a pseudo-terminal that answers every telegram with the same bytes."""

    def __init__(self):
        self.ours, self.theirs = pty.openpty()
        for end in (self.ours, self.theirs):
            tty.setraw(end)
        self.answer = b""
        threading.Thread(target=self._lie, daemon=True).start()

    def _lie(self):
        with contextlib.suppress(OSError):
            while os.read(self.ours, 256):
                os.write(self.ours, self.answer)
        os.close(self.ours)


@pytest.fixture(scope="module")
def liar():
    it = Liar()
    yield it
    os.close(it.theirs)  # its reader ends with the line


@settings(max_examples=120, deadline=None)
@given(answers)
def test_any_answer_is_a_reading_or_a_named_refusal(liar, answer):
    liar.answer = answer
    line = SerialLine(os.ttyname(liar.theirs), 0.01)
    client = InjectorClient(line, time.monotonic)
    for ask in (client.read, lambda: client.drive(False, 0.0), client.stop):
        with contextlib.suppress(InjectorError):
            ask()
    line.close()
