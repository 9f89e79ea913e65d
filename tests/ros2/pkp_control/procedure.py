"""One positioning on a simulated clock: simulated arm and patient, a tracker of noise alone, and the control law between them.

The tracker here is only its error: four markers a tool, noise three times larger in depth, part of it constant for the session.
"""

from __future__ import annotations

import attrs
import numpy as np
from pkp_control.alignment import AlignmentState, Verification, Verifier
from pkp_control.branches import choose, turned_about_axis
from pkp_control.compensation import CompensationConfig, CompensationState, Compensator, Goal, Permit, ToolSample, locate_tracker
from pkp_control.kinematics import ArmKinematics, ArmModel
from pkp_control.sight_error import Markers
from scipy.spatial.transform import Rotation

from hardware_sim.arm import ArmConfig, SimulatedArm
from hardware_sim.patient_motion import PatientMotion, PatientMotionConfig
from planning_core.geometry import RigidTransform

PERIOD_S = 0.008
PLAN_HASH = "plan-1"
PLATE = np.array([[-60.0, -45, 0], [60, -50, 0], [50, 45, 10], [-55, 50, 0]])
CROSS = np.array([[0.0, 50, 0], [-45, 5, 0], [40, 0, 12], [5, -45, 0]])
MARKERS = Markers(CROSS, PLATE)
KINEMATICS: dict[str, ArmKinematics] = {}


@attrs.frozen
class TrackerNoise:
    """RMS in 3D of one marker, the share of it that is constant for a session, and when a pose arrives."""

    rms_mm: float = 0.25
    constant_mm: float = 0.10
    depth_factor: float = 3.0
    rate_hz: float = 60.0
    latency_s: float = 0.0142
    latency_sd_s: float = 0.0018


class NoisyTracker:
    """Measures two tools. ``T_world_tracker`` looks at the patient along its z."""

    def __init__(self, noise: TrackerNoise, seed: int) -> None:
        self.noise, self._draw = noise, np.random.default_rng([seed, 5])
        eye = np.array([350.0, 1100, 1050])
        z = np.array([0.0, 0, 200]) - eye
        z /= np.linalg.norm(z)
        x = np.cross([0, 0, 1.0], z)
        x /= np.linalg.norm(x)
        self.world_from_tracker = RigidTransform.from_parts("world", "tracker", np.column_stack([x, np.cross(z, x), z]), eye)
        axes = np.array([1.0, 1.0, noise.depth_factor])
        axes /= np.linalg.norm(axes)
        self._noise = axes * np.sqrt(noise.rms_mm**2 - noise.constant_mm**2)
        self._constant = {
            name: self._draw.normal(size=(4, 3)) * axes * noise.constant_mm for name in ("patient_ref", "robot_ref")
        }

    def measure(self, tool: str, truth: RigidTransform) -> RigidTransform:
        """``T_tracker_<tool>`` by a rigid fit of noisy markers (Kabsch)."""
        markers = CROSS if tool == "patient_ref" else PLATE
        seen = truth.apply(markers) + self._constant[tool] + self._draw.normal(size=(4, 3)) * self._noise
        turn, _ = Rotation.align_vectors(seen - seen.mean(axis=0), markers - markers.mean(axis=0))
        return RigidTransform.from_parts("tracker", tool, turn.as_matrix(), seen.mean(axis=0) - turn.apply(markers.mean(axis=0)))

    def arrival_s(self, stamp_s: float) -> float:
        return stamp_s + max(0.005, self.noise.latency_s + self._draw.normal() * self.noise.latency_sd_s)


@attrs.define(eq=False)
class Procedure:
    """What a test steps and looks at. True errors: (3,) entry mm, target mm, angle deg."""

    arm: SimulatedArm
    patient: PatientMotion
    tracker: NoisyTracker
    compensator: Compensator
    verifier: Verifier
    world_from_base: RigidTransform
    world_from_patient: RigidTransform
    goal: Goal
    now_s: float = 0.0
    frame: int = 0
    pending: list[tuple[float, ToolSample, ToolSample]] = attrs.field(factory=list)
    verification: Verification | None = None
    # faults of the line, for tests
    visible: bool = True

    def patient_ref(self, time_s: float) -> RigidTransform:
        moved = self.patient.displacement(time_s) @ self.world_from_patient
        return RigidTransform("world", "patient_ref", moved.matrix)

    def true_error(self) -> np.ndarray:
        tip = self.world_from_base @ self.arm.true_tip()
        wanted = self.patient_ref(self.arm.now_s) @ self.goal.patient_from_tip
        depths = np.array([[0.0, 0, self.goal.entry_mm], [0.0, 0, self.goal.target_mm]])
        places = np.linalg.norm(tip.apply(depths) - wanted.apply(depths), axis=1)
        sine = np.linalg.norm(np.cross(tip.rotation[:, 2], wanted.rotation[:, 2]))
        return np.array([*places, np.rad2deg(np.arcsin(min(1.0, sine)))])

    def step(self) -> None:
        """One period of 8 ms."""
        self.now_s += PERIOD_S
        while (self.frame + 1) / self.tracker.noise.rate_hz <= self.now_s:
            self.frame += 1
            stamp = self.frame / self.tracker.noise.rate_hz
            self.arm.advance(stamp)
            tracker_from_world = self.tracker.world_from_tracker.inverse()
            truths = {
                "patient_ref": tracker_from_world @ self.patient_ref(stamp),
                "robot_ref": tracker_from_world @ self.world_from_base @ self.arm.true_plate(),
            }
            pair = [
                ToolSample(name, self.frame, stamp, self.tracker.measure(name, truth) if self.visible else None)
                for name, truth in truths.items()
            ]
            self.pending.append((self.tracker.arrival_s(stamp), pair[0], pair[1]))
        self.arm.advance(self.now_s)
        while self.pending and self.pending[0][0] <= self.now_s:
            _, patient, tool = self.pending.pop(0)
            self.compensator.observe(patient, self.now_s)
            self.compensator.observe(tool, self.now_s)
            self.verifier.observe(patient, tool, self.now_s)
        state = self.arm.joint_state()
        was = self.compensator.state
        setpoint = self.compensator.step(self.now_s, state.stamp_s, state.joints)
        if was is CompensationState.ENABLED and self.arm.mode == "running":
            self.arm.command(setpoint.joints)
        self.verification = self.verifier.verification(self.now_s)

    def run(self, seconds: float) -> None:
        until = self.now_s + seconds
        while self.now_s < until - 1e-9:
            self.step()

    def enable(self) -> None:
        permit = Permit("operator", self.now_s, PLAN_HASH)
        self.compensator.enable(permit, self.now_s, self.arm.joint_state().joints)

    def until_verified(self, deadline_s: float) -> bool:
        until = self.now_s + deadline_s
        while self.now_s < until:
            self.step()
            if self.verification and self.verification.state is AlignmentState.VERIFIED:
                return True
        return False


def kinematics(model: ArmModel) -> ArmKinematics:
    if model.value not in KINEMATICS:
        KINEMATICS[model.value] = ArmKinematics.load(model)
    return KINEMATICS[model.value]


def prepare(
    seed: int,
    model: ArmModel = ArmModel.UR5,
    motion: PatientMotionConfig | None = None,
    noise: TrackerNoise | None = None,
    arm_config: ArmConfig | None = None,
    config: CompensationConfig | None = None,
    standoff_mm: float = 30.0,
) -> Procedure:
    """A positioning about to begin: path, arm and errors drawn from ``seed``; the arm stands at the stand-off."""
    draw = np.random.default_rng([seed, 4])
    kin = kinematics(model)
    entry = np.array([draw.uniform(-120, 120), draw.uniform(-25, 25), 170.0])
    side = np.sign(entry[1]) or 1.0
    lean, tilt = np.deg2rad(draw.uniform(5, 25)), np.deg2rad(draw.uniform(-15, 15))
    axis = np.array([np.sin(tilt), -side * np.sin(lean), -np.cos(lean)])
    axis /= np.linalg.norm(axis)
    x = np.cross(axis, [1.0, 0.0, 0.0])
    x /= np.linalg.norm(x)
    tip = RigidTransform.from_parts("world", "guide_tip", np.column_stack([x, np.cross(axis, x), axis]), entry - 55.0 * axis)
    base_from_tip = kin.world_from_base.inverse() @ tip
    turned = turned_about_axis(base_from_tip, 24)
    back = RigidTransform.from_parts("guide_tip", "guide_tip", np.eye(3), [0.0, 0.0, -standoff_mm])
    tracker = NoisyTracker(noise or TrackerNoise(), seed)
    eye = (kin.world_from_base.inverse() @ tracker.world_from_tracker).translation_mm

    def plate_hidden(joints: np.ndarray) -> str | None:
        plate = kin.forward(joints, "marker_plate")
        to_eye = eye - plate.translation_mm
        off = np.rad2deg(np.arccos(np.clip(plate.rotation[:, 2] @ to_eye / np.linalg.norm(to_eye), -1, 1)))
        return f"marker plate {off:.0f}° off the camera" if off > 50 else None

    home = np.array([1.2, -1.6, 1.6, -1.6, -1.57, 0.0])
    choice = choose(kin, [t @ back for t in turned], home, plate_hidden)
    which = int(choice.reason.split(",")[0].split()[1])
    world_from_patient = RigidTransform.from_parts(
        "world",
        "patient_ref",
        tracker.world_from_tracker.rotation @ np.diag([1.0, -1.0, -1.0]),
        entry + [draw.choice([-1, 1]) * draw.uniform(50, 80), 0.0, 90.0],
    )
    plan = world_from_patient.inverse() @ kin.world_from_base @ turned[which]
    goal = Goal(plan, 55.0, 105.0, PLAN_HASH)
    arm = SimulatedArm(arm_config or ArmConfig(model=model.value), seed, choice.solution.joints)
    plate = kin.flange_from("marker_plate")
    tool_from_tip = RigidTransform("robot_ref", "guide_tip", (plate.inverse() @ kin.flange_from("guide_tip")).matrix)
    tracker_from_base = tracker.world_from_tracker.inverse() @ kin.world_from_base
    seen = [tracker.measure("robot_ref", tracker_from_base @ arm.true_plate()) for _ in range(30)]
    believed = locate_tracker(kin, choice.solution.joints, seen, tool_from_tip)
    compensator = Compensator(kin, goal, believed, tool_from_tip, choice.solution.joints, standoff_mm, config)
    return Procedure(
        arm,
        PatientMotion(motion or PatientMotionConfig(), seed),
        tracker,
        compensator,
        Verifier(goal, tool_from_tip, MARKERS),
        kin.world_from_base,
        world_from_patient,
        goal,
    )
