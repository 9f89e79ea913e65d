"""Every picture of the report, drawn once: the page and the sheet show the same."""

from __future__ import annotations

import attrs

from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.segmentation import SpineSegmentation
from planning_core.anatomy.vertebra import Spine
from planning_core.case.report.charts import draw_heights, draw_spine
from planning_core.case.report.colours import PAPER, SOFT
from planning_core.case.report.pictures import DPI, Picture, drawn, finished, plt
from planning_core.case.report.planes import path_planes, standard_planes
from planning_core.case.report.scene import Part, parts_of
from planning_core.case.report.slices import slice_picture
from planning_core.case.report.still import SIZE, VIEWS, still_views
from planning_core.case.report.subject import Subject, best_paths
from planning_core.geometry.arrays import Float32Array
from planning_core.imaging.volume import CtVolume


@attrs.frozen(eq=False)
class Slices:
    """Sagittal, axial, coronal; and along each drawn path, two planes of it."""

    standard: tuple[Picture, ...]
    along: tuple[Picture, ...]


@attrs.frozen(eq=False)
class Overview:
    """The spine at a glance and the chart of heights."""

    spine: Picture
    heights: Picture


@attrs.frozen(eq=False)
class Drawings:
    """The pictures, and the scene's parts for the turning view."""

    slices: Slices
    overview: Overview
    still: Picture
    parts: list[Part]


def draw_all(subject: Subject) -> Drawings:
    """Draw everything."""
    parts = parts_of(subject)
    views = still_views(parts, subject.vertebra.ct_lps_from_vertebra.translation_mm)
    overview = draw_overview(subject.ct, subject.segmentation, subject.spine, subject.cement.level)
    return Drawings(draw_slices(subject), overview, still_picture(views), parts)


def draw_overview(ct: CtVolume | None, segmentation: SpineSegmentation, spine: Spine, level: VertebraLevel) -> Overview:
    """What can be drawn before there is a plan."""
    return Overview(
        drawn("Spine", lambda axes: draw_spine(axes, ct, segmentation, spine, level), (3.66, 4.6)),
        drawn("Heights of all levels", lambda axes: draw_heights(axes, spine, level), (8.6, 3.4), (0.05, 0.1, 0.94, 0.8)),
    )


def draw_slices(subject: Subject) -> Slices:
    """The slices with their overlays."""
    shown = best_paths(subject.trajectories)
    return Slices(
        tuple(slice_picture(subject, plane, shown) for plane in standard_planes(subject)),
        tuple(slice_picture(subject, plane, [path]) for path in shown for plane in path_planes(subject, path)),
    )


def still_picture(views: Float32Array) -> Picture:
    """What ``still_views`` gave, with the views' names."""
    figure = plt.figure(figsize=(views.shape[1] / DPI, views.shape[0] / DPI), dpi=DPI, facecolor=PAPER)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(views, interpolation="nearest")
    axes.set_axis_off()
    for number, (title, _) in enumerate(VIEWS):
        axes.text(SIZE[0] * number + 12, 20, title, color=SOFT, fontsize=8, va="center")
    return finished("The plan in space", figure)
