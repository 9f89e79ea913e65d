"""The confirmation shot: a plan's vertebra laid over X-ray pictures of the patient on the table, and where its paths lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.pedicles import measure_pedicles
from planning_core.anatomy.segmentation import SpineSegmentation
from planning_core.anatomy.surface import closed_surface
from planning_core.anatomy.vertebra import Side, Vertebra
from planning_core.case.plan import Plan
from planning_core.case.planned import CaseWithoutVertebraError
from planning_core.case.surfaces import solid_of
from planning_core.geometry import RigidTransform
from planning_core.geometry.arrays import BoolArray, FloatArray
from planning_core.geometry.lattice import TOLERANCE, laid_onto, misfit
from planning_core.imaging.volume import CtVolume
from planning_core.registration.level_check import level_doubts, likeness_beside
from planning_core.registration.points import rigid_fit
from planning_core.registration.target_error import TargetError
from planning_core.registration.xray_config import XrayRegistrationConfig
from planning_core.registration.xray_to_ct import XrayRegistration, bone_volume, register_to_xrays
from planning_core.xray.clicks import Clicks
from planning_core.xray.geometry import PinholeView
from planning_core.xray.image import XrayImage, doubts
from planning_core.xray.overlay import ViewOverlay, outline
from planning_core.xray.paths import check, clicked_points
from planning_core.xray.planning import SIDES

DIGITS = 3
OUTLINE_MM = 0.3
"""By so much what is drawn may leave the vertebra's surface: it is for the eye."""
WORD = "which vertebra was clicked is the operator's word: its neighbours look alike"


@attrs.frozen(eq=False)
class Confirmation:
    """Where a plan lies in pictures of the patient as he is now.

    Args:
        found: T_<views' frame>_ct_lps with its error and likeness. lines: the vertebra's outline and paths, one per picture.
        errors: to expect at entry and at target of the path that is meant for each side.
        beside: see ``likeness_beside``.
        doubts: why it must not be believed; empty where nothing speaks against it.
    """

    plan: Plan
    images: tuple[XrayImage, ...]
    found: XrayRegistration
    errors: Mapping[str, tuple[TargetError, TargetError]]
    beside: Mapping[VertebraLevel, float]
    lines: tuple[ViewOverlay, ...]
    doubts: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """JSON-able; pixels are (row, column), in the order of the pictures."""
        placed = self.found.scene_from_ct.transform
        return {
            "level": self.plan.level,
            "plan_hash": self.plan.plan_hash,
            "trusted": not self.doubts,
            "doubts": list(self.doubts),
            "notes": [f"{WORD}; it was held against {' and '.join(v.value for v in self.beside) or 'none of them'}"],
            "frame": placed.dst,
            f"T_{placed.dst}_{placed.src}": np.round(placed.matrix, 9).tolist(),
            "likeness": list(self.found.likeness),
            "significance": list(self.found.significance),
            "lead": round(self.found.lead, 6),
            "likeness_beside": {level.value: round(value, 6) for level, value in self.beside.items()},
            "pictures": [{"sha256": i.sha256, "source": i.source, "warnings": list(i.warnings)} for i in self.images],
            "paths": [
                {
                    "side": side,
                    "kind": path.kind,
                    "entry": _rounded(self.errors[side][0]),
                    "target": _rounded(self.errors[side][1]),
                    "pixels": [np.round(lines.paths[Side(side)], DIGITS).tolist() for lines in self.lines],
                }
                for side, path in self.plan.by_side.items()
            ],
        }


def confirm(
    plan: Plan,
    ct: CtVolume,
    vertebra: Vertebra,
    segmentation: SpineSegmentation,
    images: Sequence[XrayImage],
    clicks: Clicks,
    against: Sequence[str] = (),
    config: XrayRegistrationConfig | None = None,
) -> Confirmation:
    """Lay the plan's vertebra over the pictures, from where it was clicked.

    Args:
        ct: that the plan was made on. vertebra, segmentation: see ``planned_bone``. images: fit to be used together.
        clicks: the middle of the body, or three points; they say which vertebra it is, and are held against the result.
        against: doubts that are there already.

    Raises:
        InvalidClicksError: they do not fit the pictures, or left and right are exchanged.
        CaseWithoutVertebraError: the masks do not lie on the CT. XrayRegistrationError: a picture does not show the bone.
        FrameMismatchError: the views are of different frames.
    """
    config, views = config or XrayRegistrationConfig(), [image.view for image in images]
    clicks.check(views)
    places, points = clicked_places(vertebra), clicks.met(views)
    bone = bone_volume(ct, planned_mask(segmentation, vertebra.level, ct), config)
    found = register_to_xrays(bone, images, start_from(places, points, views[0].frame), config)
    errors = {s: (found.error_at(p.entry_mm), found.error_at(p.target_mm)) for s, p in plan.by_side.items()}
    against = [*against, *found.doubts, *(doubt for image in images for doubt in doubts(image))]
    if not all(image.sided for image in images) and len(points) == 1:
        against.append(SIDES)
    for (point, clicked), place in zip(clicked_points(views, clicks).items(), places, strict=False):
        there = found.error_at(place).covariance
        against.append(check(point, clicked, found.scene_from_ct.transform.apply(place), there, "planned vertebra").doubt)
    beside = likeness_beside(segmentation, vertebra.level, bone, images, found, config)
    against += level_doubts(found, beside, config.lead)
    limit = config.max_bound95_mm
    for side, (_, target) in errors.items():
        if not target.bound95_mm <= limit:
            against.append(f"error up to {target.bound95_mm:.1f} mm (95 %) at the {side} target, limit {limit:.1f} mm")
    lines = drawn(plan, vertebra, found.scene_from_ct.transform, views)
    return Confirmation(plan, tuple(images), found, errors, beside, lines, tuple(doubt for doubt in against if doubt))


def clicked_places(vertebra: Vertebra) -> FloatArray:
    """(3, 3) ct_lps mm: what three clicks point at, body, left and right pedicle; (1, 3) where a pedicle cannot be measured."""
    inside = vertebra.body.grid.points(np.argwhere(vertebra.body.values < 0))
    middle = vertebra.ct_lps_from_vertebra.apply((inside.min(axis=0) + inside.max(axis=0)) / 2)
    pedicles = measure_pedicles(vertebra)
    return np.array([middle, *(pedicles[side].centre_lps_mm for side in Side)] if set(pedicles) == set(Side) else [middle])


def planned_mask(segmentation: SpineSegmentation, level: VertebraLevel, ct: CtVolume) -> BoolArray:
    """(nk, nj, ni) bool on the CT's grid.

    Raises:
        CaseWithoutVertebraError: the masks lie on other voxels.
    """
    if not misfit(segmentation.grid, ct.grid) <= TOLERANCE:
        raise CaseWithoutVertebraError("the case's masks do not lie on its CT's voxels: plan it anew", level=level.value)
    return np.asarray(laid_onto(segmentation.labels, segmentation.grid, ct.grid) == level.verse_id)


def start_from(places: FloatArray, points: FloatArray, frame: str) -> RigidTransform:
    """T_<frame>_ct_lps by clicked points (m, 3); by the body alone the patient lies in the pictures as in the CT."""
    if min(len(places), len(points)) == 1:
        return RigidTransform.from_parts(frame, "ct_lps", np.eye(3), points[0] - places[0])
    return RigidTransform.from_parts(frame, "ct_lps", *rigid_fit(points, places))


def drawn(plan: Plan, vertebra: Vertebra, placed: RigidTransform, views: Sequence[PinholeView]) -> tuple[ViewOverlay, ...]:
    """The vertebra's outline and the path that is meant for each side, in each picture."""
    surface = solid_of(closed_surface(vertebra.whole, vertebra.ct_lps_from_vertebra)).simplify(OUTLINE_MM).to_mesh64()
    points, triangles = placed.apply(np.asarray(surface.vert_properties)[:, :3]), np.asarray(surface.tri_verts)
    ways = {Side(side): placed.apply(path.waypoints_mm) for side, path in plan.by_side.items()}
    return tuple(
        ViewOverlay(outline(view.project(points), triangles), (), {}, {side: view.project(way) for side, way in ways.items()})
        for view in views
    )


def _rounded(error: TargetError) -> dict[str, float]:
    return {"rms_mm": round(error.rms_mm, DIGITS), "bound95_mm": round(error.bound95_mm, DIGITS)}
