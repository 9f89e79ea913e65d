"""A record holds what was on the wire, whatever that was."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("mcap_ros2", reason="mcap comes with ./pkp ros")
from pkp_supervisor.mcap_log import Record, RotatingLog
from pkp_supervisor.record_reader import recorded

KIND, DEFINITION = "test_msgs/msg/Said", "string word\nfloat64[] numbers\nuint8 last\n"
SAID = b"\x00\x01\x00\x00" + b"\x04\x00\x00\x00abc\x00" + b"\x00\x00\x00\x00" + b"\x07"


def heard(*payloads):
    with tempfile.TemporaryDirectory() as folder:
        log = RotatingLog(Path(folder))
        for number, payload in enumerate(payloads):
            log.add(Record("/said", KIND, DEFINITION, payload, number))
        log.close()
        return [one.message for one in recorded(Path(folder))]


def test_what_is_no_message_hides_none_that_is(caplog):
    found = heard(SAID, b"\x00", b"\x00\x01\x00\x00" + b"\xff" * 13, SAID)
    assert [(one.word, one.last) for one in found] == [("abc", 7)] * 2
    assert caplog.text.count("/said at 0.000 is no test_msgs/msg/Said") == 2


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=40))
def test_whatever_was_on_the_wire_the_rest_is_read(payload):
    found = heard(payload, SAID)
    assert found[-1].word == "abc"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A file in three pieces, never ended; its bytes and where each piece had been written."""
    folder = tmp_path_factory.mktemp("written")
    log, ends = RotatingLog(folder), []
    for piece in range(3):
        log.add(Record("/said", KIND, DEFINITION, SAID, piece))
        log.flush(float(piece))
        ends.append(next(folder.glob("*.mcap")).stat().st_size)
    return next(folder.glob("*.mcap")).read_bytes(), ends


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_wherever_a_file_is_cut_what_was_written_before_is_read(written, data):
    content, ends = written
    cut = data.draw(st.integers(ends[0], len(content)))
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "record_0000.mcap").write_bytes(content[:cut])
        assert len(list(recorded(Path(folder)))) >= sum(end <= cut for end in ends)
