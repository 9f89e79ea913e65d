"""All known vertebrae drawn by one mesh, and the file that keeps them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import IO

import attrs
import numpy as np

from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.shape_model.surface import PointSurface
from planning_core.anatomy.shape_model.training.registration import draw_over
from planning_core.anatomy.shape_model.training.surfaces import NoShapesError, Subject
from planning_core.anatomy.shape_model.training.template import Template, make_template
from planning_core.geometry.arrays import BoolArray, FloatArray, IntArray

REFERENCE = "healthy_reference"
"""Its spine is nearly complete and sound: the mesh goes from level to level along it, and from there to other patients."""
FIRST = VertebraLevel.L2
UNIT_MM = 0.01
"""Shapes are kept in hundredths of a millimetre."""
PAIRS = ((0, 3), (1, 2), (4, 5))
MIDDLE = (6, 7, 8, 9)
"""Landmarks that are each other's mirror image, and those on the midline."""


@attrs.frozen(eq=False)
class Correspondence:
    """Vertebrae in dense correspondence.

    Args:
        template: the mesh and its mirror map. shapes: (s, n, 3) mm, each in its own vertebra's frame.
        patients, levels: (s,) whose each is. sound: (s,) whether it may be learned from.
        landmarks: (10,) vertices, in ``Landmark``'s order.
    """

    template: Template
    shapes: FloatArray
    patients: tuple[str, ...]
    levels: tuple[VertebraLevel, ...]
    sound: BoolArray
    landmarks: IntArray

    def save(self, path: Path) -> None:
        """Write as a compressed npz; the same shapes give the same bytes."""
        np.savez_compressed(
            path,
            vertices=np.round(self.template.vertices / UNIT_MM).astype(np.int16),
            triangles=self.template.triangles.astype(np.int16),
            mirror=self.template.mirror.astype(np.int16),
            shapes=np.round(self.shapes / UNIT_MM).astype(np.int16),
            patients=np.array(self.patients),
            levels=np.array([v.value for v in self.levels]),
            sound=self.sound,
            landmarks=self.landmarks.astype(np.int16),
        )

    @classmethod
    def load(cls, file: Path | IO[bytes]) -> Correspondence:
        """Read what ``save`` wrote."""
        with np.load(file) as z:
            template = Template(z["vertices"] * UNIT_MM, z["triangles"].astype(int), z["mirror"].astype(int))
            levels = tuple(VertebraLevel(str(v)) for v in z["levels"])
            patients = tuple(str(p) for p in z["patients"])
            return cls(template, z["shapes"] * UNIT_MM, patients, levels, z["sound"], z["landmarks"].astype(int))

    def starts(self) -> dict[VertebraLevel, FloatArray]:
        """A symmetric shape (n, 3) per level to draw over further vertebrae: the mean of the sound ones."""
        return {
            level: self.template.symmetric(
                np.mean([s for s, v, ok in zip(self.shapes, self.levels, self.sound, strict=True) if ok and v is level], axis=0)
            )
            for level in VertebraLevel
            if any(ok and v is level for v, ok in zip(self.levels, self.sound, strict=True))
        }

    def with_more(self, subjects: Iterable[Subject], tell: Callable[[str], None] = lambda _: None) -> Correspondence:
        """These and further vertebrae, drawn over from the mean of their own level."""
        starts = self.starts()
        added = list(subjects)
        drawn = [_draw(self.template, _nearest(starts, s.level), s, tell) for s in added]
        return attrs.evolve(
            self,
            shapes=np.concatenate([self.shapes, np.array(drawn)]),
            patients=self.patients + tuple(s.patient for s in added),
            levels=self.levels + tuple(s.level for s in added),
            sound=np.concatenate([self.sound, [s.sound for s in added]]),
        )


def shipped_shapes() -> Correspondence:
    """The vertebrae that the shipped models were learned from."""
    with files("planning_core.anatomy.shape_model").joinpath("weights/shapes.npz").open("rb") as file:
        return Correspondence.load(file)


def correspond(subjects: Sequence[Subject], tell: Callable[[str], None] = lambda _: None) -> Correspondence:
    """Draw one mesh over every vertebra.

    The mesh is made of the reference patient's L2 and drawn from level to level along its spine, so that no step is large;
    what comes out of each level, made symmetric, is drawn over that level in all other patients.

    Raises:
        NoShapesError: the reference patient's L2 is not there.
    """
    reference = {s.level: s for s in subjects if s.patient == REFERENCE and s.sound}
    if FIRST not in reference:
        raise NoShapesError(f"{REFERENCE} has no sound {FIRST.value}", folder=REFERENCE, levels=[v.value for v in reference])
    template = make_template(reference[FIRST].vertebra.whole)
    starts = {FIRST: template.vertices}
    order = sorted(reference, key=lambda v: v.ordinal)
    middle = order.index(FIRST)
    for way in (order[middle::-1], order[middle:]):
        for before, level in zip(way[:-1], way[1:], strict=True):
            starts[level] = template.symmetric(_draw(template, starts[before], reference[level], tell))
    shapes = np.array([_draw(template, _nearest(starts, s.level), s, tell) for s in subjects])
    return Correspondence(
        template,
        shapes,
        tuple(s.patient for s in subjects),
        tuple(s.level for s in subjects),
        np.array([s.sound for s in subjects]),
        place_landmarks(template, shapes, subjects),
    )


def place_landmarks(template: Template, shapes: FloatArray, subjects: Sequence[Subject]) -> IntArray:
    """(10,) the vertices nearest to the experts' marks, over all sound shapes that have marks; left as right."""
    marked = [(shape, s.landmarks) for shape, s in zip(shapes, subjects, strict=True) if s.landmarks is not None and s.sound]
    if not marked:
        raise NoShapesError("no vertebra comes with landmarks", folder="", levels=[])
    away = np.mean([np.linalg.norm(shape[None] - marks[:, None], axis=-1) for shape, marks in marked], axis=0)
    chosen = np.zeros(len(away), int)
    middle = np.flatnonzero(template.mirror == np.arange(len(template.mirror)))
    for mark in MIDDLE:
        chosen[mark] = middle[away[mark, middle].argmin()]
    for left, right in PAIRS:
        chosen[left] = (away[left] + away[right][template.mirror]).argmin()
        chosen[right] = template.mirror[chosen[left]]
    return chosen


def _draw(template: Template, start: FloatArray, subject: Subject, tell: Callable[[str], None]) -> FloatArray:
    field = subject.vertebra.whole
    drawn = draw_over(start, template.triangles, PointSurface.of_field(field))
    tell(f"{subject.patient} {subject.level.value}: {np.sqrt((field.at(drawn) ** 2).mean()):.2f} mm")
    return drawn


def _nearest(starts: dict[VertebraLevel, FloatArray], level: VertebraLevel) -> FloatArray:
    return starts[min(starts, key=lambda v: (abs(v.ordinal - level.ordinal), v.ordinal))]
