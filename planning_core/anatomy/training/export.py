"""From trained weights to the file that run time reads."""

from __future__ import annotations

from pathlib import Path

import torch

from planning_core.anatomy.patches import Window
from planning_core.anatomy.training.unet import UNet


def write_onnx(network: UNet, window: Window, inputs: int, path: Path) -> None:
    """Write one network as ONNX with a free batch size and free sides; scores come out as they are, softmax is the reader's."""
    example = torch.zeros(1, inputs, *window.shape)
    free = {0: "batch", 2: "k", 3: "j", 4: "i"}
    axes = {"patch": free, "scores": free}
    torch.onnx.export(
        network.cpu().to(memory_format=torch.contiguous_format).eval(),
        (example,),
        str(path),
        input_names=["patch"],
        output_names=["scores"],
        dynamic_axes=axes,
        opset_version=17,
        dynamo=False,
    )
