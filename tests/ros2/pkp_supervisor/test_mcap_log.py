import contextlib
import errno
import io
import os

import pytest

pytest.importorskip("mcap", reason="mcap comes with ./pkp ros")
from mcap.exceptions import EndOfFile
from mcap.records import Message, Schema
from mcap.stream_reader import StreamReader
from pkp_supervisor.mcap_log import LogLimits, Record, RotatingLog

MB = 2**20


def record(number, topic="/a", size=100):
    return Record(topic, "std_msgs/msg/String", "string data\n", number.to_bytes(8, "little") + bytes(size), 1000 + number)


def read(folder):
    """Numbers of all messages, in files in order; a file cut short is read as far as it goes."""
    numbers = []
    for path in sorted(folder.glob("*.mcap")):
        with path.open("rb") as file, contextlib.suppress(EndOfFile):
            for r in StreamReader(file).records:
                numbers += [int.from_bytes(r.data[:8], "little")] if isinstance(r, Message) else []
    return numbers


def test_what_was_flushed_is_readable_though_the_file_was_never_ended(tmp_path):
    log = RotatingLog(tmp_path)
    for number in range(10):
        log.add(record(number))
    log.flush(1.0)
    assert read(tmp_path) == list(range(10))
    (path,) = tmp_path.glob("*.mcap")
    with path.open("rb") as file:
        schemas = []
        with contextlib.suppress(EndOfFile):
            for r in StreamReader(file).records:
                schemas += [r] if isinstance(r, Schema) else []
    assert (schemas[0].name, schemas[0].encoding, schemas[0].data) == ("std_msgs/msg/String", "ros2msg", b"string data\n")


def test_files_are_closed_by_size_and_by_age_and_lose_nothing(tmp_path):
    log = RotatingLog(tmp_path, LogLimits(file_bytes=5000, file_s=10.0))
    for number in range(200):
        log.add(
            record(number, size=0) if number % 2 else Record("/b", "t", "d", number.to_bytes(8, "little") + os.urandom(200), 1)
        )
        log.flush(1.0)
    by_size = len(list(tmp_path.glob("*.mcap")))
    log.flush(12.0)
    log.add(record(200))
    log.flush(13.0)
    log.close()
    assert by_size > 3
    assert len(list(tmp_path.glob("*.mcap"))) == by_size + 1
    assert read(tmp_path) == list(range(201))
    assert (log.state.written, log.state.lost) == (201, 0)


def test_a_second_run_in_the_folder_overwrites_nothing(tmp_path):
    for number in range(2):
        log = RotatingLog(tmp_path)
        log.add(record(number))
        log.close()
    assert read(tmp_path) == [0, 1]


class SmallDisk(io.FileIO):
    """A file on a disk with so many bytes left."""

    left = 0

    def write(self, data):
        if len(data) > SmallDisk.left:
            taken = super().write(bytes(data)[: SmallDisk.left])
            SmallDisk.left = 0
            if taken:
                return taken
            raise OSError(errno.ENOSPC, "No space left on device")
        SmallDisk.left -= len(data)
        return super().write(data)


def test_a_full_disk_is_said_and_what_memory_holds_is_written_later(tmp_path):
    SmallDisk.left = 3000
    free = {"bytes": 100 * MB}
    log = RotatingLog(
        tmp_path,
        LogLimits(retry_s=1.0),
        create=lambda path: io.BufferedWriter(SmallDisk(path, "xb")),
        free_bytes=lambda folder: free["bytes"],
    )
    for number in range(60):
        log.add(Record("/a", "t", "d", number.to_bytes(8, "little") + os.urandom(100), 1))
        log.flush(1.0)
    assert log.state.error_code == "disk_full"
    free["bytes"] = 0
    log.flush(3.0)
    assert "free" in log.state.error_msg
    SmallDisk.left, free["bytes"] = 100 * MB, 100 * MB
    log.flush(5.0)
    log.close()
    assert log.state.error_code == ""
    assert (sorted(set(read(tmp_path))), log.state.lost) == (list(range(60)), 0)


def test_memory_is_bounded_and_what_is_lost_is_counted(tmp_path):
    log = RotatingLog(tmp_path, LogLimits(held_bytes=1080), free_bytes=lambda folder: 0)
    for number in range(30):
        log.add(record(number))
        log.flush(1.0)
    assert log.state.lost == 20
    log.close()
    assert log.state.lost == 30
