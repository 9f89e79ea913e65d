"""Does the arm keep clear of table, patient, camera, cart and itself? Distances between the description's bodies (coal)."""

from __future__ import annotations

import attrs
import numpy as np
import pinocchio as pin
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict, Field

from pkp_control.kinematics import BASE, MM, PLATE, ArmKinematics, Joints, checked_joints
from planning_core.errors import InputError, PkpError
from planning_core.geometry import RigidTransform

PATIENT_BODY, GUIDE = "patient", "guide"
# bodies joined at a joint, or so close on the same forearm that they never part, are not tested against each other
NEIGHBOURS = {
    frozenset(pair)
    for pair in (
        (BASE, "shoulder_link"),
        (BASE, "upper_arm_link"),
        ("cart", "shoulder_link"),
        ("shoulder_link", "upper_arm_link"),
        ("upper_arm_link", "forearm_link"),
        ("forearm_link", "wrist_1_link"),
        ("forearm_link", "wrist_2_link"),
        ("wrist_1_link", "wrist_2_link"),
        ("wrist_1_link", "wrist_3_link"),
        ("wrist_2_link", "wrist_3_link"),
        ("wrist_3_link", GUIDE),
        ("wrist_3_link", "marker_plate"),
        ("wrist_2_link", GUIDE),
        (GUIDE, "marker_plate"),
    )
}


class CollisionError(PkpError):
    """Too close. Carries ``first``, ``second``, ``distance_mm`` and ``wanted_mm``."""

    code = "collision"


class ClearanceConfig(BaseModel):
    """Least distances, mm."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    general_mm: float = Field(20.0, ge=0, description="assumed; a UR5 at approach speed stops within a few millimetres")
    self_mm: float = Field(5.0, ge=0, description="assumed, between the arm's own bodies")
    guide_patient_mm: float = Field(3.0, ge=0, description="assumed, guide sleeve above the skin on its last straight way")
    plate_patient_mm: float = Field(10.0, ge=0, description="assumed, marker plate beside it above the skin, on the same way")


@attrs.frozen
class Clearance:
    """The tightest pair: how much more than wanted (mm, negative when too close), who, and the distance itself."""

    spare_mm: float
    first: str
    second: str
    distance_mm: float
    wanted_mm: float


class CollisionChecker:
    """Distances of one arm in its room. Not for sharing between threads.

    Args:
        arm: kinematics; its description carries the room.
        config: clearances.
        world_from_patient: ``T_world_patient``, the middle of the patient's box, where it differs from the description's.
    """

    def __init__(
        self, arm: ArmKinematics, config: ClearanceConfig | None = None, world_from_patient: RigidTransform | None = None
    ) -> None:
        self.arm, self.config = arm, config or ClearanceConfig()
        geometry = pin.buildGeomFromUrdfString(arm.model, arm.description, pin.GeometryType.COLLISION)
        self._owner = [arm.model.frames[body.parentFrame].name for body in geometry.geometryObjects]
        if world_from_patient is not None:
            if (world_from_patient.dst, world_from_patient.src) != ("world", PATIENT_BODY):
                raise InputError(f"T_world_{PATIENT_BODY} is needed, got T_{world_from_patient.dst}_{world_from_patient.src}")
            body = geometry.geometryObjects[self._owner.index(PATIENT_BODY)]
            body.placement = pin.SE3(np.array(world_from_patient.rotation), world_from_patient.translation_mm / MM)
        self._wanted: dict[bool, list[float]] = {False: [], True: []}
        for i, first in enumerate(geometry.geometryObjects):
            for j, second in enumerate(geometry.geometryObjects[:i]):
                if first.parentJoint == second.parentJoint or frozenset((self._owner[i], self._owner[j])) in NEIGHBOURS:
                    continue
                geometry.addCollisionPair(pin.CollisionPair(j, i))
                for near in (False, True):
                    self._wanted[near].append(self._distance_wanted(self._owner[i], self._owner[j], near))
        self._geometry, self._data = geometry, geometry.createData()
        self._model_data = arm.model.createData()
        for request, wanted in zip(self._data.collisionRequests, self._wanted[False], strict=True):
            request.security_margin = wanted / MM

    def clearance(self, joints: ArrayLike, near_patient: bool = False) -> Clearance:
        """The tightest pair at ``joints`` (6,) rad. ``near_patient``: the guide is on its last straight way.

        Raises:
            InvalidJointsError: not six finite numbers.
        """
        values = checked_joints(joints)
        pin.computeDistances(self.arm.model, self._model_data, self._geometry, self._data, values)
        distances = np.array([result.min_distance for result in self._data.distanceResults]) * MM
        spare = distances - self._wanted[near_patient]
        worst = int(np.argmin(spare))
        pair = self._geometry.collisionPairs[worst]
        names = self._owner[pair.first], self._owner[pair.second]
        return Clearance(float(spare[worst]), *names, float(distances[worst]), self._wanted[near_patient][worst])

    def free(self, joints: Joints) -> bool:
        """All clearances are kept (quicker than :meth:`clearance`: stops at the first pair)."""
        return not pin.computeCollisions(self.arm.model, self._model_data, self._geometry, self._data, joints, True)

    def objection(self, joints: Joints, near_patient: bool = False) -> str | None:
        """Why not, or None."""
        found = self.clearance(joints, near_patient)
        if found.spare_mm >= 0:
            return None
        return f"{found.first} is {found.distance_mm:.0f} mm from {found.second}, {found.wanted_mm:g} mm wanted"

    def require(self, joints: Joints, near_patient: bool = False) -> None:
        """Refuse what is too close.

        Raises:
            CollisionError: with the pair.
        """
        found = self.clearance(joints, near_patient)
        if found.spare_mm < 0:
            raise CollisionError(
                f"{found.first} would be {found.distance_mm:.0f} mm from {found.second}, {found.wanted_mm:g} mm wanted",
                first=found.first,
                second=found.second,
                distance_mm=found.distance_mm,
                wanted_mm=found.wanted_mm,
            )

    def _distance_wanted(self, one: str, other: str, near_patient: bool) -> float:
        config, fixed = self.config, {"table", PATIENT_BODY, "tracker_body", "cart"}
        if not fixed & {one, other}:
            return config.self_mm
        if near_patient and {one, other} == {GUIDE, PATIENT_BODY}:
            return config.guide_patient_mm
        if near_patient and {one, other} == {PLATE, PATIENT_BODY}:
            return config.plate_patient_mm
        return config.general_mm
