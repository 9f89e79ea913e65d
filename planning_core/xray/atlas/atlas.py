"""Mean attenuation of vertebrae, point by point of the shape models' common mesh.

Points fill the template and a thin shell about it. Each holds what the CTs of several patients show at that place of a vertebra;
all vertebrae are drawn by one mesh, so that a patient of whom only lumbar ones are known still says what a thoracic one's cortex
looks like.
"""

from __future__ import annotations

import functools
from importlib.resources import files
from pathlib import Path
from typing import IO

import attrs
import numpy as np

from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.shape_model.model import ShapeModel
from planning_core.geometry.arrays import Float32Array, FloatArray, IntArray, LabelArray, frozen_float32, frozen_float64
from planning_core.xray.atlas.interpolation import SpaceMap
from planning_core.xray.atlas.spine import SpineHabit

SCHEMA = 1
UNIT_MM = 0.01
LOWEST_HU, STEP_HU = -200.0, 8.0
"""Samples are kept as bytes: Hounsfield units from here in such steps."""
NEARBY_LEVELS = 3.0
"""A vertebra so many levels away counts for exp(-1/2) of one of the same level."""
FLESH_HU = 50.0
"""What is around bone: only what differs from it shows."""


@attrs.frozen(eq=False)
class CarriedBone:
    """An atlas laid into one shape model: points that move linearly with its parameters.

    Args:
        model: whose. mean: (m, 3) float32 mm in the vertebra's frame.
        slopes: (k + 3, m, 3) float32 per standard deviation of each mode and per unit of collapse.
        mass: (m,) float32, attenuation above flesh (HU) times volume (mm³) of the mean shape.
    """

    model: ShapeModel
    mean: Float32Array = attrs.field(converter=frozen_float32)
    slopes: Float32Array = attrs.field(converter=frozen_float32)
    mass: Float32Array = attrs.field(converter=frozen_float32)

    def points(self, weights: FloatArray, scale: float, fracture: FloatArray) -> Float32Array:
        """(m, 3) mm in the vertebra's frame."""
        numbers = np.concatenate([weights, fracture]).astype(np.float32)
        return np.asarray(np.float32(scale) * (self.mean + np.tensordot(numbers, self.slopes, axes=1)))


def _bytes(values: LabelArray) -> LabelArray:
    array = np.asarray(values, np.uint8)
    array.flags.writeable = False
    return array


@attrs.frozen(eq=False)
class BoneAtlas:
    """What vertebrae's CTs show, in the template's space.

    Args:
        template: (n, 3) mm, the shape models' mesh before it is drawn over anything.
        points: (m, 3) mm, filling it on a lattice of ``spacing_mm``. mirror: (m,) each point's partner on the other side.
        samples: (s, m) uint8, see ``LOWEST_HU``. patients, levels: (s,) whose each is.
        spine: how vertebrae stand.
    """

    template: FloatArray = attrs.field(converter=frozen_float64)
    points: FloatArray = attrs.field(converter=frozen_float64)
    mirror: IntArray
    spacing_mm: float
    samples: LabelArray = attrs.field(converter=_bytes)
    patients: tuple[str, ...]
    levels: tuple[VertebraLevel, ...]
    spine: SpineHabit

    def without(self, patient: str) -> BoneAtlas:
        """The atlas of the others."""
        kept = np.array([p != patient for p in self.patients])
        return attrs.evolve(
            self,
            samples=self.samples[kept],
            patients=tuple(p for p in self.patients if p != patient),
            levels=tuple(v for v, k in zip(self.levels, kept, strict=True) if k),
            spine=self.spine.without(patient),
        )

    def hu(self, level: VertebraLevel) -> Float32Array:
        """(m,) mean Hounsfield units of a level's vertebra, left as right; each patient counts once, by the levels it has."""
        weights = np.exp(-0.5 * np.array([(v.ordinal - level.ordinal) / NEARBY_LEVELS for v in self.levels]) ** 2) + 1e-6
        own = {p: sum(w for w, q in zip(weights, self.patients, strict=True) if q == p) for p in set(self.patients)}
        # a patient with many nearby levels counts no more than one with a single
        share = np.array([w / own[p] * min(1.0, own[p]) for w, p in zip(weights, self.patients, strict=True)])
        mean = (share / share.sum()) @ (self.samples.astype(np.float64) * STEP_HU + LOWEST_HU)
        return np.asarray((mean + mean[self.mirror]) / 2, np.float32)

    @functools.cached_property
    def space(self) -> SpaceMap:
        """How points move with vertices."""
        return SpaceMap.of(self.template)

    def carried(self, model: ShapeModel, level: VertebraLevel) -> CarriedBone:
        """The atlas in a model's shapes, about a second."""
        n = model.mean.shape[0]
        fields = np.concatenate([model.mean[None] - self.template, model.jacobian()])
        moved = self.space.carried(fields.transpose(1, 0, 2).reshape(n, -1), self.points)
        moved = moved.reshape(len(self.points), -1, 3).transpose(1, 0, 2)
        mean = self.points + moved[0]
        mass = np.maximum(self.hu(level) - FLESH_HU, 0.0) * self._volumes(mean)
        # every other point, as a chess board is black: half the work, and still closer than the finest blur
        some = (self._lattice.sum(axis=1) % 2 == 0) & (mass > 0)
        return CarriedBone(model, mean[some], moved[1:, some], mass[some])

    @property
    def _lattice(self) -> IntArray:
        """(m, 3) whole numbers: places on the lattice."""
        return np.rint((self.points - self.points.min(axis=0)) / self.spacing_mm).astype(int)

    def _volumes(self, moved: FloatArray) -> FloatArray:
        """(m,) mm³ that each point stands for once the points have moved: by its neighbours on the lattice."""
        index = self._lattice
        box = np.full(index.max(axis=0) + 3, -1)
        box[tuple((index + 1).T)] = np.arange(len(index))
        steps = []
        for axis in range(3):
            there, back = (box[tuple((index + 1 + sign * np.eye(3, dtype=int)[axis]).T)] for sign in (1, -1))
            here = np.arange(len(index))
            there, back = np.where(there < 0, here, there), np.where(back < 0, here, back)
            span = np.maximum((there != here).astype(int) + (back != here), 1)[:, None]
            gap = (moved[there] - moved[back]) / span
            steps.append(np.where((there == back)[:, None], self.spacing_mm * np.eye(3)[axis], gap))
        return np.asarray(np.abs(np.linalg.det(np.stack(steps, axis=1))))

    def save(self, path: Path) -> None:
        """Write as a compressed npz; the same atlas gives the same bytes."""
        np.savez_compressed(
            path,
            schema=SCHEMA,
            template=np.round(self.template / UNIT_MM).astype(np.int16),
            points=np.round(self.points / UNIT_MM).astype(np.int16),
            mirror=self.mirror.astype(np.int32),
            spacing_mm=self.spacing_mm,
            samples=self.samples,
            patients=np.array(self.patients),
            levels=np.array([v.value for v in self.levels]),
            spine_patients=np.array(self.spine.patients),
            spine_levels=np.array([v.value for v in self.spine.levels]),
            spine_poses=self.spine.poses.astype(np.float32),
        )

    @classmethod
    def load(cls, file: Path | IO[bytes]) -> BoneAtlas:
        """Read what ``save`` wrote.

        Raises:
            ValueError: another schema.
        """
        with np.load(file) as z:
            if int(z["schema"]) != SCHEMA:
                raise ValueError(f"bone atlas of another schema than {SCHEMA}")
            names = {key: tuple(map(str, z[key])) for key in ("patients", "levels", "spine_patients", "spine_levels")}
            spine = SpineHabit(
                names["spine_patients"], tuple(map(VertebraLevel, names["spine_levels"])), z["spine_poses"].astype(float)
            )
            return cls(
                z["template"] * UNIT_MM,
                z["points"] * UNIT_MM,
                z["mirror"].astype(int),
                float(z["spacing_mm"]),
                z["samples"],
                names["patients"],
                tuple(map(VertebraLevel, names["levels"])),
                spine,
            )


@functools.cache
def load_bone_atlas() -> BoneAtlas:
    """The shipped atlas."""
    with files(__package__).joinpath("weights/bone.npz").open("rb") as file:
        return BoneAtlas.load(file)
