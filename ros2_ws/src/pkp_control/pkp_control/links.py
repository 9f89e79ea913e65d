"""Where all links of the description are: what fixed joints join, once; what the arm's joints move, at each posture."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import numpy as np
import pinocchio as pin

from pkp_control.kinematics import MM, ArmKinematics, Joints
from planning_core.geometry import RigidTransform


class Links:
    """The description's tree. Not for sharing between threads.

    Args:
        arm: kinematics; its description names the links.
    """

    def __init__(self, arm: ArmKinematics) -> None:
        self._arm, self._data = arm, arm.model.createData()
        joints = ElementTree.fromstring(arm.description).iter("joint")
        pairs = [(j.find("parent").get("link"), j.find("child").get("link"), j.get("type")) for j in joints]  # type: ignore[union-attr]
        self._fixed = [(parent, child) for parent, child, kind in pairs if kind == "fixed"]
        self._moving = [(parent, child) for parent, child, kind in pairs if kind != "fixed"]

    def fixed(self) -> list[RigidTransform]:
        """``T_<parent>_<child>`` over every fixed joint, mm."""
        return self._over(self._fixed, np.zeros(6))

    def moving(self, joints: Joints) -> list[RigidTransform]:
        """``T_<parent>_<child>`` over every moving joint at ``joints`` (6,) rad, mm."""
        return self._over(self._moving, joints)

    def _over(self, pairs: list[tuple[str, str]], joints: Joints) -> list[RigidTransform]:
        model = self._arm.model
        pin.framesForwardKinematics(model, self._data, joints)
        out = []
        for parent, child in pairs:
            step = self._data.oMf[model.getFrameId(parent)].inverse() * self._data.oMf[model.getFrameId(child)]
            out.append(RigidTransform.from_parts(parent, child, step.rotation, step.translation * MM))
        return out
