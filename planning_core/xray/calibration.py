"""A C-arm's geometry from one picture of the bead phantom: where the source was, and how its detector bends straight lines."""

from __future__ import annotations

import attrs
import numpy as np
import scipy.ndimage as ndi
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict, Field
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from planning_core.geometry import RigidTransform
from planning_core.geometry.arrays import FloatArray
from planning_core.xray.bead_pose import first_pose, pairs_of
from planning_core.xray.bead_shadows import Shadows, find_shadows
from planning_core.xray.geometry import CAMERA, PinholeView
from planning_core.xray.image import XrayImage
from planning_core.xray.phantom import PHANTOM, BeadPhantom
from planning_core.xray.refusals import (
    InvalidViewError,
    MirroredViewError,
    OutsideViewError,
    PhantomNotFoundError,
    PoorCalibrationError,
    TooFewShadowsError,
)

ROUNDS = 6
INVERSIONS = 12
SCALE = np.array([1e-2, 1e-2, 1e-2, 1.0, 1.0, 10.0, 10.0, 5.0, 5.0, 1e-2, 1e-2])
"""Ordinary sizes of the unknowns: turn, shift (depth more), SID, principal point, radial, spiral."""


class CalibrationConfig(BaseModel):
    """When a calibration is believed."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    min_beads: int = Field(12, ge=8, description="matched; eleven unknowns, two numbers a bead")
    start_mm: float = Field(6.0, gt=0, description="how far, on the detector, a bead may lie from where the first pose puts it")
    max_rms_mm: float = Field(0.3, gt=0, description="of the beads on the detector, after the fit; assumed")
    max_source_sigma_mm: float = Field(5.0, gt=0, description="of the source along the beam; assumed")


@attrs.frozen
class Distortion:
    """Radial and S-shaped distortion: seen = centre + turned by spiral * r² of (ideal - centre) * (1 + radial * r²).

    Args:
        centre: (row, column). scale_px: where r is 1. radial; spiral: rad (an image intensifier in the earth's field).
    """

    centre: tuple[float, float]
    scale_px: float
    radial: float = 0.0
    spiral: float = 0.0

    def seen(self, ideal: ArrayLike) -> FloatArray:
        """Pixels (..., 2) of a pinhole to where the detector shows them."""
        away = np.asarray(ideal, np.float64) - self.centre
        square = (away**2).sum(axis=-1) / self.scale_px**2
        angle, stretch = self.spiral * square, 1 + self.radial * square
        row = np.cos(angle) * away[..., 0] - np.sin(angle) * away[..., 1]
        column = np.sin(angle) * away[..., 0] + np.cos(angle) * away[..., 1]
        return np.stack([row, column], axis=-1) * stretch[..., None] + self.centre

    def ideal(self, seen: ArrayLike) -> FloatArray:
        """Back, by steps: distortions of a tenth of the picture and less."""
        wanted = np.asarray(seen, np.float64)
        found = wanted
        for _ in range(INVERSIONS):
            found = found + wanted - self.seen(found)
        return found

    def straightened(self, image: XrayImage) -> XrayImage:
        """The image as a pinhole would show it; what lies beyond its border counts as not exposed."""
        at = self.seen(np.moveaxis(np.mgrid[: image.view.size[0], : image.view.size[1]], 0, -1))
        at = np.moveaxis(at, -1, 0)
        pixels = ndi.map_coordinates(image.pixels, at, order=1, mode="nearest", output=np.float32)
        valid = ndi.map_coordinates(image.valid.astype(np.float32), at, order=1, mode="constant") > 0.99
        return attrs.evolve(image, pixels=pixels, valid=valid)


@attrs.frozen(eq=False)
class CarmCalibration:
    """A calibrated view.

    Args:
        view: of straightened pixels, in the frame ``phantom``. distortion: of the picture as it came.
        rms_px: of the reprojected beads; rms_mm: the same on the detector.
        pairs: (bead, shadow) used. shadows: found.
        source_sigma_mm: of the source along the beam; centre_sigma_px: of the principal point: one sigma each, by curvature.
    """

    view: PinholeView
    distortion: Distortion
    rms_px: float
    rms_mm: float
    pairs: tuple[tuple[int, int], ...]
    shadows: Shadows
    source_sigma_mm: float
    centre_sigma_px: float

    def straightened(self, image: XrayImage) -> XrayImage:
        """The picture as a pinhole would show it, in the calibrated view."""
        return attrs.evolve(self.distortion.straightened(image), view=self.view)


def calibrate(image: XrayImage, phantom: BeadPhantom, config: CalibrationConfig | None = None) -> CarmCalibration:
    """Intrinsics, pose and distortion from one picture of the phantom.

    The image's own view is taken as nominal: its distances and spacing may be some percent off, its pose is not used. Beads are
    matched without order (see ``first_pose``), then everything is fitted to all of them by least squares (Levenberg-Marquardt).

    Raises:
        TooFewShadowsError, PhantomNotFoundError, PoorCalibrationError, MirroredViewError: with their numbers.
    """
    config = config or CalibrationConfig()
    nominal = image.view
    spacing = float(np.mean(nominal.pixel_spacing_mm))
    isocentre = nominal.source_to_isocentre_mm
    per_mm = nominal.source_to_detector_mm / isocentre / spacing
    shadows = find_shadows(image, phantom.small_mm * per_mm, phantom.large_mm * per_mm)
    needed = config.min_beads
    if len(shadows.pixels) < needed or int(shadows.large.sum()) < 3:
        raise TooFewShadowsError(
            f"{len(shadows.pixels)} shadows of balls, {int(shadows.large.sum())} of them large: {needed} and 3 are needed",
            found=len(shadows.pixels),
            needed=needed,
        )
    tolerance = config.start_mm / spacing
    view, explained = first_pose(nominal, phantom, shadows, tolerance)
    if explained < needed:
        _, mirrored = first_pose(nominal.mirrored(), phantom, shadows, tolerance)
        if mirrored >= needed:
            raise MirroredViewError("the phantom is seen in a mirror", from_detector_side=[not nominal.from_detector_side])
        raise PhantomNotFoundError(
            f"{explained} of {len(shadows.pixels)} shadows fit the phantom, {needed} are needed",
            matched=explained,
            needed=needed,
            found=len(shadows.pixels),
        )
    return _fitted(view, phantom, shadows, tolerance, config)


def linear_view(nominal: PinholeView, beads: FloatArray, pixels: FloatArray) -> PinholeView | None:
    """The direct linear transform of six pairs or more (Hartley and Zisserman 2004, 7.1); ``None`` where it gives no C-arm."""
    around, middle = pixels.mean(axis=0), beads.mean(axis=0)
    flat, deep = float(np.std(pixels)) or 1.0, float(np.std(beads)) or 1.0
    p = np.column_stack([(beads - middle) / deep, np.ones(len(beads))])
    v, u = ((pixels - around) / flat).T
    zero = np.zeros_like(p)
    rows = np.vstack([np.hstack([p, zero, -u[:, None] * p]), np.hstack([zero, p, -v[:, None] * p])])
    matrix = np.linalg.svd(rows)[2][-1].reshape(3, 4)
    back = np.array([[flat, 0, around[1]], [0, flat, around[0]], [0, 0, 1.0]])
    there = np.eye(4)
    there[:3, :3] /= deep
    there[:3, 3] = -middle / deep
    try:
        return PinholeView.from_matrix(
            back @ matrix @ there, nominal.size, nominal.pixel_spacing_mm, frame=PHANTOM, before_source_mm=middle
        )
    except InvalidViewError:
        return None


def _fitted(
    view: PinholeView, phantom: BeadPhantom, shadows: Shadows, tolerance: float, config: CalibrationConfig
) -> CarmCalibration:
    size = np.array(view.size)
    distortion = Distortion(tuple((size - 1) / 2), float(np.linalg.norm(size)) / 2)
    pairs = pairs_of(view, phantom, shadows, tolerance)
    for round_ in range(ROUNDS):
        mine, theirs = (list(column) for column in zip(*pairs, strict=True))
        beads, pixels = phantom.beads_mm[mine], shadows.pixels[theirs]
        starts = [view]
        if round_ == 1 and (direct := linear_view(view, beads, distortion.ideal(pixels))) is not None:
            starts.append(_plain(direct))
        view, distortion, rms, covariance = min((_solved(s, distortion, beads, pixels) for s in starts), key=lambda f: f[2])
        seen = Shadows(distortion.ideal(shadows.pixels), shadows.large)
        again = pairs_of(view, phantom, seen, min(tolerance, max(4 * rms, 0.75)))
        if again == pairs or len(again) < config.min_beads:
            break
        pairs = again
    spacing = float(np.mean(view.pixel_spacing_mm))
    source_sigma, centre_sigma = float(np.sqrt(covariance[5, 5])), float(np.sqrt(max(covariance[7, 7], covariance[8, 8])))
    if rms * spacing > config.max_rms_mm or len(pairs) < config.min_beads:
        raise PoorCalibrationError(
            f"{len(pairs)} beads fit one pinhole to {rms * spacing:.2f} mm rms, limit {config.max_rms_mm} mm",
            rms_px=rms,
            limit=config.max_rms_mm,
        )
    if source_sigma > config.max_source_sigma_mm:
        raise PoorCalibrationError(
            f"the source is known to {source_sigma:.1f} mm along the beam only, limit {config.max_source_sigma_mm} mm: "
            "the beads in view have too little depth",
            source_sigma_mm=source_sigma,
            limit=config.max_source_sigma_mm,
        )
    return CarmCalibration(view, distortion, rms, rms * spacing, tuple(pairs), shadows, source_sigma, centre_sigma)


def _plain(view: PinholeView) -> PinholeView:
    """Without skew, its pixels as wide and high as the spacing says."""
    k = view.intrinsic
    distance = view.source_to_detector_mm
    across = np.sign(k[0, 0]) * distance / view.pixel_spacing_mm[1]
    plain = [[across, 0, k[0, 2]], [0, distance / view.pixel_spacing_mm[0], k[1, 2]], [0, 0, 1]]
    return attrs.evolve(view, intrinsic=plain)


def _solved(
    view: PinholeView, distortion: Distortion, beads: FloatArray, pixels: FloatArray
) -> tuple[PinholeView, Distortion, float, FloatArray]:
    """View and distortion fitted to pairs, the rms of a bead in pixels, and the (11, 11) covariance of the unknowns."""
    turn, shift = view.camera_from_scene.rotation, view.camera_from_scene.translation_mm
    own = view.source_to_detector_mm, view.intrinsic[1, 2], view.intrinsic[0, 2], distortion.radial, distortion.spiral
    start = np.array([*np.zeros(6), *own])
    sign = np.sign(view.intrinsic[0, 0])

    def made(x: FloatArray) -> tuple[PinholeView, Distortion]:
        further = Rotation.from_rotvec(x[:3]).as_matrix()
        pose = RigidTransform.from_parts(CAMERA, PHANTOM, further @ turn, shift + x[3:6])
        down, across = x[6] / view.pixel_spacing_mm[0], sign * x[6] / view.pixel_spacing_mm[1]
        k = [[across, 0, x[8]], [0, down, x[7]], [0, 0, 1]]
        bent = attrs.evolve(distortion, radial=float(x[9]), spiral=float(x[10]))
        return PinholeView(pose, k, view.size, view.pixel_spacing_mm), bent

    def apart(x: FloatArray) -> FloatArray:
        try:
            there, bent = made(x)
            return np.asarray((bent.seen(there.project(beads)) - pixels).ravel())
        except (OutsideViewError, InvalidViewError):
            return np.full(pixels.size, 1e4)

    fit = least_squares(apart, start, x_scale=SCALE, method="trf")
    there, bent = made(fit.x)
    rms = float(np.sqrt((fit.fun**2).sum() / len(beads)))
    spare = max(pixels.size - len(start), 1)
    variance = max(float((fit.fun**2).sum()) / spare, 1e-12)
    return there, bent, rms, variance * np.linalg.pinv(fit.jac.T @ fit.jac)
