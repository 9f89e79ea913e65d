"""Arm, patient and camera without a network: what a positioner hears, and the truth to hold it against. Any clock."""

import numpy as np
from pkp_control.compensation import ToolSample
from pkp_control.kinematics import ArmModel
from pkp_control.planned_path import planned_goal

from hardware_sim.arm import ArmConfig, SimulatedArm
from hardware_sim.patient_motion import PatientMotion, PatientMotionConfig
from planning_core.geometry import RigidTransform
from tests.ros2.pkp_control.procedure import NoisyTracker, TrackerNoise, kinematics
from tests.ros2.small_plan import path, sealed_plan

SCAN_POSE = np.array([-1.73, -1.557, 1.46, -1.473, -1.571, -0.683])  # above the back, plate to the camera
PLAN = sealed_plan(path("left", (25.0, 45.0, 0.0), (8.0, 2.0, -5.0)), path("right", (-25.0, 45.0, 0.0), (-8.0, 2.0, -5.0)))
# prone: L to +y, P to +z, S to +x
WORLD_FROM_CT = RigidTransform.from_parts("world", "ct_lps", [[0, 0, 1], [1, 0, 0], [0, 1, 0]], [0.0, 0.0, 100.0])


class SmallRoom:
    """One arm with its own errors, a breathing patient, a camera of 60 Hz with noise."""

    def __init__(self, seed=1, breathing_mm=4.0, start=SCAN_POSE):
        self.world_from_base = kinematics(ArmModel.UR5).world_from_base
        self.arm = SimulatedArm(ArmConfig(), seed, start)
        self.motion = PatientMotion(PatientMotionConfig(breathing_mm=breathing_mm), seed)
        self.camera = NoisyTracker(TrackerNoise(), seed)
        self.world_from_patient = RigidTransform.from_parts(
            "world", "patient_ref", self.camera.world_from_tracker.rotation @ np.diag([1.0, -1.0, -1.0]), [-90.0, 40.0, 240.0]
        )
        self.frame = 0

    @property
    def registration(self):
        """``T_patient_ref_ct_lps``, true at the end of breathing out."""
        return self.world_from_patient.inverse() @ WORLD_FROM_CT

    def patient(self, time_s):
        moved = self.motion.displacement(time_s) @ self.world_from_patient
        return RigidTransform("world", "patient_ref", moved.matrix)

    def poses(self, stamp_s):
        """Both tools as the camera measures them now: {tool: T_tracker_tool}."""
        to_camera = self.camera.world_from_tracker.inverse()
        truth = {
            "patient_ref": to_camera @ self.patient(stamp_s),
            "robot_ref": to_camera @ self.world_from_base @ self.arm.true_plate(),
        }
        return {name: self.camera.measure(name, pose) for name, pose in truth.items()}

    def samples(self, stamp_s):
        self.frame += 1
        return [ToolSample(name, self.frame, stamp_s, pose) for name, pose in self.poses(stamp_s).items()]

    def true_error_mm(self, side, time_s):
        """The true guide against the plan on the true patient: at entry and target, mm."""
        goal = planned_goal(PLAN, side, self.registration)
        wanted = self.patient(time_s) @ goal.patient_from_tip
        tip = self.world_from_base @ self.arm.true_tip()
        depths = np.array([[0.0, 0, goal.entry_mm], [0.0, 0, goal.target_mm]])
        return np.linalg.norm(tip.apply(depths) - wanted.apply(depths), axis=1)
