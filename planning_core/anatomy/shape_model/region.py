"""The four regions that a shape model each is made for."""

from __future__ import annotations

from enum import Enum

from planning_core.anatomy.levels import USUAL_LEVELS, VertebraLevel


class Region(Enum):
    """A run of vertebrae alike enough for one mean shape (Spine-DART's division)."""

    UPPER_THORACIC = "T1-T4"
    MIDDLE_THORACIC = "T5-T8"
    LOWER_THORACIC = "T9-T12"
    LUMBAR = "L1-L5"

    @classmethod
    def of(cls, level: VertebraLevel) -> Region:
        """The region of a level; T13 counts to the lower thoracic ones and L6 to the lumbar ones."""
        for region, last in ((cls.UPPER_THORACIC, 4), (cls.MIDDLE_THORACIC, 8), (cls.LOWER_THORACIC, 12.5)):
            if level.ordinal <= last:
                return region
        return cls.LUMBAR

    @property
    def levels(self) -> tuple[VertebraLevel, ...]:
        """Its usual levels from head to foot."""
        return tuple(v for v in USUAL_LEVELS if Region.of(v) is self)

    @property
    def middle(self) -> float:
        """Mean ordinal of its usual levels."""
        return sum(v.ordinal for v in self.levels) / len(self.levels)
