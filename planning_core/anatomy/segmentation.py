"""What every way of finding the vertebrae hands on, and the protocol each of them follows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import attrs

from planning_core.anatomy.levels import VertebraLevel
from planning_core.errors import InputError
from planning_core.geometry import DistanceField, Grid
from planning_core.geometry.arrays import FloatArray, LabelArray, frozen_uint8, frozen_vector
from planning_core.imaging.volume import CtVolume


class NoVertebraThereError(InputError):
    """The operator's point lies in no vertebra. Carries ``point_mm`` and ``nearest_mm``."""

    code = "no_vertebra_there"


@attrs.frozen
class Numbering:
    """How the vertebrae got their names.

    Args:
        confidence: probability of the chosen numbering, 0..1 (1 when the operator or a label file named it).
        source: ``anatomy``, ``operator`` or ``labels``.
        cues: sentences that say what spoke for it.
    """

    confidence: float
    source: str
    cues: tuple[str, ...] = ()


@attrs.frozen(eq=False)
class PartialVertebra:
    """A vertebra that the field of view cuts, found but not modelled."""

    level: VertebraLevel
    centre_lps_mm: FloatArray = attrs.field(converter=frozen_vector)
    reason: str


@attrs.frozen(eq=False)
class SpineSegmentation:
    """All vertebrae of one CT, named.

    Args:
        labels: (nk, nj, ni) uint8 VerSe ids on the input's own grid, 0 elsewhere.
        grid: the input's grid, frame ``ct_lps``.
        boundaries: per complete vertebra the signed distance of its outer surface (body and posterior elements
            together) on a cropped grid in ``ct_lps``. Finer than ``labels`` where the method knows more.
        partial: vertebrae at the border of the field of view.
        numbering: how sure the names are.
        method: word for the report, e.g. ``built-in network`` or ``labels``.
        notes: sentences for the report on what was left out.
    """

    labels: LabelArray = attrs.field(converter=frozen_uint8)
    grid: Grid
    boundaries: Mapping[VertebraLevel, DistanceField]
    partial: tuple[PartialVertebra, ...]
    numbering: Numbering
    method: str
    notes: tuple[str, ...] = ()

    @property
    def levels(self) -> tuple[VertebraLevel, ...]:
        """Complete vertebrae from head to foot."""
        return tuple(sorted(self.boundaries, key=lambda v: v.ordinal))


class Segmenter(Protocol):
    """Anything that turns a CT into named vertebrae: the built-in network, a label file, a local TotalSegmentator."""

    def segment(self, ct: CtVolume, anchor: tuple[VertebraLevel, FloatArray] | None = None) -> SpineSegmentation:
        """Find and name the vertebrae.

        Args:
            ct: the volume.
            anchor: an operator's word that this ct_lps point (mm) lies in this level; settles the numbering.

        Raises:
            AmbiguousLevelError: the field of view allows several numberings and no anchor was given.
            NoVertebraThereError: the anchor lies in no vertebra.
            NoSpineError: no vertebra was found.
        """
        ...
