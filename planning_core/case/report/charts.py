"""The spine at a glance and the chart of heights."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.segmentation import SpineSegmentation
from planning_core.anatomy.vertebra import Spine
from planning_core.case.report.colours import BODY, IDEAL, INK, PAPER
from planning_core.case.report.pictures import WINDOW_HU, outlined
from planning_core.imaging.volume import CtVolume

GREY, FAINT = "#44505c", "#2a343e"
LINES = (("anterior_mm", "#5ec8f0", "o"), ("middle_mm", "#f0c75e", "s"), ("posterior_mm", "#b48cf2", "^"))


def draw_spine(axes: Axes, ct: CtVolume | None, segmentation: SpineSegmentation, spine: Spine, planned: VertebraLevel) -> None:
    """All vertebrae in one sagittal picture that follows the spine sideways, with names; the planned one stands out."""
    centres = {v: spine.vertebrae[v].ct_lps_from_vertebra.translation_mm for v in spine.levels}
    order = sorted(centres.values(), key=lambda c: float(c[2]))
    z_known, x_known = [float(c[2]) for c in order], [float(c[0]) for c in order]
    middle = centres[planned]
    z = np.arange(min(z_known) - 40, max(z_known) + 40, 0.8)
    y = np.arange(middle[1] - 75, middle[1] + 95, 0.8)
    x = np.interp(z, z_known, x_known)
    points = np.stack(np.broadcast_arrays(x[::-1, None], y[None, :], z[::-1, None]), axis=-1)
    extent = (y[0], y[-1], z[0], z[-1])
    shown = np.zeros(points.shape[:2]) if ct is None else ct.at(points)
    low, high = (0.0, 1.0) if ct is None else WINDOW_HU
    axes.imshow(shown, cmap="gray", vmin=low, vmax=high, extent=extent, interpolation="bilinear")
    grid, labels = segmentation.grid, segmentation.labels
    index = np.round(grid.indices(points)).astype(int)
    known = ((index >= 0) & (index < grid.shape)).all(-1)
    k, j, i = np.moveaxis(np.clip(index, 0, np.array(grid.shape) - 1), -1, 0)
    found = np.where(known, labels[k, j, i], 0)
    for level, centre in centres.items():
        target = level is planned
        colour, size, width = (BODY, 10, 1.6) if target else (IDEAL, 8, 0.9)
        mask = found == level.verse_id
        if mask.any():
            axes.contour(y, z[::-1], mask.astype(float), levels=[0.5], colors=colour, linewidths=width)
        axes.text(
            centre[1],
            centre[2],
            level.value,
            color=colour,
            fontsize=size,
            fontweight="bold",
            ha="center",
            va="center",
            path_effects=outlined(2.8),
        )
    axes.set_aspect("equal")
    axes.set_axis_off()
    axes.set_title("Spine, sagittal along its course", color=INK, fontsize=9, loc="left", pad=4)


def draw_heights(axes: Axes, spine: Spine, planned: VertebraLevel) -> None:
    """Anterior, middle and posterior height of every level as measured, and as expected at the planned one."""
    levels = spine.levels
    expected = spine.assessments[planned].expected
    at, places = levels.index(planned), np.arange(len(levels))
    highest = 0.0
    for key, colour, marker in LINES:
        measured = [float(getattr(spine.vertebrae[v].heights, key)) for v in levels]
        wanted = float(getattr(expected, key))
        axes.plot(places, measured, marker=marker, color=colour, label=key[:-3], linewidth=1.2)
        axes.plot([at], [wanted], marker=marker, markersize=9, markerfacecolor="none", color=colour, linestyle="")
        highest = max(highest, wanted, *measured)
    axes.axvspan(at - 0.4, at + 0.4, color="#ffffff", alpha=0.08)
    axes.set_xticks(places, [v.value for v in levels])
    axes.set_xlim(-0.6, len(levels) - 0.4)
    axes.set_ylim(0, 1.12 * highest)  # room for the topmost marker
    axes.set_facecolor(PAPER)
    axes.tick_params(colors=INK, labelsize=8)
    for edge in axes.spines.values():
        edge.set_color(GREY)
    axes.grid(color=FAINT, linewidth=0.6)
    axes.legend(fontsize=7, facecolor=PAPER, edgecolor=GREY, labelcolor=INK, loc="lower right")
    axes.set_title("Body heights, mm (open marks: expected)", color=INK, fontsize=9, loc="left", pad=4)
