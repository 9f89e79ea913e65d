"""Where a vertebra of the planning CT lies in another scan: looked for everywhere, and refused when another level fits nearly.

The best places of ``place_search`` are refined by ``align_intensity``. The wrong level is the error that must not happen, so the
winner has to lead every other place, by itself or by the bones beside it.
"""

from __future__ import annotations

import attrs
import numpy as np
from pydantic import Field, PositiveFloat

from planning_core.anatomy.vertebra import Vertebra
from planning_core.geometry.arrays import FloatArray
from planning_core.imaging.resample import Scales, coarsen
from planning_core.imaging.volume import CtVolume
from planning_core.registration.beside import BesideConfig, bone_beside, correlation_beside
from planning_core.registration.config import CarryConfig
from planning_core.registration.intensity import align_intensity, bone_samples
from planning_core.registration.place_search import Place, PlaceSearchConfig, VertebraNotInScanError, likely_places
from planning_core.registration.refusals import RegistrationError


class StartSearchConfig(PlaceSearchConfig):
    """When a place is believed."""

    refine_mm: tuple[PositiveFloat, ...] = Field((4.0, 2.0), description="voxels of the refinement")
    refine_samples: int = Field(1500, ge=500, description="voxels compared in it; a correlation is then known to 0.02")
    min_correlation: float = Field(
        0.85, gt=0, lt=1, description="refined, below which it is not there; the same bone has 0.97, neighbours up to 0.80"
    )
    lead: float = Field(
        0.1,
        gt=0,
        lt=1,
        description="correlation by which the winner leads any other place; neighbours: benchmarks/registration.py",
    )
    beside: BesideConfig = Field(BesideConfig(), description="what is asked where nothing leads so far")


class WrongLevelError(RegistrationError):
    """Another place fits nearly as well, and so do the bones beside it. Carries ``correlation``, ``other`` (both of them),
    ``apart_mm``, ``lead``, and ``beside``: of the bones above and below at both, None where the scan does not show them."""

    code = "wrong_level"


@attrs.frozen(eq=False)
class FoundStart:
    """Where the vertebra lies, to a millimetre or so, and the best place that is another.

    Args:
        other_mm: distance of that one; ``None`` with ``other`` -1 where there is none.
        beside: how the bones above and below correlate here and at the other place, where that had to be asked.
    """

    place: Place
    other: float
    other_mm: float | None
    beside: tuple[float, float] | None = None

    @property
    def told(self) -> str:
        """By what it was told from the next place, for the record."""
        if self.other_mm is None:
            return f"correlating by {self.place.correlation:.2f}, no other place"
        words = f"correlating by {self.place.correlation:.2f}, the next place, {self.other_mm:.0f} mm away, by {self.other:.2f}"
        if self.beside is None:
            return words
        return f"{words}; told apart by the bones above and below it: {self.beside[0]:.2f} here, {self.beside[1]:.2f} there"


def find_start(
    preop: CtVolume,
    vertebra: Vertebra,
    intraop: CtVolume,
    config: StartSearchConfig | None = None,
    carry: CarryConfig | None = None,
) -> FoundStart:
    """Find the vertebra of one CT in another scan of the patient.

    Args:
        preop: CT that ``vertebra`` was modelled on. intraop: any other of the same patient, in about the same axes.

    Raises:
        VertebraNotInScanError: the scan nowhere shows it.
        WrongLevelError: another place, as a neighbouring level, fits nearly as well.
    """
    config, carry = config or StartSearchConfig(), carry or CarryConfig()
    places = likely_places(preop, vertebra, intraop, config)
    scans = _Scans.of(preop, vertebra, intraop, config, carry)
    refined = _distinct([scans.refined(place) for place in places], vertebra, config)
    best, others = refined[0], refined[1:]
    centre = vertebra.ct_lps_from_vertebra.translation_mm
    if best.correlation < config.min_correlation:
        raise VertebraNotInScanError(
            f"{vertebra.level.value} is nowhere in the scan: the best place correlates by {best.correlation:.2f}, "
            f"at least {config.min_correlation:g} is needed: bring it into the field and scan again",
            in_view=None,
            correlation=best.correlation,
            needed=config.min_correlation,
        )
    if not others:
        return FoundStart(best, -1.0, None)
    other = others[0]
    apart_mm = float(np.linalg.norm(other.transform.apply(centre) - best.transform.apply(centre)))
    near = [place for place in others if best.correlation - place.correlation < config.lead]
    if not near:
        return FoundStart(best, other.correlation, apart_mm)
    beside = scans.beside(vertebra, best, near, config.beside)
    if beside is not None and beside[0] - beside[1] >= config.beside.lead:
        return FoundStart(best, other.correlation, apart_mm, beside)
    raise WrongLevelError(
        f"{vertebra.level.value} is found in two places {apart_mm:.0f} mm apart, correlating by {best.correlation:.2f} and "
        f"{other.correlation:.2f}; a lead of {config.lead:g} is needed, and the bones above and below do not tell them apart: "
        "bring more of the spine into the field and scan again",
        correlation=best.correlation,
        other=other.correlation,
        apart_mm=apart_mm,
        lead=config.lead,
        beside=None if beside is None else list(beside),
    )


@attrs.frozen(eq=False)
class _Scans:
    """Both scans at the refinement's resolutions.

    Args:
        points: (n, 3) preop ct_lps mm, of the bone, all figures from the same.
    """

    before: Scales
    after: Scales
    points: FloatArray
    settings: CarryConfig

    @classmethod
    def of(cls, preop: CtVolume, vertebra: Vertebra, intraop: CtVolume, config: StartSearchConfig, carry: CarryConfig) -> _Scans:
        finest = min(config.refine_mm)
        settings = carry.model_copy(update={"levels_mm": config.refine_mm, "samples": config.refine_samples})
        points = vertebra.ct_lps_from_vertebra.apply(bone_samples(vertebra.whole, settings))
        return cls(Scales(_coarse(preop, finest)), Scales(_coarse(intraop, finest)), points, settings)

    def refined(self, place: Place) -> Place:
        """Moved to where the scans correlate best near by."""
        fit = align_intensity(self.before, self.points, self.after, place.transform, self.settings)
        return Place(fit.transform, fit.correlation if np.isfinite(fit.correlation) else -1.0)

    def beside(self, vertebra: Vertebra, best: Place, near: list[Place], config: BesideConfig) -> tuple[float, float] | None:
        """How the bones above and below correlate at the best place and, at most, at another; None where too little is seen."""
        found: tuple[float, float] | None = None
        blocks = bone_beside(self.before, vertebra, config)
        for place in near:
            at = [
                [correlation_beside(self.before, b, self.after, p.transform, config, self.settings) for b in blocks]
                for p in (best, place)
            ]
            both = [(here, there) for here, there in zip(*at, strict=True) if here is not None and there is not None]
            if not both:
                return None
            here, there = (float(np.mean(of)) for of in zip(*both, strict=True))
            if found is None or here - there < found[0] - found[1]:
                found = (here, there)
        return found


def _distinct(refined: list[Place], vertebra: Vertebra, config: StartSearchConfig) -> list[Place]:
    """The best first, each only once."""
    centre = vertebra.ct_lps_from_vertebra.translation_mm
    kept: list[Place] = []
    for place in sorted(refined, key=lambda p: -p.correlation):
        there = place.transform.apply(centre)
        if all(np.linalg.norm(there - other.transform.apply(centre)) > config.apart_mm for other in kept):
            kept.append(place)
    return kept


def _coarse(ct: CtVolume, spacing_mm: float) -> CtVolume:
    coarse = coarsen(ct, spacing_mm)
    return CtVolume(np.rint(coarse.hu).astype(np.int16), coarse.grid, ct.sha256)
