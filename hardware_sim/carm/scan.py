"""One turn of the C-arm: the patient's truth resampled, metal in view, blur, noise, saturation; and what was true of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import attrs
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat

from hardware_sim.carm.metal import Ball, PointSpread, Rod, add_metal
from planning_core.errors import InputError
from planning_core.geometry import FrameMismatchError, Grid, RigidTransform
from planning_core.geometry.arrays import FloatArray, frozen_float64
from planning_core.imaging.volume import AIR_HU, CtVolume
from planning_core.registration.plate import Plate

GRAIN = (0.1664, 0.6672, 0.1664)
"""Neighbouring voxels of a reconstruction share their noise: a Gaussian of 0.6 voxels, which three taps hold; assumed."""


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
    return CarmScan(hu, grid, spec), ScanTruth(ct_from_patient, ct_from_plate, beads, in_view)


def _require(pose: RigidTransform, src: str) -> None:
    if (pose.dst, pose.src) != ("carm", src):
        raise FrameMismatchError(f"T_{pose.dst}_{pose.src} given where T_carm_{src} is needed", left=pose.dst, right=pose.src)


def _field(spec: ScanSpec) -> Grid:
    diameter, height = spec.field_mm
    size = np.maximum(2, np.round(np.array([diameter, diameter, height]) / spec.spacing_mm)).astype(int)
    first = np.array(spec.isocentre_lps_mm) - (size - 1) / 2 * spec.spacing_mm
    return Grid(size[::-1], spec.spacing_mm, first)


def _resampled(patient: PatientVolume, ct_from_patient: RigidTransform, grid: Grid) -> NDArray[np.int16]:
    """The patient where it now lies, trilinear; air beyond."""
    low, high = _seen(patient, ct_from_patient, grid)
    if (low >= high).any():
        return np.full(grid.shape, AIR_HU, np.int16)
    box = (slice(low[0], high[0]), slice(low[1], high[1]), slice(low[2], high[2]))
    near = patient.grid.crop(box)
    image = sitk.GetImageFromArray(np.ascontiguousarray(patient.hu[box]))
    image.SetOrigin(near.origin_mm.tolist())
    image.SetSpacing(near.spacing_mm.tolist())
    image.SetDirection(near.direction.ravel().tolist())
    back = ct_from_patient.inverse()
    filter_ = sitk.ResampleImageFilter()
    filter_.SetNumberOfThreads(1)  # one of several processes of a room
    filter_.SetSize([int(n) for n in reversed(grid.shape)])
    filter_.SetOutputOrigin(grid.origin_mm.tolist())
    filter_.SetOutputSpacing(grid.spacing_mm.tolist())
    filter_.SetOutputDirection(grid.direction.ravel().tolist())
    affine = sitk.AffineTransform(3)
    affine.SetMatrix(back.rotation.ravel().tolist())
    affine.SetTranslation(back.translation_mm.tolist())
    filter_.SetTransform(affine)
    filter_.SetInterpolator(sitk.sitkLinear)
    filter_.SetDefaultPixelValue(AIR_HU)
    filter_.SetOutputPixelType(sitk.sitkInt16)
    return np.asarray(sitk.GetArrayFromImage(filter_.Execute(image)), dtype=np.int16)


def _seen(patient: PatientVolume, ct_from_patient: RigidTransform, grid: Grid) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last voxel (k, j, i) of the patient that the field can reach: a whole CT is many times as large."""
    n = np.array(grid.shape)
    corners = grid.points(np.array(np.meshgrid(*[(-0.5, m - 0.5) for m in n], indexing="ij")).reshape(3, -1).T)
    index = patient.grid.indices(ct_from_patient.inverse().apply(corners))
    low = np.maximum(np.floor(index.min(axis=0)).astype(np.int64) - 1, 0)
    high = np.minimum(np.ceil(index.max(axis=0)).astype(np.int64) + 2, patient.hu.shape)
    return low, high


def _finish(hu: NDArray[np.int16], grid: Grid, spec: ScanSpec) -> None:
    """Shading and noise inside the cylinder, nothing outside; saturated. In place, slice by slice: the volume is large."""
    rng = np.random.default_rng([spec.seed, 7])
    plane = grid.crop((slice(0, 1), slice(0, None), slice(0, None))).all_points()[0, ..., :2] - spec.isocentre_lps_mm[:2]
    out = np.linalg.norm(plane, axis=-1) / (spec.field_mm[0] / 2)
    bowl, outside = (spec.shading_hu * (out**2 - 0.5)).astype(np.float32), out > 1
    gain = np.float32(spec.noise_hu / float(np.sum(np.square(GRAIN))))  # a separable kernel leaves this deviation of white noise
    side, middle = np.float32(GRAIN[0]), np.float32(GRAIN[1])
    for k in range(len(hu)):
        white = rng.standard_normal((hu.shape[1] + 2, hu.shape[2] + 2), dtype=np.float32)
        across = side * (white[:, :-2] + white[:, 2:]) + middle * white[:, 1:-1]
        noise = side * (across[:-2] + across[2:]) + middle * across[1:-1]
        noise *= gain
        noise += bowl
        noise += hu[k]
        np.clip(noise, AIR_HU, spec.top_hu, out=noise)
        noise[outside] = AIR_HU
        np.rint(noise, out=noise)
        hu[k] = noise
