"""Random patches of subjects on the training device: pose jitter, warps, fractures, scanner looks, and their targets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from planning_core.anatomy import patches
from planning_core.anatomy.patches import SPINE_MAP, VERTEBRA, Window
from planning_core.anatomy.training.subjects import UNKNOWN, Instance, Subject
from planning_core.anatomy.training.synthesis import Dice, paint

IGNORE = -100
LAST_THORACIC_ID = 19


class Volume:
    """One subject's arrays as tensors on the device, sampled at points in ct_lps."""

    def __init__(self, subject: Subject, device: torch.device) -> None:
        self.subject = subject
        grid = subject.grid
        self.origin = torch.tensor(grid.origin_mm.copy(), dtype=torch.float32, device=device)
        self.size = torch.tensor(grid.shape[::-1], dtype=torch.float32, device=device)

        def tensor(array: np.ndarray, dtype: torch.dtype) -> Tensor:
            return torch.from_numpy(array.copy()).to(device, dtype)[None, None]

        self.hu = tensor(subject.hu, torch.float32) if subject.hu is not None else None
        self.labels = tensor(subject.labels, torch.float32)
        self.classes = tensor(subject.classes, torch.float32)
        self.distance = tensor(subject.distance, torch.float32) / 4
        self.instances: Sequence[Instance] = [i for i in subject.instances if 8 <= i.verse_id <= 25]

    def sample(self, array: Tensor, points: Tensor, mode: str = "bilinear") -> Tensor:
        """Values at points (..., 3) mm; border values beyond."""
        where = (points - self.origin) / (self.size - 1) * 2 - 1
        flat = where.reshape(1, *where.shape)
        return functional.grid_sample(array, flat, mode=mode, padding_mode="border", align_corners=True)[0, 0]

    def inside(self, points: Tensor) -> Tensor:
        """Bool (...): which points the volume covers."""
        index = points - self.origin
        return ((index > -0.5) & (index < self.size - 0.5)).all(-1)


class Sampler:
    """Draws training batches for one window.

    Args:
        subjects: training patients. window: which network. seed: of everything random here.
        synthetic_share: how often a patient with a CT is repainted.
    """

    def __init__(
        self, subjects: Sequence[Subject], window: Window, seed: int, device: torch.device, synthetic_share: float = 0.3
    ) -> None:
        self.window, self.device, self.synthetic_share = window, device, synthetic_share
        self.volumes = [Volume(s, device) for s in subjects]
        self.rng = np.random.default_rng(seed)
        generator = torch.Generator(device)
        generator.manual_seed(seed)
        self.dice = Dice(generator)
        self.offsets = torch.from_numpy(patches.offsets(window)).to(device)
        self.coordinates = torch.from_numpy(patches.coordinates(window)).to(device)
        # a patient weighs by the root of its vertebrae, one with a CT twice
        weight = np.array([np.sqrt(len(v.instances)) * (1 + (v.hu is not None)) for v in self.volumes])
        self.weight = weight / weight.sum()

    def batch(self, size: int) -> tuple[Tensor, Tensor]:
        """Inputs (size, 4, k, j, i) and targets (size, k, j, i) int64 with ``IGNORE`` where unknown."""
        pairs = [self._one() for _ in range(size)]
        return torch.stack([p[0] for p in pairs]), torch.stack([p[1] for p in pairs])

    def _one(self) -> tuple[Tensor, Tensor]:
        volume = self.volumes[self.rng.choice(len(self.volumes), p=self.weight)]
        one = volume.instances[int(self.rng.integers(len(volume.instances)))]
        local, points, fractured = self._points(one)
        classes = volume.sample(volume.classes, points, "nearest").round()
        distance = volume.sample(volume.distance, points)
        covered = volume.inside(points)
        if self.window is SPINE_MAP:
            target = classes.long()
        else:
            target = self._this_and_others(volume, one, points, distance)
        target[(classes == UNKNOWN) & covered] = IGNORE
        target[~covered] = 0
        if volume.hu is None or self.rng.random() < self.synthetic_share:
            hu = paint(distance, classes, local, self.dice, thoracic=one.verse_id <= LAST_THORACIC_ID)
            if volume.hu is not None:  # where labels end, spine goes on: keep the real picture there
                hu = torch.where(classes == UNKNOWN, volume.sample(volume.hu, points), hu)
        else:
            hu = volume.sample(volume.hu, points)
            if self.rng.random() < 0.7:
                hu = self._bone_density(hu)
        if fractured and self.rng.random() < 0.25:
            hu = self._gas(hu, local)
        hu = self._scanner(hu)
        hu = torch.where(covered, hu, -1000.0)
        seen = ((hu - 150) / 300).clamp(-2, 4)
        return torch.cat([seen[None], self.coordinates]), target

    def _this_and_others(self, volume: Volume, one: Instance, points: Tensor, distance: Tensor) -> Tensor:
        centre = torch.tensor(one.pose.centre_lps_mm.copy(), dtype=torch.float32, device=self.device)
        low = ((centre - volume.origin) - 85).clamp_min(0).long()
        high = torch.minimum((centre - volume.origin + 85).long(), volume.size.long())
        crop = volume.labels[:, :, low[2] : high[2], low[1] : high[1], low[0] : high[0]] == one.verse_id
        where = (points - volume.origin - low) / (high - low - 1) * 2 - 1
        occupancy = functional.grid_sample(crop.float(), where[None], padding_mode="zeros", align_corners=True)[0, 0]
        this = occupancy > 0.5
        return torch.where(this, 1, torch.where((distance < 0) & (occupancy < 0.5), 2, 0)).long()

    def _points(self, one: Instance) -> tuple[Tensor, Tensor, bool]:
        """Patch voxels in the vertebra's own frame (before and after the jitter they are seen under) and in ct_lps."""
        rng, upright = self.rng, self.window is SPINE_MAP
        tilt = np.deg2rad(rng.normal(0, (10, 5, 5) if upright else (7, 6, 7)))
        turn = _rotation(tilt)
        size = rng.uniform(0.82, 1.22) * rng.uniform(0.93, 1.07, 3)
        shift = rng.normal(0, (3, 4, 10) if upright else (2, 2.5, 3))
        axes = np.eye(3) if upright else one.pose.axes
        reference = one.pose.centre_lps_mm + (22 * one.pose.posterior if upright else 0)
        if upright:
            shift[2] += rng.uniform(-40, 40)
        local = self.offsets * self._tensor(size)
        local = local @ self._tensor(turn.T) + self._tensor(shift)
        if rng.random() < 0.5:
            local = local * self._tensor([-1, 1, 1])
        if rng.random() < 0.7:
            local = local + self._elastic(rng.uniform(0.5, 2.5))
        fractured = not upright and rng.random() < 0.35
        seen = local
        if fractured:
            local = self._fracture(local)
        points = local @ self._tensor(axes.T) + self._tensor(reference)
        if upright:
            seen = seen + self._tensor([0.0, 22.0, 0.0])
        return seen, points, fractured

    def _tensor(self, values: object) -> Tensor:
        return torch.as_tensor(np.array(values, dtype=np.float32), device=self.device)

    def _elastic(self, mm: float) -> Tensor:
        fields = [self.dice.smooth(self.window.shape, 5) * mm for _ in range(3)]
        return torch.stack(fields, -1)

    def _fracture(self, local: Tensor) -> Tensor:
        """Where each voxel of a collapsed body came from in the intact one: stretched along the spine's axis."""
        rng = self.rng
        left, back, up = local.unbind(-1)
        forward = ((12 - back) / 32).clamp(0, 1.3)
        kind = rng.integers(3)
        if kind == 0:
            profile = forward
        elif kind == 1:
            profile = torch.exp(-((back + 2) ** 2 + left**2) / rng.uniform(11, 17) ** 2)
        else:
            profile = 0.45 + 0.55 * forward
        inside = torch.sigmoid((14 - back) / 2) * torch.exp(-((left / 30) ** 4))
        loss = rng.uniform(0.1, 0.55) * profile * inside
        half = rng.uniform(11, 15)
        stretched = up / (1 - loss)
        # beyond the endplates the neighbours come closer instead of being stretched
        beyond = up.sign() * half * loss / (1 - loss) + up
        squeezed = torch.where(stretched.abs() < half, stretched, beyond)
        return torch.stack([left, back, squeezed], -1)

    def _bone_density(self, hu: Tensor) -> Tensor:
        factor = self.rng.uniform(0.5, 1.4)
        return torch.where(hu > 40, 40 + (hu - 40) * factor, hu)

    def _gas(self, hu: Tensor, local: Tensor) -> Tensor:
        radius = self.rng.uniform((4, 4, 1), (13, 13, 4))
        centre = self.rng.normal(0, (4, 4, 3))
        cleft = (((local - self._tensor(centre)) / self._tensor(radius)) ** 2).sum(-1) < 1
        return torch.where(cleft, self.rng.uniform(-700, -100), hu)

    def _scanner(self, hu: Tensor) -> Tensor:
        """Thick slices along one axis, kernel blur, noise with and without correlation, calibration."""
        rng, volume = self.rng, hu[None, None]
        if rng.random() < 0.5:
            axis = int(rng.integers(3))
            factor = rng.uniform(1.2, 3.4 if self.window is VERTEBRA else 2.5)
            size = [n if a != axis else max(4, round(n / factor)) for a, n in enumerate(hu.shape)]
            thick = functional.interpolate(volume, size=size, mode="area")
            volume = functional.interpolate(thick, size=hu.shape, mode="trilinear", align_corners=False)
        if rng.random() < 0.3:
            volume = functional.avg_pool3d(volume, 3, 1, 1) * 0.6 + volume * 0.4
        noise = self.dice.normal(*hu.shape)[None, None] * rng.uniform(0, 45)
        if rng.random() < 0.5:
            noise = functional.avg_pool3d(noise, 3, 1, 1) * 2.5
        return (volume + noise)[0, 0] * rng.uniform(0.93, 1.07) + rng.normal(0, 12)


def _rotation(angles: np.ndarray) -> np.ndarray:
    """About x, then y, then z, radians."""
    from scipy.spatial.transform import Rotation

    return Rotation.from_euler("xyz", angles).as_matrix()
