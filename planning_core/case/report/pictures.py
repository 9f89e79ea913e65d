"""Slices with overlays, the spine at a glance and the heights chart, as PNG bytes."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib

matplotlib.use("Agg")

import attrs
import matplotlib.pyplot
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from planning_core.anatomy.segmentation import SpineSegmentation
from planning_core.anatomy.vertebra import Spine, Vertebra
from planning_core.cement.plan import CementPlan
from planning_core.geometry.arrays import FloatArray
from planning_core.imaging.volume import CtVolume
from planning_core.trajectory.plan import Trajectory, TrajectoryPlan

plt = matplotlib.pyplot
INK, PAPER = "#e8edf2", "#10161d"
BODY, IDEAL, DEFECT, CANAL = "#f0c75e", "#5ec8f0", "#e2574c", "#b48cf2"
PATHS = {"left": "#7bd88f", "right": "#7bd88f"}
WINDOW_HU = (-160.0, 640.0)
PIXEL_MM = 0.4


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


@attrs.frozen(eq=False)
class Plane:
    """A plane through the vertebra's frame: centre, the directions of the picture's right and down, and its letters."""

    title: str
    centre: FloatArray
    right: FloatArray
    down: FloatArray
    letters: tuple[str, str, str, str]
    half_mm: tuple[float, float]

    def points(self) -> FloatArray:
        """(rows, columns, 3) mm in the vertebra's frame."""
        columns = np.arange(-self.half_mm[0], self.half_mm[0] + PIXEL_MM / 2, PIXEL_MM)
        rows = np.arange(-self.half_mm[1], self.half_mm[1] + PIXEL_MM / 2, PIXEL_MM)
        return np.asarray(self.centre + columns[None, :, None] * self.right + rows[:, None, None] * self.down)

    def project(self, points: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """In-picture right, down and distance from the plane of points (n, 3), mm."""
        offset = points - self.centre
        return offset @ self.right, offset @ self.down, offset @ np.cross(self.right, self.down)


X, Y, Z = np.eye(3)


def standard_planes(subject: Subject) -> list[Plane]:
    """Mid-sagittal, axial through the pedicles, coronal through the body; the patient's right is on the picture's left."""
    vertebra = subject.vertebra
    back = vertebra.ct_lps_from_vertebra.inverse()
    heights = [float(back.apply(p.centre_lps_mm)[2]) for p in vertebra.pedicles.values()] or [5.0]
    return [
        Plane("Sagittal", np.array([0.0, 8.0, 0.0]), Y, -Z, ("A", "P", "H", "F"), (46, 40)),
        Plane(
            "Axial, through the pedicles", np.array([0.0, 12.0, float(np.mean(heights))]), X, Y, ("R", "L", "A", "P"), (46, 40)
        ),
        Plane("Coronal, through the body", np.array([0.0, -2.0, 0.0]), X, -Z, ("R", "L", "H", "F"), (46, 40)),
    ]


def path_plane(subject: Subject, path: Trajectory) -> Plane:
    """The plane that holds a path and the left-right direction: the whole pedicle in one picture."""
    vertebra = subject.vertebra
    way = vertebra.ct_lps_from_vertebra.inverse().apply(path.waypoints_lps_mm)
    along = way[-1] - way[0]
    down = -(along - along[0] * X)
    down /= np.linalg.norm(down)
    title = f"Along the {path.side.value} {path.kind.value.replace('_', ' ')} path"
    return Plane(title, way[0] + 0.42 * along - way[0][0] * X - 0.42 * along[0] * X, X, down, ("R", "L", "A", "P"), (46, 44))


def draw_plane(axes: Axes, subject: Subject, plane: Plane, paths: Sequence[Trajectory]) -> None:
    """One slice: grey CT (or bone from the mask), contours of bodies, canal and defect, paths at their true width."""
    vertebra, cement = subject.vertebra, subject.cement
    points = plane.points()
    extent = (-plane.half_mm[0], plane.half_mm[0], plane.half_mm[1], -plane.half_mm[1])
    if subject.ct is not None:
        picture = subject.ct.at(vertebra.ct_lps_from_vertebra.apply(points))
        axes.imshow(picture, cmap="gray", vmin=WINDOW_HU[0], vmax=WINDOW_HU[1], extent=extent, interpolation="bilinear")
    else:
        axes.imshow(vertebra.whole.at(points) < 0, cmap="gray", vmin=0, vmax=2.5, extent=extent)
    body, ideal = vertebra.body.at(points), cement.ideal.at(points)
    missing = np.ma.masked_where(~((ideal < 0) & (body > 0)), np.ones(body.shape))
    if cement.recommended.value_ml > 0:
        axes.imshow(missing, cmap=ListedColormap([DEFECT]), alpha=0.38, extent=extent, interpolation="nearest")
    grid = (np.linspace(extent[0], extent[1], body.shape[1]), np.linspace(extent[3], extent[2], body.shape[0]))
    for field, colour, style in ((body, BODY, "solid"), (ideal, IDEAL, "dashed"), (vertebra.canal.at(points), CANAL, "solid")):
        if field.min() < 0 < field.max():
            axes.contour(*grid, field, levels=[0], colors=colour, linewidths=1.3, linestyles=style)
    for path in paths:
        _draw_path(axes, subject, plane, path)
    _frame(axes, plane)


def _draw_path(axes: Axes, subject: Subject, plane: Plane, path: Trajectory) -> None:
    way = subject.vertebra.ct_lps_from_vertebra.inverse().apply(path.waypoints_lps_mm)
    u, v, away = plane.project(way)
    colour = PATHS[path.side.value]
    inside = np.abs(away).max() < 4
    normal = np.array([-(v[1] - v[0]), u[1] - u[0]])
    normal = normal / max(float(np.linalg.norm(normal)), 1e-6) * path.diameter_mm / 2
    if inside:
        for sign in (1, -1):
            axes.plot(u + sign * normal[0], v + sign * normal[1], color=colour, linewidth=1.2)
        back = np.array([u[0] - u[1], v[0] - v[1]])
        back = back / max(float(np.linalg.norm(back)), 1e-6) * 18
        axes.plot([u[0], u[0] + back[0]], [v[0], v[0] + back[1]], color=colour, linewidth=1, linestyle=":")
    else:
        axes.plot(u, v, color=colour, linewidth=1.0, linestyle="--", alpha=0.8)
    axes.plot(u[0], v[0], "o", markersize=4, markerfacecolor="none", color=colour)
    axes.plot(u[-1], v[-1], "x", markersize=5, color=colour)


def _frame(axes: Axes, plane: Plane) -> None:
    w, h = plane.half_mm
    axes.set_xlim(-w, w)
    axes.set_ylim(h, -h)
    axes.set_aspect("equal")
    axes.set_axis_off()
    left, right, top, bottom = plane.letters
    bold: dict[str, Any] = {"color": INK, "fontsize": 9, "fontweight": "bold", "ha": "center", "va": "center"}
    for letter, x, y in ((left, -w + 3, 0), (right, w - 3, 0), (top, 0, -h + 3), (bottom, 0, h - 3)):
        axes.text(x, y, letter, **bold)
    axes.plot([w - 14, w - 4], [h - 5, h - 5], color=INK, linewidth=2)
    axes.text(w - 9, h - 8, "10 mm", color=INK, fontsize=7, ha="center", va="center")
    axes.set_title(plane.title, color=INK, fontsize=9, loc="left", pad=4)


def draw_spine(axes: Axes, subject: Subject) -> None:
    """All vertebrae in one sagittal picture that follows the spine sideways, with names; the planned one stands out."""
    vertebra = subject.vertebra
    centres = {v: subject.spine.vertebrae[v].ct_lps_from_vertebra.translation_mm for v in subject.spine.levels}
    order = sorted(centres.values(), key=lambda c: float(c[2]))
    z_known, x_known = [float(c[2]) for c in order], [float(c[0]) for c in order]
    middle = vertebra.ct_lps_from_vertebra.translation_mm
    z = np.arange(min(z_known) - 40, max(z_known) + 40, 0.8)
    y = np.arange(middle[1] - 75, middle[1] + 95, 0.8)
    x = np.interp(z, z_known, x_known)
    points = np.stack(np.broadcast_arrays(x[::-1, None], y[None, :], z[::-1, None]), axis=-1)
    extent = (y[0], y[-1], z[0], z[-1])
    if subject.ct is not None:
        axes.imshow(
            subject.ct.at(points), cmap="gray", vmin=WINDOW_HU[0], vmax=WINDOW_HU[1], extent=extent, interpolation="bilinear"
        )
    else:
        axes.imshow(np.zeros(points.shape[:2]), cmap="gray", vmin=0, vmax=1, extent=extent)
    index = np.round(subject.segmentation.grid.indices(points)).astype(int)
    shape = subject.segmentation.grid.shape
    inside = ((index >= 0) & (index < shape)).all(-1)
    found = np.where(
        inside,
        subject.segmentation.labels[tuple(np.clip(index, 0, np.array(shape) - 1).reshape(-1, 3).T)].reshape(inside.shape),
        0,
    )
    for level, centre in centres.items():
        target = level is subject.cement.level
        colour = BODY if target else IDEAL
        mask = found == level.verse_id
        if mask.any():
            axes.contour(y, z[::-1], mask.astype(float), levels=[0.5], colors=colour, linewidths=1.6 if target else 0.9)
        axes.text(
            centre[1],
            centre[2],
            level.value,
            color=colour,
            fontsize=9 if target else 7,
            ha="center",
            va="center",
            fontweight="bold",
        )
    axes.set_aspect("equal")
    axes.set_axis_off()
    axes.set_title("Spine, sagittal along its course", color=INK, fontsize=9, loc="left", pad=4)


def draw_heights(axes: Axes, subject: Subject) -> None:
    """Anterior, middle and posterior height of every level as measured, and as expected at the planned one."""
    levels = subject.spine.levels
    names = [v.value for v in levels]
    for key, colour, marker in (("anterior_mm", "#5ec8f0", "o"), ("middle_mm", "#f0c75e", "s"), ("posterior_mm", "#b48cf2", "^")):
        axes.plot(
            names,
            [getattr(subject.spine.vertebrae[v].heights, key) for v in levels],
            marker=marker,
            color=colour,
            label=key[:-3],
            linewidth=1.2,
        )
        expected = getattr(subject.spine.assessments[subject.cement.level].expected, key)
        axes.plot(
            [subject.cement.level.value],
            [expected],
            marker=marker,
            markersize=9,
            markerfacecolor="none",
            color=colour,
            linestyle="",
        )
    axes.axvspan(
        names.index(subject.cement.level.value) - 0.4, names.index(subject.cement.level.value) + 0.4, color="#ffffff", alpha=0.08
    )
    axes.set_ylim(bottom=0)
    axes.set_facecolor(PAPER)
    axes.tick_params(colors=INK, labelsize=8)
    for spine in axes.spines.values():
        spine.set_color("#44505c")
    axes.grid(color="#2a343e", linewidth=0.6)
    axes.legend(fontsize=7, facecolor=PAPER, edgecolor="#44505c", labelcolor=INK, loc="lower right")
    axes.set_title("Body heights, mm (open: expected)", color=INK, fontsize=9, loc="left", pad=4)


def picture(
    draw: Callable[[Axes], None], size: tuple[float, float], margin: tuple[float, float, float, float] | None = None
) -> bytes:
    """One drawing as PNG, without anything in it that changes from run to run."""
    figure = plt.figure(figsize=size, dpi=130, facecolor=PAPER)
    draw(figure.add_axes((0.01, 0.01, 0.98, 0.92) if margin is None else margin))
    return png(figure)


def slice_picture(subject: Subject, plane: Plane, paths: Sequence[Trajectory]) -> bytes:
    """One slice as PNG."""
    return picture(lambda axes: draw_plane(axes, subject, plane, paths), (4.6, 4.3))


def png(figure: Figure) -> bytes:
    """A figure as PNG bytes; closes it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", facecolor=figure.get_facecolor(), metadata={"Software": None})
    plt.close(figure)
    return buffer.getvalue()


def best_paths(plan: TrajectoryPlan) -> list[Trajectory]:
    """The first path of each side: what is drawn in the standard slices."""
    chosen: dict[Any, Trajectory] = {}
    for path in plan.paths:
        chosen.setdefault(path.side, path)
    return list(chosen.values())
