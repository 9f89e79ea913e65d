"""Which scheme a label map's numbers follow, told by the numbers and by where the labels lie; never guessed."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import attrs
import numpy as np

from planning_core.anatomy.levels import VertebraLevel
from planning_core.errors import AmbiguousError, InputError
from planning_core.geometry.arrays import FloatArray, frozen_vector

SCHEMES = ("verse", "totalsegmentator")
VERSE_LAST = 28  # TotalSegmentator's maps have no last id: other tasks' labels are put on top
TYPICAL_MM = (8.0, 65.0)
"""Centre to centre of neighbouring vertebrae: from a crushed upper thoracic to a tall lumbar one, masks off centre included."""
LARGEST_LEAN = 0.75
"""Sideways share of the way from one vertebra to the next: a scoliosis of 90° has 0.7 at its ends."""
SURE_CHAIN = 4
"""Vertebrae that follow one another in a numbering; organs' ids do not do that by chance."""


class LabelSchemeError(AmbiguousError):
    """Ids that could be VerSe's or TotalSegmentator's. Carries ``as_verse`` and ``as_totalsegmentator`` (levels)."""

    code = "label_scheme"


class NotLabelsError(InputError):
    """A file that holds no vertebra labels under the scheme. Carries ``values`` and, by scheme, ``why``."""

    code = "not_labels"


@attrs.frozen(eq=False)
class LabelledPiece:
    """One label's voxels: where they lie and how much they are.

    Args:
        centre_lps_mm: (3,) ct_lps. volume_ml: of all its voxels. whole: whether no border of the image cuts it.
    """

    centre_lps_mm: FloatArray = attrs.field(converter=frozen_vector)
    volume_ml: float
    whole: bool = True


def name_labels(pieces: Mapping[int, LabelledPiece], scheme: str | None = None) -> dict[int, VertebraLevel]:
    """Which label is which vertebra.

    Both numberings are tried: VerSe counts vertebrae downwards (8 = T1 … 24 = L5, 28 = T13), TotalSegmentator v2 upwards
    (27 = L5 … 43 = T1) with organs below and above. One fits when all its ids exist and its vertebrae follow one another from
    head to foot at vertebrae's distances.

    Args:
        pieces: by label number, without 0.
        scheme: ``verse`` or ``totalsegmentator``: the operator's word, which must fit too.

    Raises:
        LabelSchemeError: both fit, or the scheme is none of ours.
        NotLabelsError: none fits.
    """
    if scheme is not None and scheme not in SCHEMES:
        raise LabelSchemeError(
            f"no label scheme {scheme!r}: it is one of {', '.join(SCHEMES)}", as_verse=[], as_totalsegmentator=[]
        )
    tried = (scheme,) if scheme is not None else SCHEMES
    readings, why = {}, {}
    for name in tried:
        named = _verse(pieces) if name == "verse" else _totalsegmentator(pieces)
        fault = named if isinstance(named, str) else chain_fault(named, pieces)
        if isinstance(named, str) or fault is not None:
            why[name] = str(fault)
        else:
            readings[name] = named
    if not readings:
        reasons = "; ".join(f"as {name}: {reason}" for name, reason in why.items())
        raise NotLabelsError(f"the labels {_some(pieces)} are no vertebrae ({reasons})", values=sorted(pieces)[:50], why=why)
    if len(readings) == 1:
        return next(iter(readings.values()))
    long = [n for n, named in readings.items() if len(named) >= SURE_CHAIN]
    if len(long) == 1:
        return readings[long[0]]
    words = {name: [v.value for v in sorted(named.values(), key=lambda v: v.ordinal)] for name, named in readings.items()}
    raise LabelSchemeError(
        f"labels {_some(pieces)} fit VerSe ({', '.join(words['verse'])}) and TotalSegmentator "
        f"({', '.join(words['totalsegmentator'])}): say which with --label-scheme",
        as_verse=words["verse"],
        as_totalsegmentator=words["totalsegmentator"],
    )


def _verse(pieces: Mapping[int, LabelledPiece]) -> dict[int, VertebraLevel] | str:
    if max(pieces) > VERSE_LAST:
        return f"there is no id {max(pieces)}"
    named = {n: VertebraLevel.from_verse_id(n) for n in pieces if 8 <= n <= 25 or n == 28}
    if 28 in named and not {19, 20} <= set(named):
        return "28 would be T13, but T12 (19) and L1 (20) are not there"
    return named


def _totalsegmentator(pieces: Mapping[int, LabelledPiece]) -> dict[int, VertebraLevel]:
    return {n: VertebraLevel.from_totalsegmentator_id(n) for n in pieces if 27 <= n <= 43}


def chain_fault(named: Mapping[int, VertebraLevel], pieces: Mapping[int, LabelledPiece]) -> str | None:
    """Why vertebrae named so cannot be a spine; ``None`` when they can."""
    if not named:
        return "no id of a vertebra from T1 to L6"
    order = sorted(named, key=lambda n: named[n].ordinal)
    placed = [n for n in order if pieces[n].whole] or order  # a cut piece's centre is not its vertebra's
    for upper, lower in itertools.pairwise(placed):
        step = pieces[lower].centre_lps_mm - pieces[upper].centre_lps_mm
        length = float(np.linalg.norm(step))
        levels = max(1.0, round(named[lower].ordinal - named[upper].ordinal))
        pair = f"{upper} ({named[upper].value}) to {lower} ({named[lower].value})"
        if step[2] >= 0:
            return f"{pair} goes {step[2]:.0f} mm towards the head"
        if not TYPICAL_MM[0] <= length / levels <= TYPICAL_MM[1]:
            return f"{pair} is {length:.0f} mm for {levels:.0f} level(s)"
        if abs(float(step[0])) > LARGEST_LEAN * length:
            return f"{pair} goes {abs(float(step[0])):.0f} mm sideways"
    return None


def _some(pieces: Mapping[int, LabelledPiece]) -> str:
    numbers = sorted(pieces)
    return f"{numbers[:20]}" + (" …" if len(numbers) > 20 else "")
