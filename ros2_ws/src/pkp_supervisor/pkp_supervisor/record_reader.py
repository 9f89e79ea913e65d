"""What a recorder left, message by message; a file that was never ended is read as far as it goes, and what is no message of its
topic is passed over with a warning."""

from __future__ import annotations

import logging
import math
import struct
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
from mcap.exceptions import EndOfFile
from mcap.records import Channel, Message, Schema
from mcap.stream_reader import StreamReader
from mcap_ros2.decoder import DecoderFactory

LOG = logging.getLogger(__name__)
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
    channels: dict[int, Channel] = {}
    decoders: dict[int, Any] = {}
    with path.open("rb") as file:
        try:
            for entry in StreamReader(file).records:
                if isinstance(entry, Schema):
                    schemas[entry.id] = entry
                elif isinstance(entry, Channel):
                    channels[entry.id] = entry
                elif isinstance(entry, Message):
                    channel = channels[entry.channel_id]
                    if topics is not None and channel.topic not in topics:
                        continue
                    heard_s = entry.log_time * 1e-9
                    if 0 <= heard_s - last.get(channel.topic, -math.inf) < apart_s.get(channel.topic, 0.0):
                        continue
                    last[channel.topic] = heard_s
                    if channel.schema_id not in decoders:
                        decoders[channel.schema_id] = factory.decoder_for("cdr", schemas[channel.schema_id])
                    try:
                        message = decoders[channel.schema_id](entry.data)
                    except NO_MESSAGE as error:
                        LOG.warning("%s at %.3f is no %s: %s", channel.topic, heard_s, schemas[channel.schema_id].name, error)
                        continue
                    yield Recorded(channel.topic, heard_s, message)
        except EndOfFile:
            return  # its recorder was killed: what was flushed is here
