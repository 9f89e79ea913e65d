"""One turn of the C-arm: the patient's truth resampled, metal in view, blur, noise, saturation; and what was true of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import attrs
import numpy as np
import scipy.ndimage as ndi
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat

from hardware_sim.carm.metal import Ball, PointSpread, Rod, add_metal
from planning_core.errors import InputError
from planning_core.geometry import FrameMismatchError, Grid, RigidTransform
from planning_core.geometry.arrays import Float32Array, FloatArray, frozen_float64
from planning_core.imaging.volume import AIR_HU, CtVolume
from planning_core.registration.plate import Plate


class OutOfViewError(InputError):
    """The field of view misses the patient altogether. Carries ``field_mm``."""

    code = "out_of_view"


class ScanSpec(BaseModel):
    """Everything a simulated scan depends on besides where things stand."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = 1
    spacing_mm: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = Field((0.5, 0.5, 0.5), description="x y z")
    field_mm: tuple[PositiveFloat, PositiveFloat] = Field(
        (160.0, 130.0), description="diameter and height of the cylinder that is seen; as a mobile 3D C-arm's, assumed"
    )
    isocentre_lps_mm: tuple[float, float, float] = Field((12.0, -7.0, 230.0), description="where the images put the middle")
    core_blur_mm: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = Field((0.40, 0.40, 0.48), description="assumed")
    bloom_blur_mm: float = Field(1.3, gt=0, description="assumed")
    bloom_share: float = Field(0.04, ge=0, lt=1, description="assumed")
    metal_hu: float = Field(14_000.0, gt=0, description="steel as reconstructed, before the range ends; assumed")
    top_hu: int = Field(3071, gt=0, description="end of a 12 bit range: metal saturates")
    noise_hu: float = Field(45.0, ge=0, description="a C-arm is noisier than a CT; assumed")
    shading_hu: float = Field(20.0, ge=0, description="slow bowl towards the cylinder's edge (scatter); assumed")


class PatientVolume(Protocol):
    """Whatever has Hounsfield units on a grid: a made-up patient, or a real CT taken as the patient's truth."""

    @property
    def hu(self) -> NDArray[Any]:
        """(nk, nj, ni)."""

    @property
    def grid(self) -> Grid:
        """Where its voxels lie; its coordinates are the frame ``patient`` here."""


@attrs.frozen(eq=False)
class ScanTruth:
    """What was true of a scan; for tests, read by no driver or node.

    Args:
        ct_from_patient: T_ct_lps_patient. ct_from_plate: T_ct_lps_plate; ``None`` without a plate.
        beads_lps_mm: (n, 3) centres in the scan's ct_lps; in_view: (n,) bool, wholly inside the field.
    """

    ct_from_patient: RigidTransform
    ct_from_plate: RigidTransform | None
    beads_lps_mm: FloatArray = attrs.field(converter=frozen_float64)
    in_view: NDArray[np.bool_]


@attrs.frozen(eq=False)
class CarmScan:
    """A scan: (nk, nj, ni) int16 HU on a grid in its own ``ct_lps``."""

    hu: NDArray[np.int16]
    grid: Grid
    spec: ScanSpec

    def write_dicom(self, folder: Path) -> None:
        """One CT series; the same scan gives the same bytes."""
        from hardware_sim.patient.dicom import write_series

        write_series(self.hu, self.grid, self.spec.seed, folder, scan="carm")

    def as_ct(self) -> CtVolume:
        """As ingest would hand it on."""
        return CtVolume(self.hu, self.grid, "", "simulated C-arm")


def scan(
    patient: PatientVolume,
    carm_from_patient: RigidTransform,
    plate: Plate | None = None,
    carm_from_plate: RigidTransform | None = None,
    spec: ScanSpec | None = None,
    rods: Sequence[Rod] = (),
    loose_beads_mm: Sequence[FloatArray] = (),
    missing_beads: Sequence[int] = (),
) -> tuple[CarmScan, ScanTruth]:
    """Turn once.

    Args:
        carm_from_patient: T_carm_patient; ``carm`` has its origin in the isocentre and axes along LPS of a patient lying as the
            images say. carm_from_plate: T_carm_plate. rods: other metal, in ``carm``. loose_beads_mm: (3,) each, in ``carm``.
        missing_beads: of the plate, by index.

    Raises:
        FrameMismatchError: a pose between other frames.
        OutOfViewError: the patient is nowhere in the field.
    """
    spec = spec or ScanSpec()
    _require(carm_from_patient, "patient")
    ct_from_carm = RigidTransform.from_parts("ct_lps", "carm", np.eye(3), spec.isocentre_lps_mm)
    ct_from_patient = ct_from_carm @ carm_from_patient
    grid = _field(spec)
    hu = _resampled(patient, ct_from_patient, grid)
    if hu.max() <= AIR_HU:
        raise OutOfViewError("the patient is not in the C-arm's field", field_mm=list(spec.field_mm))
    ct_from_plate, beads = None, np.zeros((0, 3))
    radius = plate.bead_diameter_mm / 2 if plate is not None else 1.5
    if plate is not None and carm_from_plate is not None:
        _require(carm_from_plate, "plate")
        ct_from_plate = ct_from_carm @ carm_from_plate
        beads = ct_from_plate.apply(plate.beads_mm)
    balls = [Ball(b, radius) for n, b in enumerate(beads) if n not in set(missing_beads)]
    balls += [Ball(ct_from_carm.apply(b), radius) for b in loose_beads_mm]
    moved = [Rod(ct_from_carm.apply(r.start_mm), ct_from_carm.apply(r.end_mm), r.radius_mm) for r in rods]
    spread = PointSpread(spec.core_blur_mm, spec.bloom_blur_mm, spec.bloom_share)
    pieces: list[Ball | Rod] = [*balls, *moved]
    for piece in pieces:
        add_metal(hu, grid, piece, spec.metal_hu, spread)
    _finish(hu, grid, spec)
    away = np.abs(beads - spec.isocentre_lps_mm)
    in_view = (np.hypot(away[:, 0], away[:, 1]) < spec.field_mm[0] / 2 - radius) & (away[:, 2] < spec.field_mm[1] / 2 - radius)
    in_view[list(missing_beads)] = False
    whole = np.rint(np.clip(hu, AIR_HU, spec.top_hu)).astype(np.int16)
    return CarmScan(whole, grid, spec), ScanTruth(ct_from_patient, ct_from_plate, beads, in_view)


def _require(pose: RigidTransform, src: str) -> None:
    if (pose.dst, pose.src) != ("carm", src):
        raise FrameMismatchError(f"T_{pose.dst}_{pose.src} given where T_carm_{src} is needed", left=pose.dst, right=pose.src)


def _field(spec: ScanSpec) -> Grid:
    diameter, height = spec.field_mm
    size = np.maximum(2, np.round(np.array([diameter, diameter, height]) / spec.spacing_mm)).astype(int)
    first = np.array(spec.isocentre_lps_mm) - (size - 1) / 2 * spec.spacing_mm
    return Grid(size[::-1], spec.spacing_mm, first)


def _resampled(patient: PatientVolume, ct_from_patient: RigidTransform, grid: Grid) -> Float32Array:
    """The patient where it now lies, slab by slab."""
    back = ct_from_patient.inverse()
    there = Grid(grid.shape, grid.spacing_mm, back.apply(grid.origin_mm), back.rotate(grid.direction.T).T, patient.grid.frame)
    out = np.empty(grid.shape, np.float32)
    for k in range(grid.shape[0]):
        index = patient.grid.indices_on(there.crop((slice(k, k + 1), slice(0, None), slice(0, None))))
        ndi.map_coordinates(patient.hu, index, output=out[k : k + 1], order=1, mode="constant", cval=AIR_HU)
    return out


def _finish(hu: Float32Array, grid: Grid, spec: ScanSpec) -> None:
    """Shading and noise inside the cylinder, nothing outside, in place."""
    rng = np.random.default_rng([spec.seed, 7])
    plane = grid.crop((slice(0, 1), slice(0, None), slice(0, None))).all_points()[0, ..., :2] - spec.isocentre_lps_mm[:2]
    out = np.linalg.norm(plane, axis=-1) / (spec.field_mm[0] / 2)
    bowl = (spec.shading_hu * (out**2 - 0.5)).astype(np.float32)
    for k in range(len(hu)):
        noise = ndi.gaussian_filter(rng.standard_normal(hu.shape[1:], dtype=np.float32), 0.6)
        hu[k] += bowl + spec.noise_hu * noise / max(float(noise.std()), 1e-6)
        hu[k][out > 1] = AIR_HU
