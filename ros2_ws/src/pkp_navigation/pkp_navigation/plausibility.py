"""Refuses poses that cannot be: repeated, too fast, ill-fitting, or at odds with a rigid pair.

A jump latches: the tool gives no pose until a person acknowledges it (CONVENTIONS: nothing resumes by itself).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import attrs
import numpy as np
from scipy.spatial.transform import Rotation

from pkp_navigation.tool_pose import TRACKER, ToolPose, ToolStatus
from pkp_navigation.tracker_config import RigidPairConfig, ToolConfig
from planning_core.geometry import RigidTransform


@attrs.frozen(eq=False)
class Measurement:
    """A pose as it came from the device.

    Args:
        T_tracker_tool: mm, frames ``tracker`` ← tool.
        raw: the bytes it came in; equal bytes are one and the same measurement.
        rms_error_mm: of the device's fit.
        frame_number: the device's counter.
        acquired_s: exposure time, monotonic seconds.
    """

    T_tracker_tool: RigidTransform
    raw: bytes
    rms_error_mm: float
    frame_number: int
    acquired_s: float


@attrs.define(eq=False)
class _Memory:
    last: Measurement | None = None
    repeats: int = 0
    latched: str = ""


class PlausibilityGuard:
    """Judges each measurement by the one before it and by the tool's limits.

    Args:
        tools: limits of each tool.
        pairs: tools mounted rigidly on one another.
        frozen_after: this many bit-identical poses in a row are called frozen instead of repeated.
    """

    def __init__(self, tools: Sequence[ToolConfig], pairs: Sequence[RigidPairConfig] = (), frozen_after: int = 3) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self._pairs = [(pair, _pair_transform(pair)) for pair in pairs]
        self._frozen_after = frozen_after
        self._memory = {tool.name: _Memory() for tool in tools}

    def acknowledge(self, tool: str) -> None:
        """A person has looked at the jump: the tool's next pose is taken as it comes.

        Raises:
            KeyError: no such tool.
        """
        self._memory[tool] = _Memory()

    def latched(self) -> tuple[str, ...]:
        """Tools that have jumped and wait for an acknowledgement, whether they are seen now or not."""
        return tuple(name for name, memory in self._memory.items() if memory.latched)

    def judge(self, measurements: Mapping[str, Measurement]) -> dict[str, ToolPose]:
        """One judged pose for each measurement of one frame."""
        judged = {name: self._judge_one(name, measurement) for name, measurement in measurements.items()}
        for pair, expected in self._pairs:
            if pair.first in measurements and pair.second in measurements:
                self._judge_pair(pair, expected, measurements, judged)
        return judged

    def _judge_one(self, name: str, measurement: Measurement) -> ToolPose:
        limits, memory = self._tools[name], self._memory[name]
        if memory.last is not None and measurement.raw == memory.last.raw:
            memory.repeats += 1
            status = ToolStatus.FROZEN if memory.repeats + 1 >= self._frozen_after else ToolStatus.REPEATED
            return _refused(name, measurement, status, f"the same pose to the last bit in {memory.repeats + 1} frames")
        memory.repeats = 0
        if measurement.rms_error_mm > limits.max_rms_error_mm:
            reason = f"markers fit to {measurement.rms_error_mm:.2f} mm RMS, limit {limits.max_rms_error_mm:g} mm"
            return _refused(name, measurement, ToolStatus.POOR_FIT, reason)
        jump = "" if memory.last is None else _jump(limits, memory.last, measurement)
        memory.last = measurement
        if jump and limits.latch_jumps:
            memory.latched = memory.latched or jump
        if jump or memory.latched:
            return _refused(name, measurement, ToolStatus.JUMPED, memory.latched or jump)
        return ToolPose(
            name,
            measurement.T_tracker_tool,
            measurement.frame_number,
            measurement.acquired_s,
            measurement.rms_error_mm,
            ToolStatus.TRACKED,
        )

    def _judge_pair(
        self,
        pair: RigidPairConfig,
        expected: RigidTransform,
        measurements: Mapping[str, Measurement],
        judged: dict[str, ToolPose],
    ) -> None:
        first, second = measurements[pair.first], measurements[pair.second]
        distance, angle = _difference(first.T_tracker_tool, second.T_tracker_tool, expected)
        if distance <= pair.tolerance_mm and angle <= pair.tolerance_deg:
            return
        reason = f"{pair.first}–{pair.second} is {distance:.2f} mm and {angle:.2f}° from its known mount"
        exchanged = _difference(second.T_tracker_tool, first.T_tracker_tool, expected)
        swapped = exchanged[0] <= pair.tolerance_mm and exchanged[1] <= pair.tolerance_deg
        status = ToolStatus.SWAPPED if swapped else ToolStatus.PAIR_MOVED
        for name in (pair.first, pair.second):
            # a refusal that says more (frozen, ill-fitting) stays; a jump is what exchanged names look like
            if judged[name].status in (ToolStatus.TRACKED, ToolStatus.JUMPED):
                judged[name] = _refused(name, measurements[name], status, reason + (", right if exchanged" if swapped else ""))


def _refused(name: str, measurement: Measurement, status: ToolStatus, reason: str) -> ToolPose:
    return ToolPose(name, None, measurement.frame_number, measurement.acquired_s, measurement.rms_error_mm, status, reason)


def _jump(limits: ToolConfig, before: Measurement, now: Measurement) -> str:
    """Why the step is no motion, or nothing."""
    seconds = max(0.0, now.acquired_s - before.acquired_s)
    distance = float(np.linalg.norm(now.T_tracker_tool.translation_mm - before.T_tracker_tool.translation_mm))
    allowed = min(limits.jump_floor_mm + limits.max_speed_mm_s * seconds, limits.max_gap_move_mm)
    if distance > allowed:
        return f"moved {distance:.2f} mm in {1e3 * seconds:.0f} ms, at most {allowed:.2f} mm is a motion"
    turn = _angle_deg(before.T_tracker_tool.rotation.T @ now.T_tracker_tool.rotation)
    allowed_turn = limits.jump_floor_deg + limits.max_turn_deg_s * seconds
    if turn > allowed_turn:
        return f"turned {turn:.2f}° in {1e3 * seconds:.0f} ms, at most {allowed_turn:.2f}° is a motion"
    return ""


def _pair_transform(pair: RigidPairConfig) -> RigidTransform:
    rotation = Rotation.from_rotvec(pair.rotation_vector_deg, degrees=True).as_matrix()
    return RigidTransform.from_parts("first", "second", rotation, pair.translation_mm)


def _difference(first: RigidTransform, second: RigidTransform, expected: RigidTransform) -> tuple[float, float]:
    """Distance in mm and angle in degrees between the measured first ← second and the expected."""
    to_first = first.rotation.T
    translation = to_first @ (second.translation_mm - first.translation_mm)
    distance = float(np.linalg.norm(translation - expected.translation_mm))
    return distance, _angle_deg(expected.rotation.T @ to_first @ second.rotation)


def _angle_deg(rotation: np.ndarray) -> float:
    """Angle of a (3, 3) rotation, degrees; exact to 1e-6 degrees, which is far below any limit."""
    cosine = 0.5 * (rotation[0, 0] + rotation[1, 1] + rotation[2, 2] - 1.0)
    return math.degrees(math.acos(min(1.0, max(-1.0, cosine))))


def pose_transform(tool: str, pose: Sequence[float]) -> RigidTransform:
    """``T_tracker_<tool>`` from quaternion w, x, y, z and translation in mm (the first seven of ``pose``).

    Written out: at 60 Hz and three tools the library's general constructor costs a tenth of a core.
    """
    length = math.sqrt(sum(value * value for value in pose[:4]))
    w, x, y, z = (value / length for value in pose[:4])
    rotation = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return RigidTransform.from_parts(TRACKER, tool, rotation, pose[4:7])
