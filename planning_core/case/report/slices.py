"""One slice with its overlays: bone, bodies, canal, the defect's solid, and paths where they truly lie in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from planning_core.case.report.canal import canal_at
from planning_core.case.report.colours import BODY, CANAL, DEFECT, IDEAL, INK, PATHS
from planning_core.case.report.pictures import WINDOW_HU, Picture, drawn, outlined
from planning_core.case.report.planes import Plane
from planning_core.case.report.subject import Subject
from planning_core.geometry.arrays import FloatArray
from planning_core.trajectory.plan import Trajectory

SIZE_IN, MARGIN = (4.6, 4.6), (0.01, 0.075, 0.98, 0.865)
"""Of a slice: under it is room for two lines."""
STEP_MM = 0.25
OUTSIDE_MM = 18.0
"""How much of the needle is drawn outside the bone."""
CANAL_BERTH_MM = 1.0
COARSE = 2
"""The canal is looked up in every so manieth pixel; both edges of a plane are among them."""


def slice_picture(subject: Subject, plane: Plane, paths: Sequence[Trajectory]) -> Picture:
    """One slice as a picture."""
    return drawn(plane.title, lambda axes: draw_plane(axes, subject, plane, paths), SIZE_IN, MARGIN)


def draw_plane(axes: Axes, subject: Subject, plane: Plane, paths: Sequence[Trajectory]) -> None:
    """One slice: grey CT (or bone from the mask), outlines of bodies and canal, the defect's cut area, paths at true width."""
    vertebra, cement = subject.vertebra, subject.cement
    points = plane.points()
    extent = (-plane.half_mm[0], plane.half_mm[0], plane.half_mm[1], -plane.half_mm[1])
    if subject.ct is not None:
        grey = subject.ct.at(vertebra.ct_lps_from_vertebra.apply(points))
        axes.imshow(grey, cmap="gray", vmin=WINDOW_HU[0], vmax=WINDOW_HU[1], extent=extent, interpolation="bilinear")
    else:
        axes.imshow(vertebra.whole.at(points) < 0, cmap="gray", vmin=0, vmax=2.5, extent=extent)
    if subject.shows_defect:
        _fill(axes, plane.section(subject.defect, vertebra.ct_lps_from_vertebra.inverse()), DEFECT)
    body, ideal = vertebra.body.at(points), cement.ideal.at(points)
    canal = canal_at(subject.spine, vertebra, points[::COARSE, ::COARSE])  # round and smooth
    for field, colour, style in ((body, BODY, "solid"), (ideal, IDEAL, "dashed"), (canal, CANAL, "solid")):
        if np.nanmin(field) < 0 < np.nanmax(field):
            across = (np.linspace(extent[0], extent[1], field.shape[1]), np.linspace(extent[3], extent[2], field.shape[0]))
            axes.contour(*across, field, levels=[0], colors=colour, linewidths=1.3, linestyles=style)
    notes = [note for path in paths if (note := _draw_path(axes, subject, plane, path, points))]
    _frame(axes, plane, notes)


def _fill(axes: Axes, outlines: Sequence[FloatArray], colour: str) -> None:
    closed = [Path(np.vstack([line, line[:1]]), closed=True) for line in outlines]
    if closed:
        area = Path.make_compound_path(*closed)
        axes.add_patch(PathPatch(area, facecolor=colour, edgecolor="none", alpha=0.42))


def _draw_path(axes: Axes, subject: Subject, plane: Plane, path: Trajectory, points: FloatArray) -> str:
    """Draw the cannula's cut through this plane, and the rest as a faded projection; returns what the reader must be told.

    A projection that would run over the canal in this slice is left out: it would read as a breach that there is not.
    """
    way = subject.vertebra.ct_lps_from_vertebra.inverse().apply(path.waypoints_lps_mm)
    colour, radius = PATHS[path.side.value], path.diameter_mm / 2
    cut = cannula(points, way, radius)
    u, v, away = plane.project(_samples(way)).T
    within = np.abs(away) <= radius
    if cut.min() < 0:
        across = (np.linspace(-plane.half_mm[0], plane.half_mm[0], cut.shape[1]),) + (
            np.linspace(-plane.half_mm[1], plane.half_mm[1], cut.shape[0]),
        )
        axes.contourf(*across, cut, levels=[-radius - 1, 0], colors=[colour], alpha=0.28)
        axes.contour(*across, cut, levels=[0], colors=colour, linewidths=1.3)
    if within[0]:
        axes.plot(u[0], v[0], "o", markersize=4, markerfacecolor="none", color=colour)
        _draw_outside(axes, plane, way, radius, colour)
    if within[-1]:
        axes.plot(u[-1], v[-1], "x", markersize=5, color=colour)
    if within.all():
        return ""
    where = f"{path.side.value} path {plane.whereabouts(away[~within])}"
    under = plane.centre + u[:, None] * plane.right + v[:, None] * plane.down
    over_canal = canal_at(subject.spine, subject.vertebra, under) < CANAL_BERTH_MM
    if (over_canal & ~within).any():
        return f"{where}: not in this slice, not drawn"
    shown = np.where(within, np.nan, u)
    axes.plot(shown, v, color=colour, linewidth=0.9, linestyle=(0, (4, 4)), alpha=0.55)
    return f"dashed, projected: {where}"


def _draw_outside(axes: Axes, plane: Plane, way: FloatArray, radius: float, colour: str) -> None:
    back = (way[0] - way[1]) / np.linalg.norm(way[0] - way[1])
    line = plane.project(way[0] + np.arange(0, OUTSIDE_MM, STEP_MM)[:, None] * back)
    line = line[np.abs(line[:, 2]) <= radius]
    axes.plot(line[:, 0], line[:, 1], color=colour, linewidth=1, linestyle=":")


def cannula(points: FloatArray, way: FloatArray, radius: float) -> FloatArray:
    """Below zero inside the straight pieces of a cannula, flat at both ends and round at a bend.

    Args:
        points: (..., 3) mm. way: (n, 3) mm, its axis in the same frame. radius: mm.
    """
    pieces = []
    for start, end in zip(way[:-1], way[1:], strict=True):
        length = float(np.linalg.norm(end - start))
        along = (points - start) @ (end - start) / length
        radial = np.linalg.norm(points - start - along[..., None] * (end - start) / length, axis=-1)
        pieces.append(np.maximum(radial - radius, np.maximum(-along, along - length)))
    pieces += [np.linalg.norm(points - bend, axis=-1) - radius for bend in way[1:-1]]
    return np.asarray(np.min(pieces, axis=0))


def _samples(way: FloatArray) -> FloatArray:
    """(n, 3) mm along a polyline, its own points among them."""
    lines = []
    for start, end in zip(way[:-1], way[1:], strict=True):
        count = max(2, int(np.linalg.norm(end - start) / STEP_MM))
        lines.append(start + np.linspace(0, 1, count)[:, None] * (end - start))
    return np.concatenate(lines)


def _frame(axes: Axes, plane: Plane, notes: Sequence[str]) -> None:
    w, h = plane.half_mm
    axes.set_xlim(-w, w)
    axes.set_ylim(h, -h)
    axes.set_aspect("equal")
    axes.set_axis_off()
    left, right, top, bottom = plane.letters
    bold: dict[str, Any] = {"color": INK, "fontsize": 9, "fontweight": "bold", "ha": "center", "va": "center"}
    for letter, x, y in ((left, -w + 3, 0), (right, w - 3, 0), (top, 0, -h + 3), (bottom, 0, h - 3)):
        axes.text(x, y, letter, path_effects=outlined(), **bold)
    axes.plot([w - 14, w - 4], [h - 4, h - 4], color=INK, linewidth=2, path_effects=outlined(4))
    axes.text(w - 9, h - 7, "10 mm", color=INK, fontsize=7, ha="center", va="center", path_effects=outlined())
    for number, note in enumerate(notes):
        axes.text(0, -0.015 - 0.042 * number, note, transform=axes.transAxes, color=INK, fontsize=7.5, va="top")
    axes.set_title(plane.title, color=INK, fontsize=9, loc="left", pad=4)
