"""Charts of a procedure's course: phases, position against the plan, delivery. Each is (title, PNG in base64)."""

from __future__ import annotations

import base64

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pkp_supervisor.course import Course
from pkp_supervisor.phases import LATCHED, Phase
from planning_core.case.report.charts import FAINT, GREY
from planning_core.case.report.colours import INK, PAPER
from planning_core.case.report.pictures import DPI, finished, plt

ENTRY, TARGET, VOLUME, PRESSURE, STOP = "#5ec8f0", "#f0c75e", "#7bd88f", "#b48cf2", "#e2574c"
LIMIT_MM = 1.0
HIGHEST_MM = 3.0
"""Distances beyond this say only that the guide is not there yet."""
Chart = tuple[str, str]


def phases_chart(course: Course) -> Chart:
    """When the procedure stood in which phase."""
    figure, axes = _page((12.0, 2.9))
    order = [p for p in Phase if any(stay.phase is p for stay in course.stays)]
    for stay in course.stays:
        colour = STOP if stay.phase in LATCHED else {"left": ENTRY, "right": TARGET}.get(stay.side, GREY)
        axes.barh(order.index(stay.phase), max(stay.until_s - stay.from_s, 0.05), left=stay.from_s, color=colour, height=0.72)
    for stop in course.stops:
        axes.axvline(stop.at_s, color=STOP, linewidth=0.8)
    axes.set_yticks(range(len(order)), [p.name.lower() for p in order])
    axes.invert_yaxis()
    axes.set_xlim(0, course.seconds)
    axes.set_xlabel("s", color=INK, fontsize=8)
    return _made("Phases over time (blue: left side, yellow: right side, red: stopped)", figure, axes)


def position_chart(course: Course, side: str) -> Chart:
    """Distance of the guide from the plan at entry and target, as the tracker saw it."""
    figure, axes = _page((7.4, 3.4))
    curve = course.position[side]
    near = np.flatnonzero(curve.values[:, :2].max(axis=1) < HIGHEST_MM)
    first, last = (near[0], near[-1]) if len(near) else (0, len(curve.seconds) - 1)
    seconds, values = curve.seconds[first : last + 1], curve.values[first : last + 1].copy()
    values[~_guided(course, side, seconds), :2] = np.nan  # once the pin is in the patient breathes below a guide that stands
    axes.fill_between(seconds, 0, HIGHEST_MM, where=values[:, 3] > 0, color=VOLUME, alpha=0.15, step="mid", label="verified")
    for column, name, colour in ((0, "entry", ENTRY), (1, "target", TARGET)):
        axes.plot(seconds, values[:, column], color=colour, linewidth=0.9, label=name)
    axes.axhline(LIMIT_MM, color=STOP, linewidth=0.9, linestyle="--")
    axes.set_ylim(0, HIGHEST_MM)
    axes.set_xlabel("s", color=INK, fontsize=8)
    _legend(axes)
    return _made(f"Guide against the plan, {side}, mm (dashed: the limit)", figure, axes)


def _guided(course: Course, side: str, seconds: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(n,) whether the guide was held on that side's path, or brought there, at these times."""
    inside = np.zeros(len(seconds), np.bool_)
    for stay in course.stays:
        if stay.phase in (Phase.APPROACH, Phase.VERIFY, Phase.INSERT) and stay.side == side:
            inside |= (seconds >= stay.from_s) & (seconds <= stay.until_s)
    return inside


def delivery_chart(course: Course, side: str) -> Chart:
    """Volume and pressure."""
    figure, axes = _page((7.4, 3.4))
    curve = course.delivery[side]
    moving = np.flatnonzero(curve.values[:, 0] > 0)
    first = max(0, moving[0] - 20) if len(moving) else 0
    last = min(len(curve.seconds), moving[-1] + 20) if len(moving) else len(curve.seconds)
    seconds, values = curve.seconds[first:last], curve.values[first:last]
    axes.plot(seconds, values[:, 0], color=VOLUME, linewidth=1.6, label="ml")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("s", color=INK, fontsize=8)
    right = axes.twinx()
    right.plot(seconds, values[:, 2], color=PRESSURE, linewidth=0.9, label="kPa")
    right.set_ylim(bottom=0)
    right.tick_params(colors=PRESSURE, labelsize=8)
    for spine in right.spines.values():
        spine.set_color(GREY)
    right.set_ylabel("kPa", color=PRESSURE, fontsize=8)
    axes.set_ylabel("ml", color=VOLUME, fontsize=8)
    return _made(f"Delivery, {side}", figure, axes)


def _page(size: tuple[float, float]) -> tuple[Figure, Axes]:
    figure = plt.figure(figsize=size, dpi=DPI, facecolor=PAPER)
    return figure, figure.add_axes((0.09, 0.16, 0.83, 0.72))


def _legend(axes: Axes) -> None:
    axes.legend(fontsize=7, facecolor=PAPER, edgecolor=GREY, labelcolor=INK, loc="upper right")


def _made(title: str, figure: Figure, axes: Axes) -> Chart:
    axes.set_facecolor(PAPER)
    axes.tick_params(colors=INK, labelsize=8)
    axes.grid(color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_color(GREY)
    axes.set_title(title, color=INK, fontsize=9, loc="left", pad=4)
    return title, base64.b64encode(finished(title, figure).png()).decode()
