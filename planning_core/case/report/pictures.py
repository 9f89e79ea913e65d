"""What is drawn, in which colours, and how a drawing becomes a picture."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable

import matplotlib

matplotlib.use("Agg")

import attrs
import matplotlib.pyplot
import numpy as np
import trimesh
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import AbstractPathEffect, withStroke
from numpy.typing import NDArray
from PIL import Image

from planning_core.anatomy.segmentation import SpineSegmentation
from planning_core.anatomy.vertebra import Spine, Vertebra
from planning_core.case.exports import surfaces_of
from planning_core.cement.plan import CementPlan
from planning_core.imaging.volume import CtVolume
from planning_core.trajectory.plan import Trajectory, TrajectoryPlan

plt = matplotlib.pyplot
INK, PAPER, SOFT = "#e8edf2", "#10161d", "#8a97a3"
BODY, IDEAL, DEFECT, CANAL, OTHER = "#f0c75e", "#5ec8f0", "#e2574c", "#b48cf2", "#d9d3c7"
PATHS = {"left": "#7bd88f", "right": "#7bd88f"}
WINDOW_HU = (-160.0, 640.0)
DPI = 130


@attrs.frozen(eq=False)
class Subject:
    """All that is drawn."""

    ct: CtVolume | None
    segmentation: SpineSegmentation
    spine: Spine
    cement: CementPlan
    trajectories: TrajectoryPlan

    @property
    def vertebra(self) -> Vertebra:
        """The planned one."""
        return self.spine.vertebrae[self.cement.level]

    @functools.cached_property
    def surfaces(self) -> dict[str, trimesh.Trimesh]:
        """By name, made once: the files and the scene hold the same ones."""
        return surfaces_of(self.spine, self.cement, self.trajectories)

    @property
    def shows_defect(self) -> bool:
        """Whether there is a defect to draw: two surfaces of a healthy body cross each other and would leave crumbs of one."""
        return not self.cement.defect.is_empty and self.cement.recommended.value_ml > 0


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


def best_paths(plan: TrajectoryPlan) -> list[Trajectory]:
    """The first path of each side: what is drawn in the standard slices."""
    chosen: dict[object, Trajectory] = {}
    for path in plan.paths:
        chosen.setdefault(path.side, path)
    return list(chosen.values())
