"""A bone of a CT laid over X-ray images with known geometry: where it is at the moment of the shots, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
import scipy.ndimage as ndi
from numpy.typing import ArrayLike
from scipy.spatial.transform import Rotation

from planning_core.geometry import FrameMismatchError, RigidTransform
from planning_core.geometry.arrays import BoolArray, FloatArray
from planning_core.imaging.drr.attenuation import CT_KEV, WATER_CM2_G, AttenuationVolume, mass_attenuation
from planning_core.imaging.volume import CtVolume
from planning_core.registration.refusals import XrayRegistrationError
from planning_core.registration.target_error import TargetError, error_at
from planning_core.registration.uncertain import UncertainTransform, adjoint
from planning_core.registration.xray_config import XrayRegistrationConfig
from planning_core.registration.xray_likeness import Picture, Step, likeness, picture_around, shift_to, step
from planning_core.xray.image import XrayImage

DAMPING = 1e-3
MOST_DAMPING = 1e3
SEED = 20
LEAST_SIGMA = 0.01
"""Of likeness by chance, however little the places looked at differ."""
FAR_BEHIND = 2.0
"""Leads by which a result is out of the race before the finest level."""
BRIEF = 8
"""Iterations by which a start shows what it is worth."""


@attrs.frozen(eq=False)
class XrayRegistration:
    """A bone laid over X-ray images.

    Args:
        scene_from_ct: T_<views' frame>_ct_lps with its error.
        middle_mm: (3,) the bone's middle, ct_lps.
        likeness: -1 to 1, one per view. significance: by how many sigmas it exceeds that of places where the bone is not.
        lead: by which the result beats any other that was found (1 where there was none).
        doubts: why it must not be used; empty where it may.
    """

    scene_from_ct: UncertainTransform
    middle_mm: FloatArray
    likeness: tuple[float, ...]
    significance: tuple[float, ...]
    lead: float
    doubts: tuple[str, ...]

    @property
    def trusted(self) -> bool:
        """Nothing speaks against it."""
        return not self.doubts

    def error_at(self, point_lps_mm: ArrayLike) -> TargetError:
        """The error to expect at a point (3,) of ct_lps, in the views' frame."""
        return error_at(self.scene_from_ct, point_lps_mm)


def bone_volume(ct: CtVolume, mask: BoolArray | None = None, config: XrayRegistrationConfig | None = None) -> AttenuationVolume:
    """What of a CT shows as bone, 1/mm above soft tissue, cut to the box it fills.

    Args:
        mask: (nk, nj, ni) bool of one vertebra; the whole scan's bones when ``None``.

    Raises:
        XrayRegistrationError: no bone there.
    """
    config = config or XrayRegistrationConfig()
    hu = np.minimum(ct.hu, np.int16(config.metal_hu))
    excess = np.maximum(hu - np.int16(config.soft_hu), 0).astype(np.float32)
    if mask is not None:
        near = np.maximum(1, np.round(config.around_mm / ct.grid.spacing_mm[::-1])).astype(int)
        around = np.stack(np.meshgrid(*[np.arange(-n, n + 1) / n for n in near], indexing="ij"))
        excess[~ndi.binary_dilation(mask, (around**2).sum(axis=0) <= 1)] = 0
    if not excess.any():
        raise XrayRegistrationError("no bone in the scan or under the mask", pixels=0, needed=1)
    per_hu = mass_attenuation(WATER_CM2_G, CT_KEV) / 10 / 1000
    return AttenuationVolume(excess * np.float32(per_hu), ct.grid).cropped()


def register_to_xrays(
    bone: AttenuationVolume,
    images: Sequence[XrayImage],
    start: RigidTransform,
    config: XrayRegistrationConfig | None = None,
) -> XrayRegistration:
    """Lay a bone over one or more X-ray images.

    From turns about the start, the bone is first shifted onto each picture, then moved by Gauss-Newton steps, coarse to fine; the
    best few are followed to the end. The error to expect is the sandwich estimate over blocks of the picture (Liang and Zeger
    1986), as neighbouring pixels' errors belong together.

    Args:
        bone: see ``bone_volume``. images: their views all in ``start.dst``. start: T_<views' frame>_ct_lps, roughly.

    Raises:
        XrayRegistrationError: no view shows the bone. FrameMismatchError: frames do not meet.
    """
    config = config or XrayRegistrationConfig()
    frames = [start.dst, *(image.view.frame for image in images)]
    if len(set(frames)) > 1 or start.src != bone.grid.frame or not images:
        raise FrameMismatchError(f"start {start.dst} from {start.src}, views in {frames[1:]}", left=start.dst, right=frames[-1])
    middle = _middle(bone)
    search = _Search(bone, images, middle, config)
    coarse = search.pictures(start, 0)
    found = []
    for turn in _turns(config.turns_deg):
        pose = search.shifted(search.moved(start, np.array([*turn, 0.0, 0.0, 0.0])), coarse)
        found.append(search.climbed(pose, coarse, BRIEF))
    found.sort(key=lambda pair: -pair[1])
    lead = 1.0
    for level in range(len(config.levels_mm)):
        followed = _distinct(found, middle, config.apart_mm)[: config.kept]
        found = [search.climbed(pose, search.pictures(pose, level), config.iterations, level) for pose, _ in followed]
        found.sort(key=lambda pair: -pair[1])
        found = _distinct(found, middle, config.apart_mm)
        behind = [found[0][1] - score for _, score in found]
        # what is far behind is not followed further, but has been seen
        lead = min([lead, *(gap for gap in behind if gap > FAR_BEHIND * config.lead)])
        found = [pair for pair, gap in zip(found, behind, strict=True) if gap <= FAR_BEHIND * config.lead]
    if len(found) > 1:
        lead = min(lead, found[0][1] - found[1][1])
    return search.judged(found[0][0], lead, start)


class _Search:
    """One bone, its images and what is asked of them."""

    def __init__(
        self, bone: AttenuationVolume, images: Sequence[XrayImage], middle: FloatArray, config: XrayRegistrationConfig
    ) -> None:
        self.bone, self.images, self.middle, self.config = bone, images, middle, config
        corner = bone.grid.points([-0.5] * 3)
        self.radius_mm = float(np.linalg.norm(corner - middle)) / 2

    def pictures(self, pose: RigidTransform, level: int) -> list[Picture]:
        """Each image around the bone at one level.

        Raises:
            XrayRegistrationError: an image shows nothing of the bone.
        """
        config = self.config
        reach = config.search_mm if level == 0 else 2 * config.levels_mm[level - 1]
        found = [picture_around(i, self.bone, pose, config.levels_mm[level], reach, config.blur_px) for i in self.images]
        missing = [n for n, picture in enumerate(found) if picture is None]
        if missing:
            raise XrayRegistrationError(
                f"views {missing} do not show the bone where it is thought to be", views=missing, needed=1
            )
        return [picture for picture in found if picture is not None]

    def moved(self, pose: RigidTransform, move: FloatArray) -> RigidTransform:
        """The bone turned about its middle (rad) and shifted (mm) in its own frame, then placed as before."""
        turn = Rotation.from_rotvec(move[:3]).as_matrix()
        own = RigidTransform.from_parts(pose.src, pose.src, turn, self.middle - turn @ self.middle + move[3:])
        return pose @ own

    def shifted(self, pose: RigidTransform, pictures: Sequence[Picture]) -> RigidTransform:
        """The pose shifted so that each view's bone lies where it fits best in the picture's plane."""
        at = pose.apply(self.middle)
        rows, wanted = [], []
        for picture in pictures:
            slope = picture.view.project_slope(at)
            reach = self.config.search_mm * np.linalg.norm(slope, axis=1)
            wanted.append(shift_to(picture, self.bone, pose, self.config.blur_px, reach))
            rows.append(slope)
        # along a single view's beam nothing is known: there the shortest shift is taken
        shift = np.linalg.lstsq(np.vstack(rows), np.concatenate(wanted), rcond=1e-3)[0]
        away = RigidTransform.from_parts(pose.dst, pose.dst, np.eye(3), shift)
        return away @ pose

    def climbed(
        self, pose: RigidTransform, pictures: Sequence[Picture], iterations: int, level: int = 0
    ) -> tuple[RigidTransform, float]:
        """Levenberg and Marquardt's steps to the nearest summit of the likeness, summed over views."""
        damping, settled = DAMPING, self.config.settled_px * self.config.levels_mm[level]
        steps = [self._step(picture, pose) for picture in pictures]
        score = float(np.mean([s.likeness for s in steps]))
        for _ in range(iterations):
            normal, pull = np.sum([s.normal for s in steps], axis=0), np.sum([s.pull for s in steps], axis=0)
            scale = np.diag(normal) + 1e-9 * np.trace(normal) * np.array([self.radius_mm**2] * 3 + [1.0] * 3) + 1e-12
            move: FloatArray = np.asarray(np.linalg.solve(normal + damping * np.diag(scale), pull), np.float64)
            far = float(np.hypot(np.linalg.norm(move[:3]) * self.radius_mm, np.linalg.norm(move[3:])))
            move *= min(1.0, self.config.search_mm / 2 / max(far, 1e-9))
            tried = self.moved(pose, move)
            then = float(np.mean([likeness(p, self.bone, tried, self.config.blur_px) for p in pictures]))
            if then > score:
                pose, score, damping = tried, then, max(damping / 5, 1e-6)
                if far < settled:
                    break
                steps = [self._step(picture, pose) for picture in pictures]
            else:
                damping *= 10
                if damping > MOST_DAMPING or far < settled:
                    break
        return pose, score

    def _step(self, picture: Picture, pose: RigidTransform) -> Step:
        return step(picture, self.bone, pose, self.config.blur_px, self.middle)

    def judged(self, pose: RigidTransform, lead: float, start: RigidTransform) -> XrayRegistration:
        """The result with its error and what speaks against it."""
        config = self.config
        steps = [self._step(p, pose) for p in self.pictures(pose, len(config.levels_mm) - 1)]
        covariance = self._covariance(steps, pose)
        scene_from_ct = UncertainTransform(pose, covariance)
        likenesses = tuple(round(s.likeness, 6) for s in steps)
        bound = error_at(scene_from_ct, self.middle).bound95_mm
        away = float(np.linalg.norm(pose.apply(self.middle) - start.apply(self.middle)))
        doubts = []
        if min(likenesses) < config.min_likeness:
            doubts.append(
                f"view {int(np.argmin(likenesses))} shows likeness {min(likenesses):.2f}, {config.min_likeness} is needed"
            )
        significance = self._significance(pose, likenesses)
        if min(significance) < config.min_significance:
            doubts.append(
                f"view {int(np.argmin(significance))} is like the bone by {min(significance):.1f} sigmas of chance only, "
                f"{config.min_significance} are needed"
            )
        if lead < config.lead:
            doubts.append(f"another place fits nearly as well: likeness differs by {lead:.3f}, {config.lead} is needed")
        if bound > config.max_bound95_mm:
            doubts.append(f"error up to {bound:.1f} mm (95 %) in the bone's middle, limit {config.max_bound95_mm:.1f} mm")
        if away > 1.5 * config.search_mm:
            doubts.append(f"{away:.0f} mm from the start, further than was to be looked ({config.search_mm:.0f} mm)")
        return XrayRegistration(scene_from_ct, self.middle, likenesses, significance, lead, tuple(doubts))

    def _significance(self, pose: RigidTransform, likenesses: Sequence[float]) -> tuple[float, ...]:
        """Each view's likeness over that at places around, in sigmas of those."""
        config, rng = self.config, np.random.default_rng(SEED)
        ways = rng.normal(size=(config.places, 3))
        far = rng.uniform(config.elsewhere_mm, max(config.search_mm, config.elsewhere_mm + 1), config.places)
        shifts = ways * (far / np.linalg.norm(ways, axis=1))[:, None]
        turns = np.radians(rng.uniform(-1, 1, (config.places, 3)) * max(config.turns_deg))
        elsewhere = [self.moved(pose, np.concatenate([turn, shift])) for turn, shift in zip(turns, shifts, strict=True)]
        found = []
        for image, here in zip(self.images, likenesses, strict=True):
            wide = picture_around(image, self.bone, pose, config.levels_mm[-1], config.search_mm, config.blur_px)
            there = [likeness(wide, self.bone, place, config.blur_px) for place in elsewhere] if wide is not None else [1.0]
            found.append((here - float(np.mean(there))) / max(float(np.std(there)), LEAST_SIGMA))
        return tuple(round(value, 3) for value in found)

    def _covariance(self, steps: Sequence[Step], pose: RigidTransform) -> FloatArray:
        normal = np.sum([s.normal for s in steps], axis=0)
        spread = np.zeros((6, 6))
        for s in steps:
            pulls = (s.slopes * s.residual[..., None]).sum(axis=0)
            n = self.config.block_px
            blocks = np.add.reduceat(
                np.add.reduceat(pulls, np.arange(0, pulls.shape[0], n), 0), np.arange(0, pulls.shape[1], n), 1
            )
            flat = blocks.reshape(-1, 6).astype(np.float64)
            spread += flat.T @ flat
        inverse = np.linalg.pinv(normal, rcond=1e-9, hermitian=True)
        own = inverse @ spread @ inverse
        to_scene = adjoint(RigidTransform.from_parts(pose.dst, pose.src, pose.rotation, pose.apply(self.middle)))
        out = to_scene @ own @ to_scene.T
        out[3:, 3:] += self.config.model_sigma_mm**2 * np.eye(3)
        return np.asarray((out + out.T) / 2)


def _middle(bone: AttenuationVolume) -> FloatArray:
    """(3,) mm: the bone's centre of mass, to which the middle of its body is near."""
    return bone.grid.points(np.array(ndi.center_of_mass(bone.mu)))


def _turns(angles_deg: Sequence[float]) -> list[FloatArray]:
    """Rotation vectors (3,) rad: each angle about each axis, both ways."""
    turns = [np.zeros(3)]
    for angle in sorted({float(a) for a in angles_deg} - {0.0}):
        turns += [sign * np.radians(angle) * axis for axis in np.eye(3) for sign in (1, -1)]
    return turns


def _distinct(
    ranked: Sequence[tuple[RigidTransform, float]], middle: FloatArray, apart_mm: float
) -> list[tuple[RigidTransform, float]]:
    """The ranked poses without those that lie near a better one."""
    probe = middle + 20.0 * np.vstack([np.zeros((1, 3)), np.eye(3), -np.eye(3)])
    kept: list[tuple[RigidTransform, float]] = []
    for pose, score in ranked:
        at = pose.apply(probe)
        if all(np.linalg.norm(at - other.apply(probe), axis=1).max() > apart_mm for other, _ in kept):
            kept.append((pose, score))
    return kept
