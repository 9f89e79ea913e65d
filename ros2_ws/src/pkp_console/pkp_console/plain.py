"""Messages as values that JSON knows; works on a live message and on one that was read from a record."""

from __future__ import annotations

import math
from typing import Any

PLAIN = (str, bool, int)


def plain(message: Any) -> Any:
    """A message as JSON-able values; what is no finite number becomes None."""
    if isinstance(message, float):
        return message if math.isfinite(message) else None
    if isinstance(message, PLAIN):
        return message
    fields = _fields(message)
    if fields is not None:
        return {name: plain(getattr(message, name)) for name in fields}
    if isinstance(message, bytes):
        return message.hex()
    if hasattr(message, "tolist"):
        return [plain(v) for v in message.tolist()]
    return [plain(v) for v in message]


def _fields(message: Any) -> list[str] | None:
    if hasattr(message, "get_fields_and_field_types"):
        return list(message.get_fields_and_field_types())
    slots = getattr(type(message), "__slots__", None)
    return [name.lstrip("_") for name in slots if name != "_check_fields"] if slots else None
