"""Where things are in the scripted room: the path lies where the guide points, breath lifts the patient."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from pkp_control.arm_messages import transform_stamped
from pkp_control.kinematics import PLATE, TIP, ArmKinematics
from pkp_control.links import Links
from pkp_lifecycle import names
from pkp_lifecycle.node import KEPT
from pkp_lifecycle.units import metres
from pkp_msgs import msg
from pkp_navigation.register_messages import along
from rclpy.node import Node
from scipy.spatial.transform import Rotation
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage

from planning_core.case.plan import Plan
from planning_core.geometry import RigidTransform

MODEL = "ur5"
POSTURE = np.array([-1.74, -1.75, 2.05, -1.87, -1.57, 0.0])
BREATH_MM, BREATH_S = 4.0, 4.0


class Scene:
    """Tells where everything is.

    Args:
        plan: the guide points along its left path. stamp: of now.
    """

    def __init__(self, node: Node, plan: Plan, stamp: Callable[[], Any]) -> None:
        self._stamp, self._began = stamp, time.monotonic()
        self.off_mm, self.gap_mm = 3.0, 60.0
        self._tf, self._tf_static = (
            node.create_publisher(TFMessage, "/tf", 10),
            node.create_publisher(TFMessage, "/tf_static", KEPT),
        )
        self._tools = node.create_publisher(msg.ToolPoseArray, names.TOOLS, 10)
        arm = ArmKinematics.load(MODEL)
        self._links, base = Links(arm), arm.world_from_base
        self._world_tip, self._world_plate = base @ arm.forward(POSTURE, TIP), base @ arm.forward(POSTURE, PLATE)
        looking = Rotation.from_euler("xyz", [np.pi / 2 + 0.75, 0, np.pi]).as_matrix()
        self._world_tracker = RigidTransform.from_parts("world", "tracker", looking, [350.0, 1100.0, 1050.0])
        self._base_tracker = base.inverse() @ self._world_tracker
        self.arrange(plan)
        self._urdf = node.create_publisher(String, names.ROBOT_DESCRIPTION, KEPT)
        self._urdf.publish(String(data=arm.description))
        self._say_fixed([])

    def arrange(self, plan: Plan) -> None:
        """Lay the patient so that the guide stands before a path of this plan."""
        path = next((p for p in plan.paths if p.side == "left"), plan.paths[0])
        turn = along(np.array(path.target_mm) - np.array(path.entry_mm))
        entry = RigidTransform.from_parts("ct_lps", "entry", turn, path.entry_mm)
        ahead = RigidTransform.from_parts("guide_tip", "entry", np.eye(3), [0, 0, 40.0])
        self._world_ct = self._world_tip @ ahead @ entry.inverse()
        at = self._world_ct.apply(np.array([path.entry_mm]))[0] + np.array([90.0, 0.0, 35.0])
        self._world_patient = RigidTransform.from_parts("world", "patient_ref", np.eye(3), at)

    @property
    def patient_from_ct(self) -> RigidTransform:
        """T_patient_ref_ct_lps, as a registration finds it."""
        return self._world_patient.inverse() @ self._world_ct

    def say_registered(self) -> None:
        """The CT hangs on the patient's reference from now on."""
        self._say_fixed([self.patient_from_ct])

    def say_arm(self) -> None:
        """The arm's links."""
        stamp = self._stamp()
        self._tf.publish(TFMessage(transforms=[transform_stamped(t, stamp) for t in self._links.moving(POSTURE)]))

    def say_tools(self, count: int) -> None:
        """One frame of the camera: the guide wanders about the path, both breathe."""
        stamp, t = self._stamp(), time.monotonic() - self._began
        lift = [0, 0, BREATH_MM * (math.sin(math.pi * t / BREATH_S) ** 2)]
        breath = RigidTransform.from_parts("world", "world", np.eye(3), lift)
        off = [self.off_mm * math.cos(t / 2), self.off_mm * math.sin(t / 2), -self.gap_mm]
        tilt = Rotation.from_euler("x", self.off_mm * 0.2, degrees=True).as_matrix()
        wobble = RigidTransform.from_parts(PLATE, PLATE, tilt, off)
        tracker = self._world_tracker.inverse()
        poses = {
            "patient_ref": tracker @ breath @ self._world_patient,
            "robot_ref": tracker @ breath @ self._world_plate @ wobble,
        }
        frame = msg.ToolPoseArray(frame_number=count)
        frame.header.stamp, frame.header.frame_id = stamp, "tracker"
        sent = []
        for name in ("patient_ref", "robot_ref", "probe_tip"):
            tool = msg.ToolPose(header=frame.header, tool=name, frame_number=count, rms=0.12e-3, status=msg.ToolPose.MISSING)
            if name in poses:
                named = transform_stamped(RigidTransform("tracker", name, poses[name].matrix), stamp)
                place = named.transform.translation
                tool.status = msg.ToolPose.OK
                tool.pose.position.x, tool.pose.position.y, tool.pose.position.z = place.x, place.y, place.z
                tool.pose.orientation = named.transform.rotation
                sent.append(named)
            frame.tools.append(tool)
        self._tools.publish(frame)
        self._tf.publish(TFMessage(transforms=sent))

    def registration(self, plan: Plan, reference: msg.PlanReference) -> msg.RegistrationResult:
        """As an accepted registration comes out."""
        made = msg.RegistrationResult(plan=reference, method="plate", fiducials_used=9, fiducials_rejected=1, accepted=True)
        made.header.stamp, made.header.frame_id = self._stamp(), "patient_ref"
        made.fiducial_rms, made.check_point_error, made.check_point_limit = 0.31e-3, 0.74e-3, 1.5e-3
        for path in {p.side: p for p in reversed(plan.paths)}.values():
            error = msg.TargetError(header=made.header, side=path.side, rms=0.62e-3, bound_95=1.12e-3)
            x, y, z = self.patient_from_ct.apply(np.array([path.target_mm]))[0]
            error.target.x, error.target.y, error.target.z = metres(x), metres(y), metres(z)
            error.covariance = (np.diag([0.16, 0.09, 0.13]) * 1e-6).ravel().tolist()
            made.target_errors.append(error)
        return made

    def _say_fixed(self, more: list[RigidTransform]) -> None:
        stamp = self._stamp()
        parts = [*self._links.fixed(), self._base_tracker, *more]
        self._tf_static.publish(TFMessage(transforms=[transform_stamped(t, stamp) for t in parts]))
