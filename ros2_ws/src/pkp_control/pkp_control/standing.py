"""While the arm stands still: where it stands, and where the camera and the patient are. Explicit clock; no ROS."""

from __future__ import annotations

from collections import deque

import numpy as np
from scipy.spatial.transform import Rotation

from pkp_control.compensation import PATIENT, TOOL, ToolSample, locate_tracker
from pkp_control.kinematics import ArmKinematics, Joints
from planning_core.geometry import RigidTransform

STILL_S = 0.25
STILL_RAD = 5e-4
GAP_S = 0.2


class Standing:
    """Joints and poses of the last moments, thrown away as soon as the arm moves.

    Args:
        arm: kinematics. tool_from_tip: ``T_robot_ref_guide_tip``. samples: poses of each tool that are wanted.
    """

    def __init__(self, arm: ArmKinematics, tool_from_tip: RigidTransform, samples: int) -> None:
        self._arm, self._tool, self._samples = arm, tool_from_tip, samples
        self._joints: deque[tuple[float, Joints]] = deque(maxlen=256)
        self._poses: dict[str, deque[tuple[float, RigidTransform]]] = {name: deque(maxlen=samples) for name in (PATIENT, TOOL)}

    def observe_joints(self, stamp_s: float, joints: Joints) -> None:
        """A newer joint state."""
        while self._joints and self._joints[0][0] < stamp_s - 2 * STILL_S:
            self._joints.popleft()
        if self._joints and (np.abs(joints - self._joints[0][1]).max() > STILL_RAD or stamp_s - self._joints[-1][0] > GAP_S):
            self._joints.clear()
            self.forget_poses()
        self._joints.append((stamp_s, joints))

    def observe(self, sample: ToolSample, now_s: float) -> None:
        """A tool of one frame; late, replayed and repeated ones, and frames taken before it stood, are left out."""
        poses = self._poses.get(sample.tool)
        if poses is None or sample.pose is None or not self.still or not self._joints[0][0] <= sample.stamp_s <= now_s + 0.005:
            return
        if poses and (sample.stamp_s <= poses[-1][0] or np.array_equal(sample.pose.matrix, poses[-1][1].matrix)):
            return
        if poses and sample.stamp_s - poses[-1][0] > GAP_S:
            poses.clear()
        poses.append((sample.stamp_s, sample.pose))

    def forget_poses(self) -> None:
        """Wait for new ones."""
        for poses in self._poses.values():
            poses.clear()

    @property
    def still(self) -> bool:
        """The joints have been where they are for a while."""
        return bool(self._joints) and self._joints[-1][0] - self._joints[0][0] >= STILL_S

    @property
    def joints(self) -> Joints:
        """(6,) rad, the mean over that while."""
        return np.asarray(np.mean([q for _, q in self._joints], axis=0))

    def missing(self, now_s: float) -> str:
        """What is not known yet; empty when both tools were seen often enough, up to now."""
        if not self.still:
            return "the arm does not stand"
        for name, poses in self._poses.items():
            if len(poses) < self._samples or now_s - poses[-1][0] > GAP_S:
                return f"{name} was seen {len(poses)} of {self._samples} times"
        return ""

    def tracker(self) -> RigidTransform | None:
        """``T_robot_base_tracker`` from the newest poses; None while there are too few."""
        poses = self._poses[TOOL]
        if not self.still or len(poses) < self._samples:
            return None
        return locate_tracker(self._arm, self.joints, [pose for _, pose in poses], self._tool)

    def patient(self) -> RigidTransform:
        """``T_tracker_patient_ref``, the mean of the newest poses."""
        seen = [pose for _, pose in self._poses[PATIENT]]
        turn = Rotation.from_matrix([pose.rotation for pose in seen]).mean().as_matrix()
        return RigidTransform.from_parts(seen[0].dst, seen[0].src, turn, np.mean([pose.translation_mm for pose in seen], axis=0))
