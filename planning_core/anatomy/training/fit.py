"""The training loop of one network."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from planning_core.anatomy.patches import Window
from planning_core.anatomy.training.sampling import IGNORE, Sampler
from planning_core.anatomy.training.subjects import Subject
from planning_core.anatomy.training.unet import UNet

INPUTS = 4


def loss(scores: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy plus soft Dice over the foreground classes, both blind to ignored voxels."""
    entropy = functional.cross_entropy(scores, target, ignore_index=IGNORE)
    known = (target != IGNORE)[:, None]
    share = scores.softmax(dim=1) * known
    truth = functional.one_hot(target.clamp_min(0), scores.shape[1]).movedim(-1, 1) * known
    overlap = (share * truth).sum((0, 2, 3, 4))
    total = (share + truth).sum((0, 2, 3, 4))
    return entropy + 1 - ((2 * overlap + 1) / (total + 1))[1:].mean()


def train(
    subjects: Sequence[Subject],
    window: Window,
    *,
    seed: int,
    device: torch.device,
    steps: int,
    start: dict[str, Tensor] | None = None,
    batch: int = 2,
    rate: float = 2e-3,
    report: Callable[[str], None] = print,
) -> UNet:
    """Train for a number of steps, the learning rate falling to nothing along a cosine.

    Args:
        subjects: patients to learn from. start: weights to go on from.
    """
    torch.manual_seed(seed)
    sampler = Sampler(subjects, window, seed, device)
    network = UNet(INPUTS, len(window.classes), window.widths).to(device, memory_format=torch.channels_last_3d)
    if start is not None:
        network.load_state_dict(start)
    average = {k: v.detach().clone() for k, v in network.state_dict().items()}
    optimiser = torch.optim.AdamW(network.parameters(), rate, weight_decay=1e-3)
    began, running = time.monotonic(), 0.0
    for step in range(steps):
        warm = min(1.0, (step + 1) / 50)
        for group in optimiser.param_groups:
            group["lr"] = rate * warm * 0.5 * (1 + math.cos(math.pi * step / steps))
        inputs, target = sampler.batch(batch)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            scores = network(inputs.contiguous(memory_format=torch.channels_last_3d))
        value = loss(scores.float(), target)
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        with torch.no_grad():
            keep = min(0.995, (step + 1) / (step + 10))
            for name, now in network.state_dict().items():
                average[name].lerp_(now, 1 - keep)
        running = float(value.detach()) if step == 0 else 0.98 * running + 0.02 * float(value.detach())
        if step % 100 == 99:
            report(f"{window.name} step {step + 1} loss {running:.4f}, {(time.monotonic() - began) / (step + 1):.2f} s/step")
    network.load_state_dict(average)
    return network.eval()
