"""How a drawing becomes a picture."""

from __future__ import annotations

import io
from collections.abc import Callable

import matplotlib

matplotlib.use("Agg")

import attrs
import matplotlib.pyplot
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import AbstractPathEffect, withStroke
from numpy.typing import NDArray
from PIL import Image

from planning_core.case.report.colours import PAPER

plt = matplotlib.pyplot
WINDOW_HU = (-160.0, 640.0)
DPI = 130


def outlined(width: float = 2.2) -> list[AbstractPathEffect]:
    """A dark rim round letters and lines, which white bone would swallow without it."""
    return [withStroke(linewidth=width, foreground=PAPER)]


@attrs.frozen(eq=False)
class Picture:
    """A finished drawing.

    Args:
        title: what it shows, for those who cannot see it. pixels: (height, width, 3) uint8.
    """

    title: str
    pixels: NDArray[np.uint8]

    def png(self) -> bytes:
        """As PNG, with nothing in it that changes from run to run."""
        buffer = io.BytesIO()
        Image.fromarray(self.pixels).save(buffer, format="png", compress_level=3)
        return buffer.getvalue()


def drawn(
    title: str, draw: Callable[[Axes], None], size: tuple[float, float], margin: tuple[float, float, float, float] | None = None
) -> Picture:
    """One drawing on a page of its own.

    Args:
        size: inches. margin: of the axes, as shares of the figure: left, bottom, width, height.
    """
    figure = plt.figure(figsize=size, dpi=DPI, facecolor=PAPER)
    draw(figure.add_axes((0.01, 0.01, 0.98, 0.92) if margin is None else margin))
    return finished(title, figure)


def finished(title: str, figure: Figure) -> Picture:
    """A figure as it stands; closes it."""
    figure.canvas.draw()
    pixels = np.array(figure.canvas.buffer_rgba())[..., :3]  # type: ignore[attr-defined]
    plt.close(figure)
    return Picture(title, np.ascontiguousarray(pixels))
