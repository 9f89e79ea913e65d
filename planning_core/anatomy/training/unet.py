"""The one network shape of the built-in segmentation: a small 3D U-Net with coordinates as extra input."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


def _block(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers += [
            nn.Conv3d(channels, outputs, 3, padding=1, bias=False),
            nn.InstanceNorm3d(outputs, affine=True),
            nn.LeakyReLU(0.01, inplace=True),
        ]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """Encoder and decoder with skips (Çiçek et al. 2016, 3D U-Net), instance norm, nearest-neighbour upsampling.

    Args:
        inputs, outputs: channels. widths: channels per resolution, finest first; the input's sides must divide by
            2 ** (len(widths) − 1).
    """

    def __init__(self, inputs: int, outputs: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.down = nn.ModuleList(_block(a, b) for a, b in zip([inputs, *widths[:-1]], widths, strict=True))
        pairs = list(zip(widths[:-1], widths[1:], strict=True))
        self.shrink = nn.ModuleList(nn.Conv3d(below, here, 1) for here, below in pairs)
        self.up = nn.ModuleList(_block(2 * here, here) for here, _ in pairs)
        self.head = nn.Conv3d(widths[0], outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inputs, k, j, i) to class scores (batch, outputs, k, j, i)."""
        kept = []
        for level, block in enumerate(self.down):
            x = block(functional.max_pool3d(x, 2) if level else x)
            kept.append(x)
        for level in reversed(range(len(self.up))):
            below = functional.interpolate(self.shrink[level](x), scale_factor=2.0, mode="nearest")
            x = self.up[level](torch.cat([below, kept[level]], dim=1))
        out: Tensor = self.head(x)
        return out
