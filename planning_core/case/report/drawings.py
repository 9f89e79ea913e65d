"""Every picture of the report, drawn once: the page and the sheet show the same."""

from __future__ import annotations

import attrs

from planning_core.case.report.charts import draw_heights, draw_spine
from planning_core.case.report.pictures import Picture, Subject, best_paths, drawn
from planning_core.case.report.planes import path_planes, standard_planes
from planning_core.case.report.scene import Part, parts_of
from planning_core.case.report.slices import slice_picture
from planning_core.case.report.still import still_picture


@attrs.frozen(eq=False)
class Drawings:
    """The pictures.

    Args:
        slices: sagittal, axial, coronal. along: two planes of each drawn path. parts: the scene, for the turning view.
    """

    slices: tuple[Picture, ...]
    along: tuple[Picture, ...]
    spine: Picture
    heights: Picture
    still: Picture
    parts: list[Part]


def draw_all(subject: Subject) -> Drawings:
    """Draw everything."""
    shown = best_paths(subject.trajectories)
    parts = parts_of(subject)
    return Drawings(
        tuple(slice_picture(subject, plane, shown) for plane in standard_planes(subject)),
        tuple(slice_picture(subject, plane, [path]) for path in shown for plane in path_planes(subject, path)),
        drawn("Spine", lambda axes: draw_spine(axes, subject), (3.66, 4.6)),
        drawn("Heights of all levels", lambda axes: draw_heights(axes, subject), (8.6, 3.4), (0.05, 0.1, 0.94, 0.8)),
        still_picture(parts, subject.vertebra.ct_lps_from_vertebra.translation_mm),
        parts,
    )
