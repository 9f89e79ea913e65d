"""A case on disk: inputs by hash, stage results, the plan. Nothing half-written, one writer at a time."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
import numpy as np

from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.segmentation import Numbering, PartialVertebra, SpineSegmentation
from planning_core.errors import PkpError
from planning_core.geometry import DistanceField, Grid


class CaseInUseError(PkpError):
    """Another process is writing this case. Carries ``case``."""

    code = "case_in_use"


@attrs.frozen
class Case:
    """A case folder.

    Args:
        path: it; made when it is not there.
    """

    path: Path

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the case for writing; the lock ends with the process, however it ends.

        Raises:
            CaseInUseError: somebody else holds it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise CaseInUseError(f"case {self.path.name} is being written by another process", case=self.path.name) from error
            yield

    def write(self, name: str, content: bytes) -> Path:
        """A file, whole or not at all."""
        return self.write_with(name, lambda temporary: temporary.write_bytes(content))

    def write_with(self, name: str, writer: Callable[[Path], object]) -> Path:
        """A file that a library writes by path: beside its place under another name, then moved."""
        place = self.path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        suffix = "".join(Path(name).suffixes)
        handle, temporary = tempfile.mkstemp(suffix=suffix, prefix=".part-", dir=place.parent)
        os.close(handle)
        try:
            writer(Path(temporary))
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
            os.replace(temporary, place)
        finally:
            Path(temporary).unlink(missing_ok=True)
        return place

    def stage(self, key: str) -> Path:
        """Where the segmentation of these inputs is kept for a rerun."""
        return self.path / "stages" / f"segmentation-{key[:16]}.npz"

    def save_segmentation(self, key: str, segmentation: SpineSegmentation) -> None:
        """Keep a segmentation for a rerun."""
        arrays: dict[str, np.ndarray] = {"labels": segmentation.labels, **_grid_arrays("grid", segmentation.grid)}
        for level, field in segmentation.boundaries.items():
            arrays[f"field_{level.value}"] = field.values
            arrays |= _grid_arrays(f"on_{level.value}", field.grid)
        for number, part in enumerate(segmentation.partial):
            arrays[f"partial_{number}"] = np.array([part.level.value, part.reason])
            arrays[f"partial_centre_{number}"] = part.centre_lps_mm
        numbering = segmentation.numbering
        arrays["numbering"] = np.array([str(numbering.confidence), numbering.source, segmentation.method, *numbering.cues])
        name = str(self.stage(key).relative_to(self.path))
        self.write_with(name, lambda temporary: np.savez_compressed(temporary, **arrays))  # type: ignore[arg-type]

    def load_segmentation(self, key: str) -> SpineSegmentation | None:
        """What ``save_segmentation`` kept for the same key, or ``None``."""
        path = self.stage(key)
        if not path.is_file():
            return None
        with np.load(path) as z:
            levels = [VertebraLevel(name[6:]) for name in z.files if name.startswith("field_")]
            boundaries = {
                v: DistanceField(z[f"field_{v.value}"], _grid(z, f"on_{v.value}", z[f"field_{v.value}"].shape)) for v in levels
            }
            count = len([n for n in z.files if n.startswith("partial_centre_")])
            partial = tuple(
                PartialVertebra(VertebraLevel(str(z[f"partial_{n}"][0])), z[f"partial_centre_{n}"], str(z[f"partial_{n}"][1]))
                for n in range(count)
            )
            confidence, source, method, *cues = (str(s) for s in z["numbering"])
            labels = z["labels"]
            return SpineSegmentation(
                labels,
                _grid(z, "grid", labels.shape),
                boundaries,
                partial,
                Numbering(float(confidence), source, tuple(cues)),
                method,
            )


def stage_key(*parts: str) -> str:
    """One hash over everything a stage depends on."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _grid_arrays(name: str, grid: Grid) -> dict[str, np.ndarray]:
    return {f"{name}_spacing": grid.spacing_mm, f"{name}_origin": grid.origin_mm, f"{name}_direction": grid.direction}


def _grid(arrays: np.lib.npyio.NpzFile, name: str, shape: tuple[int, ...]) -> Grid:
    return Grid(shape, arrays[f"{name}_spacing"], arrays[f"{name}_origin"], arrays[f"{name}_direction"])
