"""Which colour stands for what, in every picture, the page and the turning view."""

from __future__ import annotations

import numpy as np

from planning_core.geometry.arrays import FloatArray

INK, PAPER, SOFT = "#e8edf2", "#10161d", "#8a97a3"
BODY, IDEAL, DEFECT, CANAL, OTHER = "#f0c75e", "#5ec8f0", "#e2574c", "#b48cf2", "#d9d3c7"
PATHS = {"left": "#7bd88f", "right": "#7bd88f"}


def rgb(colour: str) -> FloatArray:
    """(3,) red, green and blue, 0..1, of ``#rrggbb``."""
    return np.array([int(colour[n : n + 2], 16) for n in (1, 3, 5)]) / 255
