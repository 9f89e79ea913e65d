"""Verification: does the tracker see the guide where the plan wants it, well enough and for long enough?

Both tools are taken from the same frame, so the patient's motion cancels. Single poses scatter (0.25 mm RMS of the camera, times
the lever from marker to path), therefore a limit acts on a short mean at once, on a single pose only when it is gross, and on the
mean of the whole hold time. VERIFIED asks that the mean's whole ellipsoid of uncertainty lies within the limits: what stays in
both poses however long one averages (``sight_error``), the mean's scatter, and the motion seen meanwhile. Anything doubtful
means: not verified.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum

import attrs
import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy.special import ndtri

from pkp_control.compensation import PATIENT, TOOL, TRACKER, Goal, ToolSample
from pkp_control.kinematics import TIP
from pkp_control.sight_error import Markers, SightConfig, constant_covariances, farthest
from planning_core.errors import InputError
from planning_core.geometry import RigidTransform


class AlignmentConfig(BaseModel):
    """When a position counts as verified."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    position_mm: float = Field(1.0, gt=0, description="at entry and at target; guide checked to < 1 mm (FACTS 7, Deng)")
    angle_deg: float = Field(1.0, gt=0, description="between the guide's axis and the path")
    hold_s: float = Field(1.0, gt=0, description="assumed: so long without violation")
    least_samples: int = Field(45, ge=2, description="frames within the hold time; 60 at 60 Hz")
    fresh_s: float = Field(0.10, gt=0, description="oldest newest frame, and the longest gap between two")
    short_samples: int = Field(9, ge=1, description="frames of the short mean that revokes at once: 0.15 s")
    gross_factor: float = Field(2.5, ge=1, description="a single frame beyond limit times this revokes by itself")
    confidence: float = Field(
        0.99, ge=0.9, lt=1, description="that a guide off by the limit or more, at entry or target, is not called VERIFIED"
    )
    sight: SightConfig = Field(default_factory=SightConfig, description="what averaging cannot remove")


class AlignmentState(StrEnum):
    """Whether the guide pin may be released."""

    NOT_VERIFIED = "NOT_VERIFIED"
    VERIFIED = "VERIFIED"


@attrs.frozen
class Verification:
    """The state at one time, with its reason and the means over the hold time (None without fresh samples).

    Args:
        bounds: (entry mm, target mm, angle degrees) that the truth stays below at the confidence asked for.
        held_s: without violation so far.
    """

    state: AlignmentState
    reason: str
    samples: int
    entry_mm: float | None
    target_mm: float | None
    angle_deg: float | None
    plan_hash: str
    bounds: tuple[float, float, float] | None = None
    held_s: float = 0.0


@attrs.frozen(eq=False)
class _Frame:
    stamp_s: float
    patient: RigidTransform
    tool: RigidTransform
    errors: np.ndarray  # (3, 3): at entry mm, at target mm, axis difference in degrees


class Verifier:
    """Takes frames, answers at any time. Explicit clock in seconds.

    Args:
        goal: the plan's guide on the patient.
        tool_from_tip: ``T_robot_ref_guide_tip``.
        markers: of both tools.
        config: limits.
    """

    def __init__(
        self, goal: Goal, tool_from_tip: RigidTransform, markers: Markers, config: AlignmentConfig | None = None
    ) -> None:
        if (tool_from_tip.dst, tool_from_tip.src) != (TOOL, TIP):
            raise InputError(f"T_{TOOL}_{TIP} is needed, got T_{tool_from_tip.dst}_{tool_from_tip.src}")
        self.goal, self.config, self._tool, self._markers = goal, config or AlignmentConfig(), tool_from_tip, markers
        self._times = float(ndtri(self.config.confidence))
        self._frames: deque[_Frame] = deque(maxlen=4096)
        self._frame_number, self._stamp_s, self._since_s = -1, -np.inf, -np.inf
        self._last: np.ndarray | None = None
        self._constant: tuple[np.ndarray, np.ndarray] | None = None
        self._bounded: tuple[int, float] | None = None
        self._bounds_now: tuple[float, float, float] | None = None

    def observe(self, patient: ToolSample, tool: ToolSample, now_s: float) -> None:
        """Both tools of one frame. A frame that does not serve ends a verification; a replayed or late one is no frame at all."""
        config = self.config
        if patient.frame_number != tool.frame_number or patient.stamp_s != tool.stamp_s:
            return self._revoke()
        stamp_s = tool.stamp_s
        if not (np.isfinite(stamp_s) and np.isfinite(now_s)) or stamp_s > now_s + 0.005:
            return self._revoke()
        older = tool.frame_number < self._frame_number
        replayed = tool.frame_number == self._frame_number or (older and stamp_s <= self._stamp_s)
        if replayed or now_s - stamp_s > config.fresh_s:
            return None
        gap = bool(self._frames) and not 0 < stamp_s - self._frames[-1].stamp_s <= config.fresh_s
        if older or gap:  # nothing goes on across a gap, nor across a tracker that counts anew after its link or power was lost
            self._revoke()
            self._frames.clear()
        self._frame_number, self._stamp_s = tool.frame_number, stamp_s
        if patient.pose is None or tool.pose is None or (patient.tool, tool.tool) != (PATIENT, TOOL):
            return self._revoke()
        if {patient.pose.dst, tool.pose.dst} != {TRACKER} or (patient.pose.src, tool.pose.src) != (PATIENT, TOOL):
            return self._revoke()
        poses = np.stack([patient.pose.matrix, tool.pose.matrix])
        if self._last is not None and (poses == self._last).all(axis=(1, 2)).any():
            return self._revoke()  # a pose equal to the last bit is not a measurement
        self._last = poses
        self._frames.append(_Frame(stamp_s, patient.pose, tool.pose, self.errors(patient.pose, tool.pose)))
        while self._frames[0].stamp_s < stamp_s - config.hold_s - config.fresh_s:
            self._frames.popleft()
        short = np.mean([f.errors for f in list(self._frames)[-config.short_samples :]], axis=0)
        limits = np.array([config.position_mm, config.position_mm, config.angle_deg])
        if (np.linalg.norm(short, axis=1) >= limits).any():
            return self._revoke()
        if (np.linalg.norm(self._frames[-1].errors, axis=1) >= config.gross_factor * limits).any():
            return self._revoke()
        if not np.isfinite(self._since_s):
            self._since_s = stamp_s
        return None

    def errors(self, patient: RigidTransform, tool: RigidTransform) -> np.ndarray:
        """(3, 3) rows: error at entry mm, at target mm, difference of the axes in degrees; in the planned guide's axes.

        Args:
            patient: ``T_tracker_patient_ref``.
            tool: ``T_tracker_robot_ref``.
        """
        off = (self.goal.patient_from_tip.inverse() @ patient.inverse() @ tool @ self._tool).matrix
        depths = np.array([[0.0, 0.0, self.goal.entry_mm], [0.0, 0.0, self.goal.target_mm]])
        places = depths @ off[:3, :3].T + off[:3, 3] - depths
        axis = off[:3, 2]
        across = np.array([axis[0], axis[1], 0.0])
        sine = float(np.linalg.norm(across))
        angle = np.rad2deg(np.arctan2(sine, axis[2]))
        direction = across / sine if sine > 1e-12 else np.array([1.0, 0.0, 0.0])
        return np.vstack([places, direction * angle])

    def verification(self, now_s: float) -> Verification:
        """The state now."""
        config = self.config
        fresh = self._fresh(now_s)
        held = [f for f in self._frames if fresh and f.stamp_s >= max(self._since_s, self._frames[-1].stamp_s - config.hold_s)]
        means: tuple[float | None, float | None, float | None] = (None, None, None)
        if held:
            mean = np.linalg.norm(np.mean([f.errors for f in held], axis=0), axis=1)
            means = (float(mean[0]), float(mean[1]), float(mean[2]))
        if self._bounded != (self._frame_number, self._since_s):
            self._bounded, self._bounds_now = (self._frame_number, self._since_s), self._bounds(held)
        bounds = self._bounds_now
        reason = self._objection(now_s, held, bounds)
        state = AlignmentState.NOT_VERIFIED if reason else AlignmentState.VERIFIED
        so_far = held[-1].stamp_s - self._since_s if held and np.isfinite(self._since_s) else 0.0
        return Verification(state, reason or "held", len(held), *means, self.goal.plan_hash, bounds, max(0.0, so_far))

    def _bounds(self, held: list[_Frame]) -> tuple[float, float, float] | None:
        """How far the truth may be off, (entry mm, target mm, angle degrees); None before there is enough to say so.

        The camera scatters anew in each frame, a guide or patient that moves does not: what neighbouring frames have in common
        about the mean is motion, and the guide is anywhere within it.
        """
        if len(held) < self.config.least_samples:
            return None
        errors = np.array([f.errors for f in held])
        left, count = errors - errors.mean(axis=0), len(held)
        total = np.einsum("nra,nrb->rab", left, left) / (count - 1)
        shared = np.mean([np.einsum("nra,nrb->rab", left[:-k], left[k:]) / (count - k) for k in _NEIGHBOURS], axis=0)
        moving = _positive((shared + shared.transpose(0, 2, 1)) / 2)
        constant = self._constant_at(held[-1])
        entry, target, angle = farthest(errors.mean(axis=0), constant + total / count + moving, self._times)
        return float(entry), float(target), float(angle)

    def _constant_at(self, frame: _Frame) -> np.ndarray:
        """(3, 3, 3), see ``constant_covariances``; the last one still serves where neither tool has gone anywhere since.

        It changes over the camera's volume, over metres: within ``_NEAR`` its sigmas change by less than a fiftieth.
        """
        poses = np.stack([frame.patient.matrix, frame.tool.matrix])
        if self._constant is None or (np.abs(poses - self._constant[0]) > _NEAR).any():
            depths, sight = (self.goal.entry_mm, self.goal.target_mm), self.config.sight
            value = constant_covariances(frame.patient, frame.tool, self._tool, depths, self._markers, sight)
            self._constant = (poses, value)
        return self._constant[1]

    def _objection(self, now_s: float, held: list[_Frame], bounds: tuple[float, float, float] | None) -> str | None:
        config = self.config
        if not self._frames or not np.isfinite(self._since_s):
            return "no frames, or the last one was off the plan"
        newest = self._frames[-1].stamp_s
        if not self._fresh(now_s):
            self._revoke()  # staleness ends the hold: it begins anew with the next frame
            return f"newest frame is {now_s - newest:.3f} s old"
        if newest - self._since_s < config.hold_s - 1e-9:
            return f"held for {newest - self._since_s:.2f} of {config.hold_s:g} s"
        if bounds is None:
            return f"{len(held)} of {config.least_samples} frames"
        limits = (config.position_mm, config.position_mm, config.angle_deg)
        for name, bound, limit in zip(("entry mm", "target mm", "angle deg"), bounds, limits, strict=True):
            if not bound < limit:
                return f"{name}: up to {bound:.2f} with its uncertainty, {limit:g} allowed"
        return None

    def _fresh(self, now_s: float) -> bool:
        """Whether the newest frame is of now; what older ones said is not told as if it were."""
        return bool(self._frames) and 0 <= now_s + 0.005 - self._frames[-1].stamp_s <= self.config.fresh_s + 0.005

    def _revoke(self) -> None:
        self._since_s = -np.inf


_NEAR = np.array([[0.005, 0.005, 0.005, 1.5]] * 3 + [[1.0] * 4])
"""Of a pose's matrix: 0.3° and 1.5 mm, more than a held breath and the camera's noise."""
_NEIGHBOURS = (1, 2, 3)
"""Frames apart: a servo and a breathing patient hardly change in 50 ms."""


def _positive(covariances: np.ndarray) -> np.ndarray:
    """(..., 3, 3) without negative variance, which chance alone makes."""
    values, vectors = np.linalg.eigh(covariances)
    return np.asarray(np.einsum("...ab,...b,...cb->...ac", vectors, np.maximum(values, 0.0), vectors))
