"""Results of single stages kept in a case, so that a rerun takes them up where nothing they depend on has changed."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import numpy as np

import planning_core
from planning_core.anatomy.segmentation import SpineSegmentation
from planning_core.case.folder import Case
from planning_core.case.stored import packed, unpacked

T = TypeVar("T")
SEGMENTATION_CODE = ("anatomy", "geometry", "imaging")
"""Packages that a segmentation comes out of."""
SOURCE = {".py", ".js", ".css", ".html"}
DAMAGED = (zipfile.BadZipFile, zlib.error, OSError, EOFError, KeyError, TypeError, ValueError)
"""What reading a stored stage raises that was cut off or altered."""


def stage_key(*parts: str) -> str:
    """One hash over everything a stage depends on."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def segmentation_code_sha256() -> str:
    """One hash over the source that a segmentation comes out of: changed code does not take up old results."""
    root = Path(planning_core.__file__).parent
    return _sha256(root, (p for package in SEGMENTATION_CODE for p in (root / package).glob("*.py")))


def code_sha256() -> str:
    """One hash over all of planning_core's source."""
    root = Path(planning_core.__file__).parent
    return _sha256(root, (p for p in root.rglob("*") if p.suffix in SOURCE))


def _sha256(root: Path, sources: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for source in sorted(sources):
        digest.update(str(source.relative_to(root)).encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()


def stage_path(case: Case, stage: str, key: str) -> Path:
    """Where a stage's result with this key is kept."""
    return case.path / "stages" / f"{stage}-{key[:16]}.npz"


def kept(case: Case, stage: str, key: str, kind: type[T], make: Callable[[], T]) -> T:
    """What an earlier run left of a stage, else what ``make`` gives, which is then kept."""
    found = load_stage(case, stage, key, kind)
    if found is None:
        found = make()
        save_stage(case, stage, key, found)
    return found


def save_stage(case: Case, stage: str, key: str, value: object) -> None:
    """Keep a stage's result for a rerun."""
    name = str(stage_path(case, stage, key).relative_to(case.path))
    arrays = packed(value)
    case.write_with(name, lambda place: np.savez(place, **arrays))  # type: ignore[arg-type]


def load_stage(case: Case, stage: str, key: str, kind: type[T]) -> T | None:
    """What ``save_stage`` kept for the same key; ``None`` without one, or with one that cannot be read."""
    path = stage_path(case, stage, key)
    if not path.is_file():
        return None
    try:
        with np.load(path) as arrays:
            return unpacked(kind, arrays)
    except DAMAGED:
        path.unlink()  # it is worth only the time to make it again
        return None


def kept_segmentation(case: Case) -> SpineSegmentation | None:
    """The newest segmentation that the case keeps, whatever it depended on; ``None`` without one that can be read."""
    for path in sorted((case.path / "stages").glob("segmentation-*.npz"), key=lambda p: p.stat().st_mtime_ns, reverse=True):
        try:
            with np.load(path) as arrays:
                return unpacked(SpineSegmentation, arrays)
        except DAMAGED:
            continue
    return None
