"""Message definitions as MCAP wants them: the type's own text, then that of every type it uses."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from planning_core.errors import InputError

SEPARATOR = "=" * 80
BUILT_IN = frozenset(
    [
        "bool",
        "byte",
        "char",
        "float32",
        "float64",
        "int8",
        "uint8",
        "int16",
        "uint16",
        "int32",
        "uint32",
        "int64",
        "uint64",
        "string",
        "wstring",
    ]
)
FIELD = re.compile(r"^\s*(?P<type>[A-Za-z][\w/]*)(?:<=\d+)?(?:\[[^\]]*\])?\s+[a-z]\w*\s*(?![\w\s]*=)")
FEEDBACK = "_FeedbackMessage"

Read = Callable[[str, str], str]


class NoDefinitionError(InputError):
    """A type whose definition is not installed. Carries ``type_name``."""

    code = "no_definition"


def definition(type_name: str, read: Read | None = None) -> str:
    """The full definition of e.g. ``std_msgs/msg/Header`` or ``pkp_msgs/action/Inject_FeedbackMessage``.

    Args:
        read: gives a file's text by package and path below its share folder.

    Raises:
        NoDefinitionError: it, or a type it uses, is not installed.
    """
    read = read or _installed
    texts = [_text(type_name, read)]
    done, open_ = {type_name}, _used(texts[0], type_name)
    while open_:
        name = open_.pop(0)
        if name in done:
            continue
        done.add(name)
        text = _text(name, read)
        package, _, short = name.split("/")
        texts.append(f"{SEPARATOR}\nMSG: {package}/{short.replace('_', '')}\n{text}")
        open_ += _used(text, name)
    return "\n".join(texts)


def schema_name(type_name: str) -> str:
    """The name a definition goes under; readers refuse the underscore in those of actions."""
    return type_name.replace("_FeedbackMessage", "FeedbackMessage")


def message_class(type_name: str) -> Any:
    """The Python class of a topic's type.

    Raises:
        NoDefinitionError: it is not installed.
    """
    package, kind, short = type_name.split("/")
    try:
        if kind == "action":
            return getattr(import_module(f"{package}.action"), short.removesuffix(FEEDBACK)).Impl.FeedbackMessage
        return getattr(import_module(f"{package}.{kind}"), short)
    except (ImportError, AttributeError) as error:
        raise NoDefinitionError(f"{type_name} is not installed", type_name=type_name) from error


def _text(type_name: str, read: Read) -> str:
    package, kind, short = type_name.split("/")
    try:
        if kind == "msg":
            return read(package, f"msg/{short}.msg")
        action = short.removesuffix(FEEDBACK).removesuffix("_Feedback")
        if kind == "action" and short.endswith(FEEDBACK):
            return f"unique_identifier_msgs/UUID goal_id\n{package}/{action}Feedback feedback\n"
        if kind == "action":
            return re.split(r"^---\s*$", read(package, f"action/{action}.action"), flags=re.MULTILINE)[2]
    except (OSError, LookupError) as error:
        raise NoDefinitionError(f"{type_name} has no definition here", type_name=type_name) from error
    raise NoDefinitionError(f"{type_name} is no topic's type", type_name=type_name)


def _used(text: str, owner: str) -> list[str]:
    names = []
    for line in text.splitlines():
        match = FIELD.match(line.split("#", 1)[0])
        if match and match["type"] not in BUILT_IN:
            parts = match["type"].split("/")
            package = parts[0] if len(parts) > 1 else owner.split("/")[0]
            if owner.endswith(FEEDBACK) and match["type"].endswith("Feedback"):
                names.append(owner.removesuffix("Message"))
            else:
                names.append(f"{package}/msg/{parts[-1]}")
    return names


@cache
def _installed(package: str, path: str) -> str:
    from ament_index_python.packages import get_package_share_directory

    return (Path(get_package_share_directory(package)) / path).read_text(encoding="utf-8")
