"""Needle paths drawn from what is marked in two X-ray pictures, without a model of the bone, measured on the CT's own mask.

    ./pkp bench xray_paths [--trials 6] [--click 1.5] [--cases verse012 thoracic_ct totalseg_ct] [--json FILE]

The baseline that paths on a rebuilt vertebra must beat (Inigo 2026 calls it 2D-GeoPlan). No picture is made: the true points are
projected into each view and clicked with a seeded error, Gaussian with so many mm a detector's axis. Given in both views are

    points   the middle of each pedicle's isthmus, of the body and of its front wall; the paths are drawn from these four alone
    marked   entry and target of both paths as planned on the CT itself: what is lost here is the clicks' error alone
    planned  nothing is clicked: the CT's own plan, the most that anyone can reach

Views are a frontal and a lateral one, or random ones 20 degrees or more apart. "Inside": both axes keep 2.5 mm of bone around them
over the pedicle (``raw_pedicle``; a cylinder of 5 mm as in the paper). Where not even the plan does, pedicles are too narrow for it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.cases import MASKS, shared
from benchmarks.raw_pedicle import DIAMETER_MM, STEP_MM, RawBone, clearance_mm
from benchmarks.xray_registration import view_pair
from planning_core.anatomy.label_file import LabelFileSegmenter
from planning_core.anatomy.modelling import model_spine
from planning_core.anatomy.pedicles import measure_pedicles
from planning_core.anatomy.vertebra import Side, Spine, Vertebra
from planning_core.geometry import RigidTransform
from planning_core.geometry.arrays import FloatArray
from planning_core.trajectory.plan import PathKind
from planning_core.trajectory.planner import NoSafePathError, plan_trajectories
from planning_core.xray.geometry import PinholeView
from planning_core.xray.triangulation import CLICK_MM, PicturePoint, drawn_paths, marked_path

CYLINDER_MM = 5.0
CASES = ("verse012", "thoracic_ct", "totalseg_ct")
Ends = Mapping[Side, tuple[FloatArray, FloatArray]]
"""Entry and target (3,) of a path on each side, ct_lps mm."""


def inside_pedicles(bone: RawBone, vertebra: Vertebra, paths: Ends, cylinder_mm: float = CYLINDER_MM) -> bool:
    """Whether there is a path on both sides and a cylinder about each lies in the mask over the pedicle.

    Args:
        vertebra: the CT's, for directions. paths: in ct_lps; from behind the pedicle to the body.
    """
    if set(paths) != set(Side):
        return False
    return all(axis_clearance_mm(bone, vertebra, side, *ends) >= cylinder_mm / 2 for side, ends in paths.items())


def axis_clearance_mm(bone: RawBone, vertebra: Vertebra, side: Side, entry: FloatArray, target: FloatArray) -> float:
    """Least bone about a path's axis over its pedicle, mm; ends (3,) in ct_lps."""
    way = (target - entry) / np.linalg.norm(target - entry)
    # how far back the entry was put says nothing on the axis: begin well behind the bone
    line = entry - 20 * way + np.arange(0, np.linalg.norm(target - entry) + 20, STEP_MM)[:, None] * way
    return float(clearance_mm(bone, vertebra, side, line) + DIAMETER_MM / 2)


def picture_points(vertebra: Vertebra) -> dict[PicturePoint, FloatArray]:
    """The true places (3,) in ct_lps of what is pointed at; without a pedicle that cannot be measured."""
    low, high = _box(vertebra)
    middle = (low + high) / 2
    strip = vertebra.body.grid.points(np.argwhere(vertebra.body.values < 0))
    near = (np.abs(strip[:, [0, 2]] - middle[[0, 2]]) < 3).all(axis=1)
    front = np.array([middle[0], strip[near, 1].min(), middle[2]])
    to_ct = vertebra.ct_lps_from_vertebra
    found = {PicturePoint.BODY: to_ct.apply(middle), PicturePoint.FRONT: to_ct.apply(front)}
    for side, pedicle in measure_pedicles(vertebra).items():
        point = PicturePoint.PEDICLE_LEFT if side is Side.LEFT else PicturePoint.PEDICLE_RIGHT
        found[point] = pedicle.centre_lps_mm
    return found


def clicked(
    views: Sequence[PinholeView], places: Mapping[PicturePoint, FloatArray], click_mm: float, rng: np.random.Generator
) -> list[dict[PicturePoint, FloatArray]]:
    """Where each view shows the places (in the views' frame), off by the click's error; (2,) (row, column) each."""
    return [{p: _click(view, place, click_mm, rng) for p, place in places.items()} for view in views]


def drawn_from_points(
    vertebra: Vertebra,
    views: Sequence[PinholeView],
    views_from_ct: RigidTransform,
    click_mm: float = CLICK_MM,
    seed: int | Sequence[int] = 0,
) -> Ends:
    """The ``points`` baseline for one pair of views; no path where the CT's pedicles cannot be measured.

    Args:
        views_from_ct: T_<views' frame>_ct_lps.
    """
    places = {p: views_from_ct.apply(place) for p, place in picture_points(vertebra).items()}
    if set(places) != set(PicturePoint):
        return {}
    drawn = drawn_paths(views, clicked(views, places, click_mm, np.random.default_rng(seed)), click_mm)
    back = views_from_ct.inverse()
    return {side: (back.apply(path.entry_mm), back.apply(path.target_mm)) for side, path in drawn.items()}


def drawn_from_marks(
    planned: Ends, views: Sequence[PinholeView], views_from_ct: RigidTransform, click_mm: float, seed: int | Sequence[int]
) -> Ends:
    """The ``marked`` baseline: the CT's own paths, entry and target clicked in each view."""
    rng, back, found = np.random.default_rng(seed), views_from_ct.inverse(), {}
    for side, ends in planned.items():
        pixels = [[_click(view, views_from_ct.apply(end), click_mm, rng) for view in views] for end in ends]
        path = marked_path(side, views, *pixels, click_mm)
        found[side] = (back.apply(path.entry_mm), back.apply(path.target_mm))
    return found


def planned_on_ct(spine: Spine, vertebra: Vertebra) -> Ends:
    """The transpedicular path of each side that the planner finds in the CT's mask."""
    try:
        plan = plan_trajectories(spine, vertebra.level)
    except NoSafePathError:
        return {}
    straight = [p for p in plan.paths if p.kind is PathKind.TRANSPEDICULAR]
    return {p.side: (p.entry_lps_mm, p.target_lps_mm) for p in straight}


def _click(view: PinholeView, place: FloatArray, click_mm: float, rng: np.random.Generator) -> FloatArray:
    return np.asarray(view.project(place) + rng.normal(0, click_mm, 2) / view.pixel_spacing_mm)


def _box(vertebra: Vertebra) -> tuple[FloatArray, FloatArray]:
    points = vertebra.body.grid.points(np.argwhere(vertebra.body.values < 0))
    return points.min(axis=0), points.max(axis=0)


def rows(case: str, trials: int, click_mm: float) -> Iterator[dict[str, object]]:
    """One row per vertebra and pair of views; even trials are a frontal and a lateral view."""
    segmentation = LabelFileSegmenter(shared(MASKS[case])).read()
    spine = model_spine(segmentation, None)
    for level in spine.levels:
        vertebra, bone = spine.vertebrae[level], RawBone.of(segmentation, level)
        planned = planned_on_ct(spine, vertebra)
        possible = inside_pedicles(bone, vertebra, planned)
        for trial in range(trials):
            rng = np.random.default_rng([level.verse_id, trial])
            views = view_pair(rng, orthogonal=trial % 2 == 0)
            here = RigidTransform.from_parts("carm", "ct_lps", np.eye(3), -vertebra.ct_lps_from_vertebra.translation_mm)
            seed = [level.verse_id, trial, 1]
            yield {
                "case": case,
                "level": level.value,
                "views": "orthogonal" if trial % 2 == 0 else "random",
                "points": inside_pedicles(bone, vertebra, drawn_from_points(vertebra, views, here, click_mm, seed)),
                "marked": inside_pedicles(bone, vertebra, drawn_from_marks(planned, views, here, click_mm, seed)),
                "planned": possible,
            }


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trials", type=int, default=6, help="pairs of views per vertebra")
    parser.add_argument("--click", type=float, default=CLICK_MM, help="standard deviation of a click, mm on the detector")
    parser.add_argument("--cases", nargs="+", default=CASES, choices=CASES)
    parser.add_argument("--json", type=Path, help="write the rows here")
    given = parser.parse_args(argv)
    found = [row for case in given.cases for row in rows(case, given.trials, given.click)]
    if given.json is not None:
        given.json.write_text("".join(json.dumps(row) + "\n" for row in found))
    table = Table(
        "views", "trials", "points", "marked", "planned on the CT", title=f"both paths inside, clicks {given.click:g} mm"
    )
    wide = [row for row in found if row["planned"]]
    for name, some in (("all", found), ("where the plan is", wide)):
        for views in ("orthogonal", "random"):
            these = [row for row in some if row["views"] == views]
            shares = [f"{np.mean([bool(row[key]) for row in these]):.0%}" for key in ("points", "marked", "planned")]
            table.add_row(f"{views}, {name}", str(len(these)), *shares)
    Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
