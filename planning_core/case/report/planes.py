"""The planes that slices are cut along, and what solids and paths look like in them."""

from __future__ import annotations

import attrs
import manifold3d
import numpy as np

from planning_core.anatomy.pedicles import measure_pedicles
from planning_core.case.report.subject import Subject
from planning_core.geometry import RigidTransform
from planning_core.geometry.arrays import FloatArray
from planning_core.trajectory.plan import Trajectory

PIXEL_MM = 0.4
X, Y, Z = np.eye(3)
NAMES = ((X, "left", "right"), (Y, "behind", "in front"), (Z, "above", "below"))


@attrs.frozen(eq=False)
class Plane:
    """A plane in the vertebra's frame.

    Args:
        title: over the picture.
        centre: (3,) mm, the picture's middle. right, down: (3,) unit vectors along the picture's edges.
        letters: at its left, right, top and bottom edge. half_mm: half its width and height.
    """

    title: str
    centre: FloatArray
    right: FloatArray
    down: FloatArray
    letters: tuple[str, str, str, str]
    half_mm: tuple[float, float]

    @property
    def normal(self) -> FloatArray:
        """(3,) away from the one who looks."""
        return np.cross(self.right, self.down)

    def points(self) -> FloatArray:
        """(rows, columns, 3) mm in the vertebra's frame."""
        columns = np.arange(-self.half_mm[0], self.half_mm[0] + PIXEL_MM / 2, PIXEL_MM)
        rows = np.arange(-self.half_mm[1], self.half_mm[1] + PIXEL_MM / 2, PIXEL_MM)
        return np.asarray(self.centre + columns[None, :, None] * self.right + rows[:, None, None] * self.down)

    def project(self, points: FloatArray) -> FloatArray:
        """(n, 3) mm: in-picture right, down and distance behind the plane of points (n, 3) in the vertebra's frame."""
        return np.asarray((points - self.centre) @ np.stack([self.right, self.down, self.normal], axis=1))

    def section(self, solid: manifold3d.Manifold, vertebra_from_ct: RigidTransform) -> list[FloatArray]:
        """Where this plane cuts a closed solid in ct_lps: closed outlines, each (n, 2) mm in-picture; holes run the other way."""
        axes = np.stack([self.right, self.down, self.normal])
        shift = axes @ (vertebra_from_ct.translation_mm - self.centre)
        flat = solid.transform(np.column_stack([axes @ vertebra_from_ct.rotation, shift]))
        return [np.asarray(outline) for outline in flat.slice(0.0).to_polygons()]

    def whereabouts(self, away_mm: FloatArray) -> str:
        """Words for how far, and to which side of the plane, something lies whose distances behind it are given (n,) mm."""
        axis, positive, negative = max(NAMES, key=lambda name: abs(float(name[0] @ self.normal)))
        towards = np.asarray(away_mm) * np.sign(float(axis @ self.normal))
        near, far = sorted(np.abs([towards.min(), towards.max()]))
        if towards.min() < 0 < towards.max():
            return f"up to {far:.0f} mm off"
        return f"{near:.0f}–{far:.0f} mm {positive if towards.mean() > 0 else negative}"


def standard_planes(subject: Subject) -> list[Plane]:
    """Mid-sagittal, axial through the pedicles, coronal through the body; the patient's right is on the picture's left."""
    vertebra = subject.vertebra
    back = vertebra.ct_lps_from_vertebra.inverse()
    heights = [float(back.apply(p.centre_lps_mm)[2]) for p in measure_pedicles(vertebra).values()] or [5.0]
    axial = np.array([0.0, 12.0, float(np.mean(heights))])
    return [
        Plane("Sagittal, midline", np.array([0.0, 8.0, 0.0]), Y, -Z, ("A", "P", "H", "F"), (46, 40)),
        Plane("Axial, through the pedicles", axial, X, Y, ("R", "L", "A", "P"), (46, 40)),
        Plane("Coronal, through the body", np.array([0.0, -2.0, 0.0]), X, -Z, ("R", "L", "H", "F"), (46, 40)),
    ]


def path_planes(subject: Subject, path: Trajectory) -> list[Plane]:
    """Two planes that hold the straight part of a path through the pedicle: one with left-right, one with head-foot."""
    vertebra = subject.vertebra
    way = vertebra.ct_lps_from_vertebra.inverse().apply(path.waypoints_lps_mm)
    along = way[1] - way[0]
    kind = path.kind.value.replace("_", " ")
    down = -(along - along[0] * X)
    down /= np.linalg.norm(down)
    across = way[0] + 0.42 * along
    side = -(along - along[2] * Z)
    side /= np.linalg.norm(side)
    return [
        Plane(f"Along the {path.side.value} {kind} path", across * [0, 1, 1], X, down, ("R", "L", "A", "P"), (46, 44)),
        Plane(f"The {path.side.value} path from the side", way[0] + 0.42 * along, side, -Z, ("A", "P", "H", "F"), (46, 44)),
    ]
