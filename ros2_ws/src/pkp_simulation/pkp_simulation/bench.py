"""The simulated arm on the room's clock: stepped in real time, its truth written where other devices read it. No ROS."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from hardware_sim.arm import ArmConfig, SimulatedArm
from hardware_sim.arm.device import CommandRefusedError
from hardware_sim.room import Room, scan_joints
from hardware_sim.room.control import RoomControl
from hardware_sim.room.shared import RoomWriter
from planning_core.geometry.arrays import FloatArray

MOST_BEHIND_S = 0.05
"""Time for which this process was not woken is not made up: an arm that leaps would be no arm."""
KEPT = 20_000


class ArmBench:
    """One arm in one room.

    Args:
        folder: the sim folder with ``room.json``. rate_hz: how often :meth:`step` is called.
    """

    def __init__(self, folder: Path, rate_hz: float) -> None:
        self.room = Room(folder)
        spec = self.room.spec
        self._writer = RoomWriter(folder, spec.epoch_s)
        stood = self._writer.joints
        config = ArmConfig(model=spec.arm, command_period_s=1.0 / rate_hz)
        self.arm = SimulatedArm(config, spec.seed, scan_joints(spec) if stood is None else stood)
        self.control = RoomControl(self.room, self._writer, self.arm, self.lateness)
        self._base = self.room.layout.world_from_base.matrix
        self._zero_s = time.monotonic()
        self._late_s = np.zeros(KEPT)
        self.steps = 0
        self.refused = 0
        self._tell()

    @property
    def sampled_s(self) -> float:
        """Monotonic time that the arm has reached."""
        return self._zero_s + self.arm.now_s

    def step(self, due_s: float) -> None:
        """Let the arm live until now. ``due_s``: monotonic time this step was for."""
        now_s = time.monotonic()
        self._late_s[self.steps % KEPT] = now_s - due_s
        self.steps += 1
        self._zero_s = max(self._zero_s, now_s - MOST_BEHIND_S - self.arm.now_s)
        self.arm.advance(now_s - self._zero_s)
        self._tell()

    def command(self, joints: Any) -> None:
        """One streamed setpoint; an arm that takes none drops it, as a controller that is not running does."""
        try:
            self.arm.command(joints)
        except CommandRefusedError:
            self.refused += 1

    def lateness(self) -> dict[str, Any]:
        """How punctual the steps were, ms."""
        late = self._late_s[: min(self.steps, KEPT)] * 1e3
        if not len(late):
            return {}
        p50, p99 = (float(v) for v in np.percentile(late, [50, 99]))
        return {"steps": self.steps, "late_p50_ms": p50, "late_p99_ms": p99, "late_max_ms": float(late.max())}

    def truth(self) -> dict[str, FloatArray]:
        """What stands where in the world at :attr:`sampled_s`: (4, 4) mm by frame name."""
        self.room.hear()
        at, motion, layout = self.sampled_s - self.room.spec.epoch_s, self.room.motion, self.room.layout
        moved = motion.displacement(at).matrix
        return {
            "truth_ct_lps": moved @ layout.world_from_ct.matrix,
            "truth_guide_tip": self._base @ self.arm.true_flange() @ self.arm.geometry.guide,
            "truth_patient_ref": moved @ motion.clamped(at).matrix,
            "truth_tracker": layout.world_from_tracker.matrix,
            "truth_robot_base": layout.world_from_base.matrix,
        }

    def close(self) -> None:
        """Hang up."""
        self.control.close()

    def _tell(self) -> None:
        flange, geometry = self._base @ self.arm.true_flange(), self.arm.geometry
        at = self.sampled_s - self.room.spec.epoch_s
        self._writer.sample(at, flange @ geometry.plate, flange @ geometry.guide, self.arm.joint_state().joints)
