"""Training of the third network: crops at 1 mm with the second network's answer as input."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor
from torch.nn import functional

from planning_core.anatomy import patches
from planning_core.anatomy.patches import REFINEMENT, VERTEBRA
from planning_core.anatomy.training.fit import loss
from planning_core.anatomy.training.sampling import IGNORE, Volume
from planning_core.anatomy.training.subjects import UNKNOWN, Subject
from planning_core.anatomy.training.unet import UNet

INPUTS = 3
CROP = 48


def train_refinement(
    subjects: Sequence[Subject],
    second: UNet,
    *,
    seed: int,
    steps: int,
    crops: int = 3,
    rate: float = 3e-3,
    report: Callable[[str], None] = print,
) -> UNet:
    """Train on patients with a CT; their vertebrae are first segmented by the second network, under pose jitter.

    Args:
        second: the second network, trained without the same left-out patient.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    device = torch.device("cpu")
    volumes = [Volume(s, device) for s in subjects if s.hu is not None]
    coarse, fine = (torch.from_numpy(patches.offsets(w)) for w in (VERTEBRA, REFINEMENT))
    coordinates = torch.from_numpy(patches.coordinates(VERTEBRA))[None]
    network = UNet(INPUTS, len(REFINEMENT.classes), REFINEMENT.widths).to(memory_format=torch.channels_last_3d)
    optimiser = torch.optim.AdamW(network.parameters(), rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, steps)
    second = second.eval().to(memory_format=torch.channels_last_3d)
    began, running = time.monotonic(), 0.0
    for step in range(steps):
        volume = volumes[rng.integers(len(volumes))]
        one = volume.instances[int(rng.integers(len(volume.instances)))]
        turn = one.pose.axes @ Rotation.from_euler("xyz", rng.normal(0, 5, 3), degrees=True).as_matrix()
        if rng.random() < 0.5:
            turn = turn * [-1, 1, 1]
        matrix = torch.tensor((turn * rng.uniform(0.85, 1.15)).T, dtype=torch.float32)
        centre = torch.tensor(one.pose.centre_lps_mm + rng.normal(0, 2, 3), dtype=torch.float32)
        density, noise, shift = rng.uniform(0.55, 1.4), rng.uniform(0, 40), rng.normal(0, 12)

        def look(
            offsets: Tensor, spread: float, volume: Volume = volume, look_at: tuple[Tensor, Tensor] = (matrix, centre),
            looks: tuple[float, float] = (density, shift),
        ) -> tuple[Tensor, Tensor]:  # fmt: skip
            points = offsets @ look_at[0] + look_at[1]
            assert volume.hu is not None
            hu = volume.sample(volume.hu, points)
            hu = torch.where(hu > 40, 40 + (hu - 40) * looks[0], hu) + spread * torch.randn(hu.shape) + looks[1]
            hu = torch.where(volume.inside(points), hu, -1000.0)
            return ((hu - 150) / 300).clamp(-2, 4), points

        seen, _ = look(coarse, noise / 2.5)
        with torch.no_grad():
            share = second(
                torch.cat([seen[None, None], coordinates], 1).contiguous(memory_format=torch.channels_last_3d)
            ).softmax(1)
        wide = functional.interpolate(share[:, 1:], scale_factor=2.0, mode="trilinear", align_corners=False)[0]
        inputs, targets = [], []
        for _ in range(crops):
            at = _near_surface(wide[0], rng)
            box = tuple(slice(a, a + CROP) for a in at)
            hu, points = look(fine[box], noise)
            inputs.append(torch.cat([hu[None], wide[(slice(None), *box)]]))
            targets.append(_target(volume, one.verse_id, points))
        scores = network(torch.stack(inputs).contiguous(memory_format=torch.channels_last_3d))
        value = loss(scores, torch.stack(targets))
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        optimiser.step()
        schedule.step()
        running = float(value.detach()) if step == 0 else 0.97 * running + 0.03 * float(value.detach())
        if step % 50 == 49:
            report(f"refinement step {step + 1} loss {running:.4f}, {(time.monotonic() - began) / (step + 1):.2f} s/step")
    return network.eval()


def _near_surface(this: Tensor, rng: np.random.Generator) -> tuple[int, int, int]:
    """First voxel of a crop whose middle lies where the second network is unsure, or anywhere in its answer."""
    unsure = torch.nonzero((this > 0.1) & (this < 0.9))
    picked = unsure[int(rng.integers(len(unsure)))].numpy() if len(unsure) else np.full(3, 48)
    k, j, i = np.clip(picked - CROP // 2, 0, np.array(this.shape) - CROP)
    return int(k), int(j), int(i)


def _target(volume: Volume, verse_id: int, points: Tensor) -> Tensor:
    labels = volume.sample(volume.labels, points, "nearest").round()
    distance = volume.sample(volume.distance, points)
    classes = volume.sample(volume.classes, points, "nearest").round()
    covered = volume.inside(points)
    bone = (distance < 0) & covered
    target = torch.where(bone & (labels == verse_id), 1, torch.where(bone & (labels != 0), 2, 0)).long()
    target[bone & (labels == 0)] = IGNORE
    target[(classes == UNKNOWN) & covered] = IGNORE
    return target
