import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware_sim.injector.memory import Memory, MemoryCorruptError, Remembered


def test_the_newest_record_comes_back_after_a_restart(tmp_path):
    path = tmp_path / "nv"
    memory = Memory(path)
    for n in range(5):
        memory.save(Remembered(n * 0.1, 1, n, 50.0, n * 0.09))
    memory.close()
    assert Memory(path).load() == Remembered(0.4, 1, 4, 50.0, 4 * 0.09)


def test_a_write_cut_short_leaves_the_record_before(tmp_path):
    path = tmp_path / "nv"
    memory = Memory(path)
    memory.save(Remembered(1.0))
    memory.save(Remembered(2.0))
    memory.close()
    raw = bytearray(path.read_bytes())
    raw[10] ^= 0xFF  # the second save went to slot 0
    path.write_bytes(raw)
    assert Memory(path).load().displaced_ml == 1.0


@given(st.binary(max_size=200))
def test_a_spoilt_memory_is_named_not_guessed(tmp_path_factory, raw):
    path = tmp_path_factory.mktemp("nv") / "nv"
    path.write_bytes(raw)
    with pytest.raises(MemoryCorruptError):
        Memory(path).load()
