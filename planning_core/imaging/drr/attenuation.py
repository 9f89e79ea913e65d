"""From Hounsfield units to attenuation, at one energy or split into water and bone for a spectrum."""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import ArrayLike, NDArray

from planning_core.geometry import Grid
from planning_core.geometry.arrays import BoolArray, Float32Array
from planning_core.imaging.volume import CtVolume

WATER_CM2_G = {20: 0.8096, 30: 0.3756, 40: 0.2683, 50: 0.2269, 60: 0.2059, 80: 0.1837, 100: 0.1707, 150: 0.1505}
BONE_CM2_G = {20: 4.001, 30: 1.331, 40: 0.6655, 50: 0.4242, 60: 0.3148, 80: 0.2229, 100: 0.1855, 150: 0.1480}
"""Mass attenuation of water and of cortical bone (ICRU-44) by keV (Hubbell and Seltzer 1995, NISTIR 5632, tables 3 and 4)."""
BONE_G_CM3 = 1.92
"""Density of that bone."""
CT_KEV = 70.0
"""Effective energy of a 120 kV CT, at which Hounsfield units are read."""
LINE = 16
"""Voxels in a line of the processor's cache, 64 bytes."""
SOFT_HU = 100.0
"""Above it the excess is bone; below, water of more or less density."""


def mass_attenuation(table: dict[int, float], kev: float) -> float:
    """cm²/g at an energy, log-log between the table's (20 to 150 keV; refused beyond by ``ValueError``)."""
    energies = np.array(sorted(table), dtype=float)
    if not energies[0] <= kev <= energies[-1]:
        raise ValueError(f"{kev} keV lies outside the table, {energies[0]:.0f} to {energies[-1]:.0f} keV")
    return float(np.exp(np.interp(np.log(kev), np.log(energies), np.log([table[int(e)] for e in energies]))))


def _spread(values: ArrayLike) -> Float32Array:
    """A read-only copy whose rows lie an odd number of cache lines apart.

    Rows of a power of two of voxels would all fall into the same few places of a processor's cache.
    """
    array = np.asarray(values, np.float32)
    lines = -(-array.shape[2] // LINE) | 1
    room = np.zeros((*array.shape[:2], lines * LINE), np.float32)
    room[:, :, : array.shape[2]] = array
    room.flags.writeable = False
    return room[:, :, : array.shape[2]]


@attrs.frozen(eq=False)
class AttenuationVolume:
    """What the rays go through.

    Args:
        mu: (nk, nj, ni) float32, 1/mm (a line integral is then -ln(I/I0)) or g/cm³ (it is then mm g/cm³).
        grid: where its voxels lie.
    """

    mu: Float32Array = attrs.field(converter=_spread)
    grid: Grid

    def __attrs_post_init__(self) -> None:
        if self.mu.shape != self.grid.shape:
            raise ValueError(f"attenuation of shape {self.mu.shape} on a grid of {self.grid.shape}")

    def in_memory(self) -> tuple[Float32Array, NDArray[np.int64], NDArray[np.int64]]:
        """The voxels as they lie in memory, the steps from one to the next along i, j, k, and ni, nj, nk."""
        whole = np.lib.stride_tricks.as_strided(self.mu, (self.mu.shape[0] * self.mu.strides[0] // 4,), (4,), writeable=False)
        return whole, np.array(self.mu.strides[::-1]) // 4, np.array(self.mu.shape[::-1])

    def cropped(self) -> AttenuationVolume:
        """Only the box that holds all that is not zero: the same integrals from fewer voxels."""
        box = []
        for axis in range(3):
            some = np.flatnonzero(self.mu.any(axis=tuple(a for a in range(3) if a != axis)))
            box.append(slice(int(some[0]), int(some[-1]) + 1) if some.size else slice(0, 1))
        cut = (box[0], box[1], box[2])
        return AttenuationVolume(self.mu[cut], self.grid.crop(cut))


def attenuation(ct: CtVolume, kev: float = CT_KEV, inside: BoolArray | None = None) -> AttenuationVolume:
    """Linear attenuation per mm at one energy.

    Args:
        kev: water's coefficient is taken at it; Hounsfield units scale it. inside: (nk, nj, ni), zero elsewhere.
    """
    water = mass_attenuation(WATER_CM2_G, kev) / 10.0
    mu = np.maximum(ct.hu.astype(np.float32) * np.float32(water / 1000) + np.float32(water), np.float32(0))
    if inside is not None:
        mu[~inside] = 0
    return AttenuationVolume(mu, ct.grid)


def materials(ct: CtVolume) -> tuple[AttenuationVolume, AttenuationVolume]:
    """Water and bone, g/cm³ of each, which together give the CT's Hounsfield units at the CT's energy."""
    bone_hu = 1000 * (BONE_G_CM3 * mass_attenuation(BONE_CM2_G, CT_KEV) / mass_attenuation(WATER_CM2_G, CT_KEV) - 1)
    hu = ct.hu.astype(np.float32)
    share = np.maximum(hu - SOFT_HU, 0) / np.float32(bone_hu - SOFT_HU)  # by volume; metal is more than bone alone
    soft = 1 + np.minimum(hu, np.float32(SOFT_HU)) / 1000
    water = np.maximum(soft, 0) * np.maximum(1 - share, 0)
    return AttenuationVolume(water, ct.grid), AttenuationVolume(share * np.float32(BONE_G_CM3), ct.grid)
