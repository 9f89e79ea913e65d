"""Checks that every volume passes, whatever file it came from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planning_core.geometry.grid import Grid
from planning_core.imaging.config import ImagingConfig
from planning_core.imaging.refusals import NotHounsfieldError, SliceSpacingError, TooFewSlicesError, TooLargeError

INT16 = np.iinfo(np.int16)
FARTHEST_HU = (-200_000.0, 200_000.0)


def check_size(shape: tuple[int, ...], config: ImagingConfig) -> None:
    """Refuse a volume that would not fit, before it is read."""
    count = int(np.prod([float(n) for n in shape]))
    if count > config.max_voxels:
        raise TooLargeError(f"{count:,} voxels, at most {config.max_voxels:,} are read", count=count, limit=config.max_voxels)


def check_grid(grid: Grid, config: ImagingConfig) -> tuple[str, ...]:
    """Refuse too few or too thick slices; return warnings. The slice axis is the one with the coarsest spacing."""
    axis = int(np.argmax(grid.spacing_mm))
    slices, spacing = grid.shape[2 - axis], float(grid.spacing_mm[axis])
    if spacing > config.max_spacing_mm:
        raise SliceSpacingError(
            f"slices are {spacing:.2f} mm apart, at most {config.max_spacing_mm:g} mm can be planned on",
            spacing_mm=spacing,
            limit_mm=config.max_spacing_mm,
        )
    if min(grid.shape) < config.min_slices:
        slices = min(slices, min(grid.shape))
        raise TooFewSlicesError(
            f"only {slices} slices, at least {config.min_slices} are needed", slices=slices, needed=config.min_slices
        )
    if spacing > config.warn_spacing_mm:
        return (f"slices are {spacing:.2f} mm apart: margins are uncertain by half of that",)
    return ()


def as_hounsfield(values: NDArray[np.generic], config: ImagingConfig) -> NDArray[np.int16]:
    """Round to int16 HU, refusing what cannot be a CT."""
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise NotHounsfieldError("the volume holds values that are not finite numbers", lowest=None, highest=None)
    check_range(float(values.min()), float(values.max()), config)
    return rounded(values)


def check_range(lowest: float, highest: float, config: ImagingConfig) -> None:
    """Refuse a volume whose values cannot be those of a CT."""
    if not (FARTHEST_HU[0] <= lowest <= config.min_hu and config.max_hu <= highest <= FARTHEST_HU[1]):
        raise NotHounsfieldError(
            f"values from {lowest:g} to {highest:g} are not Hounsfield units of a CT "
            f"(expected below {config.min_hu:g} and above {config.max_hu:g})",
            lowest=lowest,
            highest=highest,
        )


def rounded(values: NDArray[np.generic]) -> NDArray[np.int16]:
    """Nearest int16; beyond its range, its ends (padding and metal)."""
    if values.dtype == np.int16:
        return values.astype(np.int16, copy=False)
    return np.rint(np.clip(values, INT16.min, INT16.max)).astype(np.int16)
