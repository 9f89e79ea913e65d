"""The segmentation kept in a case, so that a rerun takes it up where nothing it depends on has changed."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.lib.npyio import NpzFile

import planning_core
from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.segmentation import Numbering, PartialVertebra, SpineSegmentation
from planning_core.case.folder import Case
from planning_core.geometry import DistanceField, Grid

CODE = ("anatomy", "geometry", "imaging")
"""Packages that a segmentation comes out of."""
DAMAGED = (zipfile.BadZipFile, zlib.error, OSError, EOFError, KeyError, ValueError)
"""What reading a stored stage raises that was cut off or altered."""


def stage_key(*parts: str) -> str:
    """One hash over everything a stage depends on."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def code_sha256() -> str:
    """One hash over the source that a segmentation comes out of: changed code does not take up old results."""
    root = Path(planning_core.__file__).parent
    digest = hashlib.sha256()
    for source in sorted(p for package in CODE for p in (root / package).glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def stage_path(case: Case, key: str) -> Path:
    """Where the segmentation with this key is kept."""
    return case.path / "stages" / f"segmentation-{key[:16]}.npz"


def save_segmentation(case: Case, key: str, segmentation: SpineSegmentation) -> None:
    """Keep a segmentation for a rerun."""
    labels = segmentation.labels
    arrays: dict[str, np.ndarray] = {
        # labels shrink a hundredfold, distances hardly and slowly
        "labels": np.frombuffer(zlib.compress(np.ascontiguousarray(labels).tobytes(), 1), np.uint8),
        "shape": np.array(labels.shape),
        **_grid_arrays("grid", segmentation.grid),
    }
    for level, field in segmentation.boundaries.items():
        arrays[f"field_{level.value}"] = field.values
        arrays |= _grid_arrays(f"on_{level.value}", field.grid)
    for number, part in enumerate(segmentation.partial):
        arrays[f"partial_{number}"] = np.array([part.level.value, part.reason])
        arrays[f"partial_centre_{number}"] = part.centre_lps_mm
    numbering = segmentation.numbering
    arrays["numbering"] = np.array([str(numbering.confidence), numbering.source, segmentation.method, *numbering.cues])
    arrays["notes"] = np.array(segmentation.notes, dtype=str)
    name = str(stage_path(case, key).relative_to(case.path))
    case.write_with(name, lambda place: np.savez(place, **arrays))  # type: ignore[arg-type]


def load_segmentation(case: Case, key: str) -> SpineSegmentation | None:
    """What ``save_segmentation`` kept for the same key; ``None`` without one, or with one that cannot be read."""
    path = stage_path(case, key)
    if not path.is_file():
        return None
    try:
        with np.load(path) as arrays:
            return _segmentation(arrays)
    except DAMAGED:
        path.unlink()  # it is worth only the time to make it again
        return None


def kept_segmentation(case: Case) -> SpineSegmentation | None:
    """The newest segmentation that the case keeps, whatever it depended on; ``None`` without one that can be read."""
    for path in sorted((case.path / "stages").glob("segmentation-*.npz"), key=lambda p: p.stat().st_mtime_ns, reverse=True):
        try:
            with np.load(path) as arrays:
                return _segmentation(arrays)
        except DAMAGED:
            continue
    return None


def _segmentation(arrays: NpzFile) -> SpineSegmentation:
    shape = tuple(int(n) for n in arrays["shape"])
    labels = np.frombuffer(zlib.decompress(arrays["labels"].tobytes()), np.uint8).reshape(shape)
    levels = [VertebraLevel(name[6:]) for name in arrays.files if name.startswith("field_")]
    boundaries = {}
    for level in levels:
        values = arrays[f"field_{level.value}"]
        boundaries[level] = DistanceField(values, _grid(arrays, f"on_{level.value}", values.shape))
    count = len([name for name in arrays.files if name.startswith("partial_centre_")])
    partial = []
    for number in range(count):
        name, reason = (str(s) for s in arrays[f"partial_{number}"])
        partial.append(PartialVertebra(VertebraLevel(name), arrays[f"partial_centre_{number}"], reason))
    confidence, source, method, *cues = (str(s) for s in arrays["numbering"])
    numbering = Numbering(float(confidence), source, tuple(cues))
    notes = tuple(str(s) for s in arrays["notes"])
    return SpineSegmentation(labels, _grid(arrays, "grid", shape), boundaries, tuple(partial), numbering, method, notes)


def _grid_arrays(name: str, grid: Grid) -> dict[str, np.ndarray]:
    return {f"{name}_spacing": grid.spacing_mm, f"{name}_origin": grid.origin_mm, f"{name}_direction": grid.direction}


def _grid(arrays: NpzFile, name: str, shape: tuple[int, ...]) -> Grid:
    return Grid(shape, arrays[f"{name}_spacing"], arrays[f"{name}_origin"], arrays[f"{name}_direction"])
