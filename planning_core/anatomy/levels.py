"""Names of vertebrae and their ids in the label maps of others."""

from __future__ import annotations

from enum import Enum

from planning_core.errors import InputError


class UnknownLevelError(InputError):
    """A name or id that is no vertebra from T1 to L6. Carries ``given``."""

    code = "unknown_level"


class VertebraLevel(Enum):
    """Thoracic and lumbar vertebrae from head to foot, with the rare T13 and L6 in their places."""

    T1, T2, T3, T4, T5, T6 = "T1", "T2", "T3", "T4", "T5", "T6"
    T7, T8, T9, T10, T11, T12, T13 = "T7", "T8", "T9", "T10", "T11", "T12", "T13"
    L1, L2, L3, L4, L5, L6 = "L1", "L2", "L3", "L4", "L5", "L6"

    @classmethod
    def parse(cls, text: str) -> VertebraLevel:
        """From a name such as ``l1`` or ``Th12``."""
        try:
            return cls(text.strip().upper().replace("TH", "T"))
        except ValueError:
            raise UnknownLevelError(f"{text!r} is no vertebra from T1 to L6", given=text) from None

    @property
    def verse_id(self) -> int:
        """Id in VerSe label maps (T1 = 8 … T12 = 19, L1 = 20 … L5 = 24, L6 = 25, T13 = 28)."""
        return _VERSE[self]

    @classmethod
    def from_verse_id(cls, number: int) -> VertebraLevel:
        """The level of a VerSe id."""
        return _lookup(_FROM_VERSE, number, "VerSe")

    @property
    def totalsegmentator_id(self) -> int | None:
        """Id in TotalSegmentator v2's ``total`` task, which knows neither T13 nor L6."""
        return _TOTALSEG.get(self)

    @classmethod
    def from_totalsegmentator_id(cls, number: int) -> VertebraLevel:
        """The level of a TotalSegmentator v2 id."""
        return _lookup(_FROM_TOTALSEG, number, "TotalSegmentator")

    @property
    def is_lumbar(self) -> bool:
        """Whether it is one of L1–L6."""
        return self.value.startswith("L")

    @property
    def ordinal(self) -> float:
        """Place along the usual spine: T1 = 1 … T12 = 12, L1 = 13 … L6 = 18; T13 lies between (12.5)."""
        number = int(self.value[1:])
        return 12.5 if self is VertebraLevel.T13 else float(number + (12 if self.is_lumbar else 0))


USUAL_LEVELS: tuple[VertebraLevel, ...] = tuple(v for v in VertebraLevel if v.value not in ("T13", "L6"))
"""T1–L5, the seventeen that most people have."""

_VERSE = {v: 7 + int(v.ordinal) for v in VertebraLevel if v is not VertebraLevel.T13} | {VertebraLevel.T13: 28}
_FROM_VERSE = {number: v for v, number in _VERSE.items()}
_TOTALSEG = {v: 44 - int(v.ordinal) for v in USUAL_LEVELS}
_FROM_TOTALSEG = {number: v for v, number in _TOTALSEG.items()}


def _lookup(table: dict[int, VertebraLevel], number: int, scheme: str) -> VertebraLevel:
    if number not in table:
        raise UnknownLevelError(f"{scheme} id {number} is no vertebra from T1 to L6", given=number)
    return table[number]
