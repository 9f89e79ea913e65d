"""Where the patient's table stood in an X-ray picture, by its DICOM tags: between pictures that go together it must not move."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import numpy as np
from pydicom.dataset import Dataset

from planning_core.imaging.dicom import DAMAGED
from planning_core.xray.dicom import increment, stated
from planning_core.xray.refusals import UnreadableXrayError, XrayError

STATED = {
    "vertical": ("TableTopVerticalPosition", "TableHeight"),
    "longitudinal": ("TableTopLongitudinalPosition",),
    "lateral": ("TableTopLateralPosition",),
}
INCREMENTS = {
    "vertical": "TableVerticalIncrement",
    "longitudinal": "TableLongitudinalIncrement",
    "lateral": "TableLateralIncrement",
}
MOST_MM = 1.0
"""Tables state whole or tenths of millimetres; a vertebra seen so far off is a wall missed."""


class MovedTableError(XrayError):
    """The table, and the patient on it, was moved between two pictures.

    Carries ``pictures`` (letters), ``moved_mm``, ``along_mm`` (by direction) and ``limit_mm``.
    """

    code = "moved_table"


@attrs.frozen
class TablePosition:
    """What one picture says of its table.

    Args:
        run: the SOP instance it belongs to; empty where it has no name.
        stated_mm: by tag, against the equipment's own zero. moved_mm: by direction, since the first frame of the run.
    """

    run: str = ""
    stated_mm: Mapping[str, float] = attrs.field(factory=dict)
    moved_mm: Mapping[str, float] = attrs.field(factory=dict)


def table_position(header: Dataset, frame: int = 0) -> TablePosition:
    """Of one frame of an X-ray file.

    Raises:
        UnreadableXrayError: what is stated is no position.
    """
    try:
        values = {tag: stated(header, frame, tag) for tags in STATED.values() for tag in tags}
        found = {tag: float(value) for tag, value in values.items() if value is not None}
        moved = {way: increment(header, frame, tag) for way, tag in INCREMENTS.items()}
        run = str(header.get("SOPInstanceUID", ""))
    except DAMAGED as error:
        raise UnreadableXrayError("the position of the table cannot be read", reason=str(error)[:120]) from error
    if not np.isfinite([*found.values(), *moved.values()]).all():
        raise UnreadableXrayError("the position of the table is not finite", reason="table")
    return TablePosition(run, found, moved)


def moved_mm(one: TablePosition, other: TablePosition) -> dict[str, float]:
    """How far the table went from one picture to another, mm, along each direction in which both say where it stood.

    Increments count from the first frame of their run: without a stated position they say something within one run only.
    """
    found = {}
    for way, tags in STATED.items():
        step = other.moved_mm.get(way, 0.0) - one.moved_mm.get(way, 0.0)
        both = [tag for tag in tags if tag in one.stated_mm and tag in other.stated_mm]
        if both:
            found[way] = max((other.stated_mm[tag] - one.stated_mm[tag] + step for tag in both), key=abs)
        elif one.run and one.run == other.run:
            found[way] = step
    return found


def require_still(one: TablePosition, other: TablePosition, pictures: Sequence[str]) -> None:
    """Refuse two pictures between which the table moved; what they do not state is not known.

    Args:
        pictures: both letters.

    Raises:
        MovedTableError: by more than ``MOST_MM``.
    """
    along = moved_mm(one, other)
    far = float(np.linalg.norm(list(along.values()))) if along else 0.0
    if far > MOST_MM:
        named = ", ".join(f"{way} {mm:+.1f} mm" for way, mm in along.items())
        raise MovedTableError(
            f"between pictures {' and '.join(pictures)} the table moved by {far:.1f} mm ({named}), {MOST_MM:g} mm are allowed: "
            "take them anew without moving it",
            pictures=list(pictures),
            moved_mm=round(far, 3),
            along_mm={way: round(mm, 3) for way, mm in along.items()},
            limit_mm=MOST_MM,
        )
