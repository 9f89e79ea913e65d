"""Hounsfield units painted over label patches: bone, discs and everything around them with random looks.

Domain randomisation in the manner of SynthSeg (Billot et al. 2023): shape comes from real masks, appearance from chance,
so that patients known only by their masks train the network too and no scanner's habits are learned.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from planning_core.anatomy.training.subjects import DISC


class Dice:
    """Random numbers of one stream on the device."""

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator
        self.device = generator.device

    def uniform(self, low: float, high: float) -> float:
        """One number in [low, high)."""
        return low + (high - low) * float(torch.rand((), generator=self.generator, device=self.device))

    def chance(self, p: float) -> bool:
        """True with probability p."""
        return self.uniform(0, 1) < p

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers."""
        return torch.randn(shape, generator=self.generator, device=self.device)

    def smooth(self, shape: tuple[int, ...], cells: int) -> Tensor:
        """A standard normal random field of roughly ``cells`` bumps along each axis, unit spread, of ``shape``."""
        coarse = self.normal(1, 1, cells, cells, cells)
        field = functional.interpolate(coarse, size=shape, mode="trilinear", align_corners=True)[0, 0]
        return field / field.std().clamp_min(1e-3)


def paint(distance: Tensor, classes: Tensor, place: Tensor, dice: Dice, *, thoracic: bool) -> Tensor:
    """A CT patch made up over labels.

    Args:
        distance: (k, j, i) signed distance to bone, mm. classes: (k, j, i) spine-map classes.
        place: (k, j, i, 3) mm from the body's centre or canal: left, posterior, superior.
        thoracic: whether lungs and ribs belong here.

    Returns:
        (k, j, i) HU.
    """
    shape = tuple(distance.shape)
    tissue = dice.smooth(shape, 5)
    muscle, fat = dice.uniform(20, 90), dice.uniform(-130, -50)
    hu = torch.where(tissue > dice.uniform(-0.3, 1.0), fat, muscle + 15 * dice.smooth(shape, 9))
    left, back, up = place.unbind(-1)
    hu = _surroundings(hu, left, back, dice, thoracic=thoracic)
    wobble = 2 * dice.smooth(shape, 3)
    canal_at = dice.uniform(22, 27)
    canal = (left / dice.uniform(10, 13)) ** 2 + ((back - canal_at + wobble) / dice.uniform(7, 10)) ** 2 < 1
    hu = torch.where(canal, dice.uniform(-60, 60) + 10 * dice.smooth(shape, 9), hu)
    hu = torch.where(classes == DISC, dice.uniform(40, 140) + 15 * dice.smooth(shape, 9), hu)
    if dice.chance(0.12):  # vacuum phenomenon
        hu = torch.where((classes == DISC) & (dice.smooth(shape, 12) > 1), -300.0, hu)
    bone = _bone(distance, dice)
    if thoracic and dice.chance(0.95):
        joint = dice.uniform(0.2, 1.2)  # narrower than a voxel: head and neck of a rib look grown together with the vertebra
        distance = torch.minimum(distance, _ribs(left, back, up, dice).masked_fill(distance < joint, 9.0))
        bone = _bone(distance, dice)
    edge = dice.uniform(0.2, 0.6)
    return torch.lerp(hu, bone, torch.sigmoid(-distance / edge))


def _bone(distance: Tensor, dice: Dice) -> Tensor:
    shape = tuple(distance.shape)
    marrow = dice.uniform(-10, 330)
    cortex = max(marrow + 120, dice.uniform(250, 1100))
    texture = dice.uniform(5, 70) * torch.randn(shape, generator=dice.generator, device=dice.device)
    texture = functional.avg_pool3d(texture[None, None], 3, 1, 1)[0, 0] * 2.5 + dice.uniform(0, 50) * dice.smooth(shape, 6)
    shell = dice.uniform(0.5, 2.2) * (1 + 0.3 * dice.smooth(shape, 7))
    return torch.lerp(marrow + texture, torch.full_like(distance, cortex), torch.sigmoid((distance + shell) / 0.4))


def _surroundings(hu: Tensor, left: Tensor, back: Tensor, dice: Dice, *, thoracic: bool) -> Tensor:
    shape = tuple(hu.shape)
    bend = 6 * dice.smooth(shape, 3)
    if thoracic and dice.chance(0.85):
        lung = (left.abs() + bend > dice.uniform(16, 32)) & (back < dice.uniform(0, 25))
        hu = torch.where(lung, dice.uniform(-900, -650) + 60 * dice.smooth(shape, 10), hu)
    if dice.chance(0.8):
        centre, radius = (dice.uniform(-5, 28), dice.uniform(-50, -26)), dice.uniform(8, 15)
        aorta = (left - centre[0] + bend / 3) ** 2 + (back - centre[1]) ** 2 < radius**2
        hu = torch.where(aorta, dice.uniform(20, 420), hu)
    if dice.chance(0.4):
        gas = (back < dice.uniform(-60, -25)) & (dice.smooth(shape, 6) > 1)
        hu = torch.where(gas, -900.0, hu)
    if dice.chance(0.15):  # metal, barium or calcified vessels nearby, never bone-shaped
        hu = torch.where(dice.smooth(shape, 10) > 2.6, dice.uniform(200, 2500), hu)
    return torch.where(back + bend > dice.uniform(70, 110), -1000.0, hu)


def _ribs(left: Tensor, back: Tensor, up: Tensor, dice: Dice) -> Tensor:
    """Distance, mm, to ribs that start beside each body, run back along the transverse process and then round."""
    nearest = torch.full_like(left, 99.0)
    pitch = dice.uniform(18, 30)
    knots = torch.tensor(
        [
            [dice.uniform(10, 20), dice.uniform(6, 14), dice.uniform(2, 13)],
            [dice.uniform(26, 38), dice.uniform(24, 34), dice.uniform(0, 10)],
            [dice.uniform(45, 60), dice.uniform(30, 42), dice.uniform(-14, 0)],
            [dice.uniform(75, 90), dice.uniform(0, 30), dice.uniform(-45, -10)],
        ],
        device=left.device,
    )
    radius = dice.uniform(2.5, 5)
    point = torch.stack([left.abs(), back], -1)
    for step in (-2, -1, 0, 1, 2):
        height = up - step * pitch
        for a, b in zip(knots[:-1], knots[1:], strict=True):
            way = b - a
            offset = torch.cat([point - a[:2], (height - a[2])[..., None]], -1)
            share = ((offset @ way) / (way @ way)).clamp(0, 1)
            nearest = torch.minimum(nearest, (offset - share[..., None] * way).norm(dim=-1) - radius)
    return nearest
