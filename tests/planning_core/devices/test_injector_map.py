import contextlib
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planning_core.devices.injector_map import (
    BY_NAME,
    COMMAND_BLOCK,
    CONTROL_BLOCK,
    INPUT_WORDS,
    LIMIT_BLOCK,
    REGISTERS,
    RegisterError,
    Table,
    as_markdown,
    pack,
    unpack,
)

registers = st.sampled_from(REGISTERS)


@given(registers, st.data())
def test_a_value_survives_the_wire_to_half_a_count(register, data):
    value = data.draw(st.floats(register.low, register.high))
    assert register.decode(register.encode(value)) == pytest.approx(value, abs=register.scale * 0.5 + 1e-9 * abs(value))


@given(registers, st.lists(st.integers(0, 0xFFFF), min_size=0, max_size=3))
def test_words_decode_to_a_value_in_range_or_a_named_refusal(register, words):
    try:
        value = register.decode(words)
    except RegisterError as error:
        refused: RegisterError | None = error
    else:
        refused = None
    if refused:
        assert refused.register == register.name
    else:
        assert register.low - register.scale <= value <= register.high + register.scale
        assert register.encode(min(max(value, register.low), register.high)) == tuple(words)


@given(registers, st.one_of(st.floats(), st.sampled_from([math.nan, math.inf, -math.inf])))
def test_a_value_out_of_range_is_refused_with_the_range(register, value):
    if not register.low <= value <= register.high:
        with pytest.raises(RegisterError) as caught:
            register.encode(value)
        assert (caught.value.low, caught.value.high) == (register.low, register.high)


def test_no_two_registers_share_a_word():
    for table in Table:
        taken = [a for r in REGISTERS if r.table is table for a in range(r.address, r.address + r.words)]
        assert taken == list(range(len(taken)))


def test_blocks_written_in_one_telegram_are_neighbours():
    for block in (CONTROL_BLOCK, COMMAND_BLOCK, LIMIT_BLOCK):
        start, words = pack(block, [max(BY_NAME[n].low, 0.1 if n == "watchdog" else 0) for n in block])
        assert list(unpack(Table.HOLDING, start, words)) == list(block)


@given(st.lists(st.integers(0, 0xFFFF), max_size=INPUT_WORDS))
def test_no_run_of_words_raises_anything_unnamed(words):
    with contextlib.suppress(RegisterError):
        unpack(Table.INPUT, 0, words)


def test_the_document_holds_this_table():
    page = Path(__file__).resolve().parents[3] / "docs/devices/injector.md"
    assert as_markdown() in page.read_text(encoding="utf-8")
