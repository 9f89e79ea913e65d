"""The trained networks at run time: ONNX on the CPU, nothing else needed."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import numpy as np

from planning_core.anatomy.patches import Window
from planning_core.errors import PkpError
from planning_core.geometry.arrays import Float32Array

if TYPE_CHECKING:
    import onnxruntime

WEIGHTS = Path(__file__).parent / "weights"


class MissingWeightsError(PkpError):
    """A network's file is not there. Carries ``file``."""

    code = "missing_weights"


@attrs.define
class Network:
    """One network with its window; the file is read at first use.

    Args:
        window: what it looks at. folder: where ``<window name>.onnx`` lies; the shipped weights by default.
    """

    window: Window
    folder: Path = WEIGHTS
    __dict__: dict[str, object] = attrs.field(factory=dict, init=False, repr=False)

    @cached_property
    def _session(self) -> onnxruntime.InferenceSession:
        import onnxruntime

        path = self.folder / f"{self.window.name}.onnx"
        if not path.is_file():
            raise MissingWeightsError(f"no weights {path.name} in {self.folder}", file=str(path))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = len(os.sched_getaffinity(0))
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def probabilities(self, patch: Float32Array) -> Float32Array:
        """Class probabilities of one patch.

        Args:
            patch: (channels, k, j, i) float32.

        Returns:
            (classes, k, j, i) float32, summing to 1.
        """
        scores = self._session.run(None, {"patch": patch[None]})[0][0]
        scores -= scores.max(axis=0, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=0, keepdims=True)
        return np.asarray(scores, dtype=np.float32)
