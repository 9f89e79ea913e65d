"""A frozen result as plain arrays and back, guided by its own type hints.

A case folder travels, so what is read from it must not be able to run anything: numbers, texts and arrays are stored, and
which classes they become is said by the code that reads them, never by the file.
"""

from __future__ import annotations

import json
import types
import zlib
from collections.abc import Mapping
from enum import Enum
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import attrs
import numpy as np
import trimesh

T = TypeVar("T")
TREE = "tree"
"""Name of the array that holds everything but the arrays, as JSON."""


def packed(value: Any) -> dict[str, np.ndarray]:
    """A result of attrs classes, enums, tuples, mappings, meshes, arrays and plain values as named arrays for ``np.savez``.

    Raises:
        TypeError: something in it is none of these.
    """
    arrays: dict[str, np.ndarray] = {}
    tree = _out(value, arrays)
    return {**arrays, TREE: np.frombuffer(json.dumps(tree).encode(), np.uint8)}


def unpacked(kind: type[T], arrays: Mapping[str, np.ndarray]) -> T:
    """What ``packed`` made arrays of.

    Raises:
        KeyError, TypeError, ValueError: the arrays are no such result.
    """
    result: T = _in(kind, json.loads(arrays[TREE].tobytes()), arrays)
    return result


def _out(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray):
        name = f"array_{len(arrays)}"
        small = value.dtype == np.uint8  # labels shrink a hundredfold, distances hardly and slowly
        content = np.ascontiguousarray(value).tobytes() if small else b""
        arrays[name] = np.frombuffer(zlib.compress(content, 1), np.uint8) if small else value
        return {"array": name, "shape": list(value.shape)}
    if isinstance(value, trimesh.Trimesh):
        return [_out(np.asarray(value.vertices), arrays), _out(np.asarray(value.faces), arrays)]
    if isinstance(value, Mapping):
        return [[_out(k, arrays), _out(v, arrays)] for k, v in value.items()]
    if isinstance(value, tuple):
        return [_out(v, arrays) for v in value]
    if attrs.has(type(value)):
        return {field.name: _out(getattr(value, field.name), arrays) for field in attrs.fields(type(value))}
    raise TypeError(f"{type(value).__name__} is nothing that is stored")


def _in(kind: Any, tree: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        (only,) = (k for k in inner if k is not type(None))
        return None if tree is None else _in(only, tree, arrays)
    if origin is np.ndarray:
        array = arrays[tree["array"]]
        if get_args(inner[1])[0] is np.uint8:
            array = np.frombuffer(zlib.decompress(array.tobytes()), np.uint8)
        return array.reshape(tree["shape"])
    if origin is tuple:
        kinds = [inner[0]] * len(tree) if inner[1:] == (...,) else inner
        return tuple(_in(k, t, arrays) for k, t in zip(kinds, tree, strict=True))
    if origin is Mapping:
        return {_in(inner[0], k, arrays): _in(inner[1], v, arrays) for k, v in tree}
    if kind is trimesh.Trimesh:
        vertices, faces = (arrays[part["array"]].reshape(part["shape"]) for part in tree)
        return trimesh.Trimesh(vertices, faces, process=False)
    if attrs.has(kind):
        hints = get_type_hints(kind, localns={"trimesh": trimesh})  # some name it for the type checker alone
        return kind(**{field.name: _in(hints[field.name], tree[field.name], arrays) for field in attrs.fields(kind)})
    if issubclass(kind, Enum):
        return kind(tree)
    if (kind is float and isinstance(tree, int | float)) or type(tree) is kind:
        return kind(tree)
    raise TypeError(f"{tree!r} is no {kind.__name__}")
