"""The two windows the built-in networks look through. Training and run time read the same numbers from here."""

from __future__ import annotations

import attrs
import numpy as np

from planning_core.geometry import Grid
from planning_core.geometry.arrays import Float32Array


@attrs.frozen
class Window:
    """A patch's size and what its network tells apart.

    Args:
        shape: (superior, posterior, left) voxels. spacing_mm: isotropic.
        offset_mm: patch centre from the reference point, (left, posterior, superior) mm.
        classes: meaning of the output channels. widths: of the network.
    """

    name: str
    shape: tuple[int, int, int]
    spacing_mm: float
    offset_mm: tuple[float, float, float]
    classes: tuple[str, ...]
    widths: tuple[int, ...]


SPINE_MAP = Window(
    "spine_map", (48, 44, 40), 3.0, (0.0, -8.0, 0.0), ("background", "body", "posterior", "disc", "sacrum"), (8, 16, 32)
)
"""Around the canal, upright in LPS: tells bodies, arches and discs apart without telling vertebrae apart."""

VERTEBRA = Window("vertebra", (48, 48, 48), 2.0, (0.0, 23.0, -6.0), ("background", "this", "other"), (8, 24, 48, 64))
"""Around one body, in the vertebra's own pose: this vertebra against its neighbours."""


REFINEMENT = Window("refinement", (96, 96, 96), 1.0, VERTEBRA.offset_mm, VERTEBRA.classes, (8, 16))
"""The same box at 1 mm: sharpens the second network's answer with what only fine voxels show."""


def normalised(hu: Float32Array) -> Float32Array:
    """HU to what the networks see: linear from soft tissue to cortex, clipped to ±."""
    return np.clip((hu - 150.0) / 300.0, -2.0, 4.0, dtype=np.float32)


def coordinates(window: Window) -> Float32Array:
    """(3, k, j, i) float32 in −1..1: where in the window each voxel lies."""
    axes = [np.linspace(-1, 1, n, dtype=np.float32) for n in window.shape]
    return np.stack(np.meshgrid(*axes, indexing="ij"))


def offsets(window: Window) -> Float32Array:
    """(k, j, i, 3) float32 mm: each voxel's place from the reference point, left, posterior, superior."""
    centred = Grid(window.shape, [window.spacing_mm] * 3, np.zeros(3))
    half = (np.array(window.shape[::-1]) - 1) / 2 * window.spacing_mm
    return (centred.all_points() - half + np.array(window.offset_mm)).astype(np.float32)
