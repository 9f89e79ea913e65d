"""How an X-ray image is had from line integrals: a spectrum, scatter, blur, noise, a collimator. Seeded."""

from __future__ import annotations

import attrs
import numpy as np
import scipy.ndimage as ndi
from pydantic import BaseModel, ConfigDict, Field, model_validator

from planning_core.geometry.arrays import BoolArray, Float32Array
from planning_core.imaging.drr.attenuation import (
    BONE_CM2_G,
    CT_KEV,
    WATER_CM2_G,
    AttenuationVolume,
    attenuation,
    mass_attenuation,
    materials,
)
from planning_core.imaging.drr.projector import line_integrals
from planning_core.imaging.volume import CtVolume
from planning_core.xray.geometry import PinholeView
from planning_core.xray.image import XrayImage


class Acquisition(BaseModel):
    """Everything between line integrals and an image; nothing is done by default but one energy's attenuation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    spectrum: tuple[tuple[float, float], ...] = Field(
        ((CT_KEV, 1.0),), description="(keV, share of what the detector takes up); two bins or more harden the beam"
    )
    scatter_to_primary: float = Field(0.0, ge=0, description="scattered over unscattered, on average over the picture")
    scatter_mm: float = Field(60.0, gt=0, description="how far scatter spreads on the detector, one sigma; assumed")
    blur_mm: float = Field(0.0, ge=0, description="focal spot and detector, one sigma on the detector")
    photons_mm2: float = Field(0.0, ge=0, description="unattenuated quanta per mm² of the detector; no noise where 0")
    collimator_mm: tuple[float, float, float, float] | None = Field(
        None, description="left, right, top, bottom edges on the detector from its middle"
    )
    shutter_leak: float = Field(0.005, gt=0, le=1, description="share of the beam behind the collimator; assumed")
    seed: int = 1

    @model_validator(mode="after")
    def _whole_spectrum(self) -> Acquisition:
        shares = [share for _, share in self.spectrum]
        if not shares or min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
            raise ValueError(f"the spectrum's shares add up to {sum(shares)}, not 1")
        return self


FLUOROSCOPY = Acquisition(
    spectrum=((40.0, 0.25), (60.0, 0.5), (80.0, 0.25)), scatter_to_primary=0.6, blur_mm=0.25, photons_mm2=60_000.0
)
"""A plausible C-arm at 80 kV behind copper: three bins, 20 nGy a frame at the detector behind 20 cm of water; assumed."""


@attrs.frozen(eq=False)
class Materials:
    """A patient ready for any number of views: one volume at one energy, or water and bone for a spectrum."""

    volumes: tuple[AttenuationVolume, ...]

    @classmethod
    def of(cls, ct: CtVolume, acquisition: Acquisition, inside: BoolArray | None = None) -> Materials:
        """What the acquisition's spectrum needs of a CT (``inside``: as in ``attenuation``)."""
        if len(acquisition.spectrum) == 1:
            return cls((attenuation(ct, acquisition.spectrum[0][0], inside),))
        both = materials(ct)
        if inside is not None:
            both = tuple(attrs.evolve(v, mu=np.where(inside, v.mu, np.float32(0))) for v in both)  # type: ignore[assignment]
        return cls(both)


def acquire(patient: Materials, view: PinholeView, acquisition: Acquisition | None = None) -> XrayImage:
    """The image a C-arm would give of a view: -ln of the share of X-rays that arrive.

    Raises:
        FrameMismatchError, OutsideViewError: see ``line_integrals``.
    """
    acquisition = acquisition or Acquisition()
    paths = [line_integrals(volume, view) for volume in patient.volumes]
    primary = transmitted(paths, acquisition)
    arriving, valid = _detected(primary, view, acquisition)
    return XrayImage(-np.log(arriving), view, valid, line_integrals=True, source="DRR")


def transmitted(paths: list[Float32Array], acquisition: Acquisition) -> Float32Array:
    """(rows, columns) share of the beam that passes: of one line integral, or of mm g/cm³ of water and of bone."""
    if len(paths) == 1:
        return np.exp(-paths[0])
    water, bone = paths
    total = np.zeros_like(water)
    for kev, share in acquisition.spectrum:
        # cm²/g times mm g/cm³ is a tenth of a number without unit
        depth = water * (mass_attenuation(WATER_CM2_G, kev) / 10) + bone * (mass_attenuation(BONE_CM2_G, kev) / 10)
        total += np.float32(share) * np.exp(-depth)
    return total


def _detected(primary: Float32Array, view: PinholeView, acquisition: Acquisition) -> tuple[Float32Array, BoolArray]:
    rng = np.random.default_rng(acquisition.seed)
    spacing = np.array(view.pixel_spacing_mm)
    arriving = primary.astype(np.float32)
    valid = np.ones(view.size, bool)
    if acquisition.collimator_mm is not None:
        row, column = ((np.arange(n) - (n - 1) / 2) * s for n, s in zip(view.size, spacing, strict=True))
        left, right, top, bottom = acquisition.collimator_mm
        valid = ((row >= top) & (row <= bottom))[:, None] & ((column >= left) & (column <= right))[None, :]
        arriving = np.where(valid, arriving, arriving * np.float32(acquisition.shutter_leak))
    if acquisition.blur_mm:
        arriving = ndi.gaussian_filter(arriving, acquisition.blur_mm / spacing, mode="nearest")
    if acquisition.scatter_to_primary:
        spread = ndi.gaussian_filter(arriving, acquisition.scatter_mm / spacing, mode="constant")
        share = acquisition.scatter_to_primary * float(arriving.mean()) / max(float(spread.mean()), 1e-12)
        arriving = arriving + spread * np.float32(share)
    if acquisition.photons_mm2:
        quanta = acquisition.photons_mm2 * float(spacing.prod())
        counted = rng.poisson(np.asarray(arriving, np.float64) * quanta)
        arriving = (np.maximum(counted, 0.5) / quanta).astype(np.float32)
    return np.maximum(arriving, np.float32(1e-12)), valid
