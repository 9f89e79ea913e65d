"""What a recorder left, message by message; a file that was never ended is read as far as it goes, and what is no message of its
topic is passed over with a warning."""

from __future__ import annotations

import logging
import math
import struct
from collections.abc import Callable, Collection, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import attrs
from mcap.data_stream import ReadDataStream
from mcap.exceptions import EndOfFile
from mcap.opcode import Opcode
from mcap.records import Channel, Chunk, Message, Schema
from mcap.stream_reader import StreamReader, get_chunk_data_stream
from mcap_ros2.decoder import DecoderFactory

LOG = logging.getLogger(__name__)
RECORD, MESSAGE = struct.Struct("<BQ"), struct.Struct("<HIQQ")
"""In a chunk (mcap.dev/spec): kind and length; of a message its channel, number, and when it was heard and sent (ns)."""
NO_MESSAGE = (ValueError, struct.error, IndexError, EOFError, MemoryError)
"""What decoding bytes raises that are not what their topic promises: the recorder keeps whatever somebody sent."""


@attrs.frozen(eq=False)
class Recorded:
    """One message: when the recorder heard it (s since 1970) and what it said."""

    topic: str
    heard_s: float
    message: Any


def recorded(
    folder: Path, topics: Collection[str] | None = None, apart_s: Mapping[str, float] | None = None
) -> Iterator[Recorded]:
    """All messages below a folder in the order they were written, of these topics or of all.

    Args:
        apart_s: by topic: messages nearer than this to the one before are passed over, and cost no decoding.
    """
    last: dict[str, float] = {}
    for path in sorted(folder.glob("*.mcap")):
        yield from _file(path, topics, apart_s or {}, last)


def _file(path: Path, topics: Collection[str] | None, apart_s: Mapping[str, float], last: dict[str, float]) -> Iterator[Recorded]:
    factory = DecoderFactory()
    schemas: dict[int, Schema] = {}
    decoders: dict[int, Any] = {}

    def wanted(channel: Channel, heard_s: float) -> bool:
        if topics is not None and channel.topic not in topics:
            return False
        if 0 <= heard_s - last.get(channel.topic, -math.inf) < apart_s.get(channel.topic, 0.0):
            return False
        last[channel.topic] = heard_s
        return True

    with path.open("rb") as file:
        try:
            for channel, heard_s, data in _messages(_Whole(file), schemas, wanted):
                if channel.schema_id not in decoders:
                    decoders[channel.schema_id] = factory.decoder_for("cdr", schemas[channel.schema_id])
                try:
                    message = decoders[channel.schema_id](data)
                except NO_MESSAGE as error:
                    LOG.warning("%s at %.3f is no %s: %s", channel.topic, heard_s, schemas[channel.schema_id].name, error)
                    continue
                yield Recorded(channel.topic, heard_s, message)
        except EndOfFile:
            return  # its recorder was killed: what was flushed is here


class _Whole(BytesIO):
    """A file that gives what is asked for, or has ended: a recorder that was killed, or still writes, leaves half a piece."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file = file

    def read(self, size: int | None = -1, /) -> bytes:
        """As of any file.

        Raises:
            EndOfFile: less than that is left.
        """
        data = self._file.read(-1 if size is None else size)
        if size is not None and len(data) < size:
            raise EndOfFile
        return data


def _messages(
    file: BytesIO, schemas: dict[int, Schema], wanted: Callable[[Channel, float], bool]
) -> Iterator[tuple[Channel, float, bytes]]:
    """Channel, time (s) and bytes of the messages that are wanted; ``schemas`` is filled on the way.

    The library makes an object of every message before one can look away, and most of a record is not looked at: messages in
    chunks, as our recorder writes them, are stepped over by their lengths.
    """
    channels: dict[int, Channel] = {}
    for entry in StreamReader(file, emit_chunks=True).records:
        if isinstance(entry, Schema):
            schemas[entry.id] = entry
        elif isinstance(entry, Channel):
            channels[entry.id] = entry
        elif isinstance(entry, Message):
            channel, heard_s = channels[entry.channel_id], entry.log_time * 1e-9
            if wanted(channel, heard_s):
                yield channel, heard_s, entry.data
        elif isinstance(entry, Chunk):
            stream, length = get_chunk_data_stream(entry)
            data, at = stream.read(length), 0
            while at < length:
                kind, size = RECORD.unpack_from(data, at)
                at += RECORD.size
                if kind == Opcode.SCHEMA:
                    schema = Schema.read(ReadDataStream(BytesIO(data[at : at + size])))
                    schemas[schema.id] = schema
                elif kind == Opcode.CHANNEL:
                    channel = Channel.read(ReadDataStream(BytesIO(data[at : at + size])))
                    channels[channel.id] = channel
                elif kind == Opcode.MESSAGE:
                    number, _, heard_ns, _ = MESSAGE.unpack_from(data, at)
                    if wanted(channels[number], heard_ns * 1e-9):
                        yield channels[number], heard_ns * 1e-9, data[at + MESSAGE.size : at + size]
                at += size
