"""Which vertebra is which: cues weighed into a probability for every numbering, or the operator's word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np

from planning_core.anatomy.body_chain import CentreLine
from planning_core.anatomy.fracture import TYPICAL_POSTERIOR_MM
from planning_core.anatomy.instance import VertebraInstance
from planning_core.anatomy.levels import USUAL_LEVELS, VertebraLevel
from planning_core.anatomy.segmentation import NoVertebraThereError, Numbering
from planning_core.errors import AmbiguousError, InputError
from planning_core.geometry.arrays import FloatArray
from planning_core.imaging.resample import CoarseCt

SURE = 0.95
FIRST_CERVICAL = -6  # C1, counting T1 = 1
LAST_LUMBAR = 17
DISC_SHARE = {"T": 0.22, "L": 0.38}
"""Disc height over posterior body height, thoracic and lumbar: with the body it makes the pitch from disc to disc."""
PITCH_SPREAD = 0.09
SIZE_SPREAD = 0.12
SACRUM_WEIGHT = 6.0
SACRUM_SEEN = 0.3
RIB_WEIGHT = 2.5
RIB_ML = (0.15, 0.6)
RIB_BOX_MM = ((20.0, 42.0), (2.0, 40.0), (-6.0, 18.0))
RIB_HU = 180.0
RIB_REACH_MM = 75.0


class AmbiguousLevelError(AmbiguousError):
    """The field of view allows several numberings. Carries ``candidates`` (levels by body centre, with probability)."""

    code = "ambiguous_level"


class OnlyCervicalError(InputError):
    """Nothing in view can be one of the vertebrae that are planned. Carries ``found``: how many vertebrae there are."""

    code = "only_cervical"


@attrs.frozen(eq=False)
class Cues:
    """What speaks for a numbering.

    Args:
        pitch_mm: (n,) disc to disc, NaN where an end is open. rib_ml: (n,) bone beside each vertebra that is not
            vertebra, per side, NaN where out of view. sacrum: mean probability of sacrum below the last vertebra.
        ribs_whole: whether the volume is wide enough to tell a rib from a long transverse process.
    """

    pitch_mm: FloatArray
    rib_ml: FloatArray
    sacrum: float
    ribs_whole: bool


def read_cues(ct: CoarseCt, instances: Sequence[VertebraInstance], pitches_mm: Sequence[float], line: CentreLine) -> Cues:
    """Measure the cues.

    Args:
        ct: about 2 mm. instances: head to foot. pitches_mm: of each, NaN where open. line: with its sacrum profile.
    """
    ribs = np.array([_rib_ml(ct, one) for one in instances])
    last = instances[-1]
    arc = np.linalg.norm(line.points_lps_mm - last.centre_lps_mm, axis=1).argmin()
    below = line.sacrum[arc + 12 : arc + 45]
    inner = instances[1:-1] or instances  # at the ends of the volume a tilted line leaves it upwards or downwards
    sides = np.array([one.centre_lps_mm + s * RIB_REACH_MM * one.pose.axes[:, 0] for one in inner for s in (1.0, -1.0)])
    return Cues(np.array(pitches_mm, float), ribs, float(below.max()) if len(below) else 0.0, bool(ct.grid.contains(sides).all()))


def numbering(cues: Cues) -> list[tuple[int, float]]:
    """Every possible ordinal of the first vertebra (T1 = 1, L5 = 17, cervical below 1) with its probability, best first."""
    n = len(cues.pitch_mm)
    firsts = np.arange(FIRST_CERVICAL, LAST_LUMBAR - n + 2)
    score = np.array([_likelihood(int(first), cues) for first in firsts])
    probability = np.exp(score - score.max())
    probability /= probability.sum()
    order = np.argsort(-probability, kind="stable")
    return [(int(firsts[o]), float(probability[o])) for o in order]


def name_instances(
    instances: Sequence[VertebraInstance], cues: Cues, anchor: tuple[VertebraLevel, FloatArray] | None
) -> tuple[list[VertebraLevel | None], Numbering]:
    """A level for each instance, ``None`` for cervical ones.

    Raises:
        NoVertebraThereError: the anchor lies in no vertebra.
        AmbiguousLevelError: neither sacrum nor whole ribs are in view, or no numbering is probable enough, without an anchor.
        OnlyCervicalError: by every probable numbering there is no vertebra from T1 on, without an anchor.
    """
    ranked = numbering(cues)
    n = len(instances)
    if anchor is not None:
        level, point = anchor
        index = _instance_at(instances, point)
        names = _names_around(level, index, n)
        likely = _levels(ranked[0][0], n)[index] if ranked else None
        said = f"the operator named {level.value}"
        if likely is not None and likely is not level:
            said += f"; the picture alone would rather say {likely.value} ({ranked[0][1]:.0%})"
        return names, Numbering(1.0, "operator", (said,))
    landmark = cues.sacrum >= SACRUM_SEEN or cues.ribs_whole
    sure = bool(ranked) and landmark and ranked[0][1] >= SURE
    probable = ranked[:1] if sure else [(first, p) for first, p in ranked[:4] if p > 0.01]
    if probable and not any(level for first, _ in probable for level in _levels(first, n)):
        raise OnlyCervicalError(
            f"no vertebra from T1 to L6 in view: all {n} look cervical. If one is not, name it with --level LEVEL --at x,y,z",
            found=n,
        )
    if not sure:
        candidates: list[dict[str, Any]] = [
            {
                "probability": round(p, 3),
                "levels": {
                    name.value: [round(float(c), 1) for c in one.centre_lps_mm]
                    for name, one in zip(_levels(first, n), instances, strict=True)
                    if name is not None
                },
            }
            for first, p in probable
        ]
        spans = ["–".join((next(iter(c["levels"])), list(c["levels"])[-1])) for c in candidates if c["levels"]]
        raise AmbiguousLevelError(
            f"{n} vertebrae could be {', '.join(spans)}: name one with --level LEVEL --at x,y,z", candidates=candidates
        )
    first, probability = ranked[0]
    return _levels(first, n), Numbering(probability, "anatomy", _sentences(cues, first))


def _likelihood(first: int, cues: Cues) -> float:
    ordinals = first + np.arange(len(cues.pitch_mm))
    total = 0.0
    known = np.isfinite(cues.pitch_mm) & (ordinals >= 1)
    if known.any():
        misfit = np.log(cues.pitch_mm[known]) - np.log([_typical_pitch(int(o)) for o in ordinals[known]])
        # one factor for the patient's size, normal around one; the rest is scatter, heavy-tailed for fractures
        size = np.median(misfit) * known.sum() / (known.sum() + (PITCH_SPREAD / SIZE_SPREAD) ** 2)
        scatter = (misfit - size) / PITCH_SPREAD
        total -= 0.5 * (size / SIZE_SPREAD) ** 2 + float(np.log1p(scatter**2 / 4).sum()) * 1.5
    cervical_pitch = np.isfinite(cues.pitch_mm) & (ordinals < 1)
    total -= float(np.log1p((np.log(cues.pitch_mm[cervical_pitch] / 18.0) / 0.15) ** 2).sum())
    for ordinal, rib in zip(ordinals, cues.rib_ml, strict=True):
        if np.isfinite(rib):
            sure = np.clip((rib - RIB_ML[0]) / (RIB_ML[1] - RIB_ML[0]), 0, 1) * 2 - 1
            total += RIB_WEIGHT * sure * (1 if 1 <= ordinal <= 12 else -1)
    ends_at_sacrum = ordinals[-1] == LAST_LUMBAR
    total += SACRUM_WEIGHT * (2 * cues.sacrum - 0.3) * (1 if ends_at_sacrum else -1) if cues.sacrum > 0.15 else 0.0
    return total


def _typical_pitch(ordinal: int) -> float:
    name = USUAL_LEVELS[ordinal - 1].value
    return TYPICAL_POSTERIOR_MM[name] * (1 + DISC_SHARE[name[0]])


def _rib_ml(ct: CoarseCt, one: VertebraInstance) -> float:
    """Bone beside a vertebra, where a rib's neck would lie and no transverse process: the lesser side, ml; NaN out of view."""
    (near, far), (front, back), (low, high) = RIB_BOX_MM
    step = 2.0
    grid = np.stack(
        np.meshgrid(np.arange(near, far, step), np.arange(front, back, step), np.arange(low, high, step), indexing="ij"), -1
    )
    volumes = []
    for sign in (1.0, -1.0):
        points = one.centre_lps_mm + (grid * [sign, 1, 1]) @ one.pose.axes.T
        hu = ct.at(points)
        if float((hu < -1000).mean()) > 0.3:
            continue
        index = np.round(one.grid.indices(points)).astype(int)
        inside = ((index >= 0) & (index < one.grid.shape)).all(-1)
        clipped = tuple(np.clip(index, 0, np.array(one.grid.shape) - 1).reshape(-1, 3).T)
        vertebra = np.where(inside.ravel(), (one.this + one.other)[clipped], 0).reshape(hu.shape) > 0.15
        volumes.append(float(((hu > RIB_HU) & ~vertebra).sum()) * step**3 / 1000)
    return min(volumes) if volumes else float("nan")


def _instance_at(instances: Sequence[VertebraInstance], point: FloatArray) -> int:
    away = []
    for one in instances:
        index = np.round(one.grid.indices(point)).astype(int)
        inside = bool(((index >= 0) & (index < one.grid.shape)).all())
        within = inside and one.this[tuple(index)] > 0.5
        away.append(0.0 if within else float(np.linalg.norm(one.centre_lps_mm - point)))
    best = int(np.argmin(away))
    if away[best] > 18.0:
        raise NoVertebraThereError(
            f"no vertebra at {np.round(point, 1).tolist()}: the nearest body's centre is {away[best]:.0f} mm away",
            point_mm=[float(c) for c in point],
            nearest_mm=away[best],
        )
    return best


def _names_around(level: VertebraLevel, index: int, n: int) -> list[VertebraLevel | None]:
    """Levels of n vertebrae of which number ``index`` is ``level``; T13 and L6 keep their neighbours in order."""
    order = list(USUAL_LEVELS)
    if level not in order:
        order.insert(12 if level is VertebraLevel.T13 else 17, level)
    at = order.index(level)
    return [order[at + i - index] if 0 <= at + i - index < len(order) else None for i in range(n)]


def _levels(first: int, n: int) -> list[VertebraLevel | None]:
    return [USUAL_LEVELS[first + i - 1] if 1 <= first + i <= LAST_LUMBAR else None for i in range(n)]


def _sentences(cues: Cues, first: int) -> tuple[str, ...]:
    levels = _levels(first, len(cues.pitch_mm))
    seen = [(v, bool(np.isfinite(r) and r > sum(RIB_ML) / 2)) for v, r in zip(levels, cues.rib_ml, strict=True) if v is not None]
    ribs = [v.value for v, has in seen if has and not v.is_lumbar]
    said = [f"ribs beside {ribs[0]} to {ribs[-1]}" if ribs else "no ribs beside any vertebra"]
    against = [v.value for v, has in seen if has and v.is_lumbar]
    if against:
        said.append(f"bone beside {', '.join(against)} too, as a rib would be")
    if cues.sacrum > 0.15:
        said.append(f"sacrum below the last vertebra ({cues.sacrum:.0%})")
    said.append("distances from disc to disc")
    return tuple(said)
