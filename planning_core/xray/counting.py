"""Which vertebra it is, by counting from one that somebody knows: the sacrum's neighbour, or the one with the last rib.

Neighbours look alike, so a fit cannot tell them apart; the way along the spine to a vertebra whose name is known can. How far
vertebrae stand from each other is the atlas's habit at the size of this patient's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import numpy as np
from numpy.typing import ArrayLike

from planning_core.anatomy.levels import USUAL_LEVELS, VertebraLevel
from planning_core.geometry.arrays import FloatArray, frozen_float64
from planning_core.xray.atlas.spine import SpineHabit
from planning_core.xray.clicks import InvalidClicksError
from planning_core.xray.geometry import PinholeView
from planning_core.xray.reconstruction import XrayReconstruction, body_middle
from planning_core.xray.triangulation import triangulate

OTHERS = 2
"""Levels that the clicked vertebra may be instead, upwards and downwards."""
ASTRAY = 0.4
"""Of the way between two neighbours: further off than this from every level's place it is none of them."""
FARTHEST = 4
"""Levels: over more, what one patient's spine differs from another's adds up to half a level (docs/algorithms/xray_paths.md)."""


def _pixels(given: Mapping[int, ArrayLike]) -> dict[int, FloatArray]:
    return {number: frozen_float64(np.reshape(pixel, 2)) for number, pixel in given.items()}


@attrs.frozen(eq=False)
class KnownVertebra:
    """A vertebra whose name somebody knows.

    Args:
        level: its name. pixels: by the picture's number, (2,) (row, column) of the middle of its body, in two or more.

    Raises:
        InvalidClicksError: in fewer than two pictures, or a vertebra that not everybody has.
    """

    level: VertebraLevel
    pixels: Mapping[int, FloatArray] = attrs.field(converter=_pixels)

    def __attrs_post_init__(self) -> None:
        if len(self.pixels) < 2:
            raise InvalidClicksError(
                f"{self.level.value} is shown in {len(self.pixels)} picture: two are needed to count from it",
                given=sorted(self.pixels),
            )
        if self.level not in USUAL_LEVELS:
            raise InvalidClicksError(f"one cannot count from {self.level.value}: not everybody has it", given=self.level.value)

    def check(self, level: VertebraLevel, views: Sequence[PinholeView]) -> None:
        """Refuse what cannot be counted from.

        Raises:
            InvalidClicksError: it is the vertebra itself, too far away, or outside a picture.
        """
        away = self.level.ordinal - level.ordinal
        if not 0 < abs(away) <= FARTHEST or level not in USUAL_LEVELS:
            raise InvalidClicksError(
                f"{level.value} is not counted from {self.level.value}: another vertebra at most {FARTHEST} away is needed",
                given=self.level.value,
            )
        outside = [n for n, pixel in self.pixels.items() if not views[n].contains(pixel[None]).all()]
        if outside:
            raise InvalidClicksError(f"{self.level.value} is shown outside the pictures {outside}", given=outside)

    def said(self) -> str:
        """For a hash."""
        return f"{self.level.value} {[(n, p.tolist()) for n, p in sorted(self.pixels.items())]}"


@attrs.frozen
class Count:
    """A rebuilt vertebra's distance from a known one, mm, positive towards the feet, and what each level would have.

    Args:
        known: from which was counted. level: as which it was rebuilt. away_mm: as measured. expected_mm: by level.
    """

    known: VertebraLevel
    level: VertebraLevel
    away_mm: float
    expected_mm: Mapping[VertebraLevel, float]

    @property
    def nearest(self) -> VertebraLevel:
        """The level that it fits best."""
        return min(self.expected_mm, key=lambda level: abs(self.expected_mm[level] - self.away_mm))

    @property
    def doubt(self) -> str:
        """A sentence where it is not, or may not be, the level that it was rebuilt as; else empty."""
        best, wanted = self.nearest, self.expected_mm[self.level]
        if best is not self.level:
            return (
                f"{self.known.value} as clicked lies {self._said(self.away_mm)}: counted from there it is {best.value} "
                f"({abs(self.expected_mm[best]):.0f} mm), not {self.level.value} ({abs(wanted):.0f} mm)"
            )
        pitch = min(abs(other - wanted) for level, other in self.expected_mm.items() if level is not self.level)
        if abs(self.away_mm - wanted) > ASTRAY * pitch:
            return (
                f"{self.known.value} as clicked lies {self._said(self.away_mm)}, {self.level.value} has it {self._said(wanted)}: "
                "between two levels"
            )
        return ""

    @property
    def reason(self) -> str:
        """What the plan says of it."""
        return (
            f"that it is {self.level.value} was counted from {self.known.value}, {self._said(self.away_mm)} "
            f"({abs(self.expected_mm[self.level]):.0f} expected)"
        )

    @staticmethod
    def _said(away_mm: float) -> str:
        return f"{abs(away_mm):.0f} mm to the {'feet' if away_mm > 0 else 'head'}"


def count(found: XrayReconstruction, known: KnownVertebra, views: Sequence[PinholeView], habit: SpineHabit) -> Count:
    """Measure the way from a rebuilt vertebra to a known one.

    Args:
        views: of all pictures. habit: how vertebrae stand; at the size of this vertebra against its level's usual.

    Raises:
        InvalidClicksError: see ``KnownVertebra.check``.
    """
    known.check(found.level, views)
    shape = found.shape
    numbers = sorted(known.pixels)
    there = triangulate([views[n] for n in numbers], np.array([known.pixels[n] for n in numbers])).point_mm
    away = there - body_middle(shape.model, shape.vertices)
    feet = -shape.pose.rotation[:, 2]
    size = shape.scale / shape.model.expected(found.level)[1]
    first = USUAL_LEVELS.index(found.level)
    near = USUAL_LEVELS[max(first - OTHERS, 0) : first + OTHERS + 1]
    expected = {level: size * way_mm(habit, level, known.level) for level in near}
    return Count(known.level, found.level, float(np.linalg.norm(away)) * float(np.sign(away @ feet)), expected)


def way_mm(habit: SpineHabit, level: VertebraLevel, other: VertebraLevel) -> float:
    """The straight way from one usual vertebra to another, mm, positive where that is nearer the feet; 0 to itself."""
    here, there = USUAL_LEVELS.index(level), USUAL_LEVELS.index(other)
    step = 1 if there > here else -1
    turn, place = np.eye(3), np.zeros(3)
    for number in range(here, there, step):
        rotation, shift = habit.neighbour(USUAL_LEVELS[number], step)
        place = place + turn @ shift
        turn = turn @ rotation
    return step * float(np.linalg.norm(place))
