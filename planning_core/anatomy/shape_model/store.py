"""Shape models on disk: one compressed table per region, the same bytes for the same model."""

from __future__ import annotations

import functools
from importlib.resources import files
from pathlib import Path
from typing import IO, Any

import numpy as np

from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.shape_model.model import Anchors, ShapeModel
from planning_core.anatomy.shape_model.region import Region

SCHEMA = 1


def save_shape_model(model: ShapeModel, path: Path) -> None:
    """Write one model as a compressed npz (lengths as float32)."""
    np.savez_compressed(
        path,
        schema=SCHEMA,
        region=model.region.value,
        mean=model.mean.astype(np.float32),
        triangles=model.triangles.astype(np.int32),
        mirror=model.mirror.astype(np.int32),
        modes=model.modes.astype(np.float32),
        sigma_mm=model.sigma_mm,
        rest_mm=model.rest_mm,
        log_scale_sigma=model.log_scale_sigma,
        trend=model.trend,
        collapse=model.collapse.astype(np.float32),
        parts=model.parts,
        landmarks=model.landmarks.astype(np.int32),
        rims=model.rims.astype(np.int32),
        pedicle_vertices=model.pedicles.vertices.astype(np.int32),
        pedicle_weights=model.pedicles.weights,
        pedicle_width_mm=model.pedicle_width_mm,
        canal=model.canal.astype(np.int32),
    )


def read_shape_model(file: Path | IO[bytes]) -> ShapeModel:
    """Read what ``save_shape_model`` wrote.

    Raises:
        ValueError: another schema, or arrays that do not fit each other.
    """
    with np.load(file) as table:
        given: dict[str, Any] = {name: table[name] for name in table.files}
    if int(given.pop("schema")) != SCHEMA:
        raise ValueError(f"shape model of another schema than {SCHEMA}")
    anchors = Anchors(given.pop("pedicle_vertices"), given.pop("pedicle_weights"))
    numbers = {name: float(given.pop(name)) for name in ("rest_mm", "log_scale_sigma")}
    return ShapeModel(Region(str(given.pop("region"))), pedicles=anchors, **numbers, **given)


@functools.cache
def _shipped(region: Region) -> ShapeModel:
    with files(__package__).joinpath(f"weights/{region.value}.npz").open("rb") as file:
        return read_shape_model(file)


def load_shape_model(of: VertebraLevel | Region) -> ShapeModel:
    """The shipped model of a region, or of the region of a level."""
    return _shipped(of if isinstance(of, Region) else Region.of(of))
