"""The arm's forward kinematics and its numerical inverse, on the room's URDF (pinocchio). Millimetres and radians outside."""

from __future__ import annotations

import functools
from enum import StrEnum
from pathlib import Path

import attrs
import numpy as np
import pinocchio as pin
import xacro
from numpy.typing import ArrayLike, NDArray

from planning_core.errors import InputError, PkpError
from planning_core.geometry import RigidTransform

Joints = NDArray[np.float64]
BASE, FLANGE, TIP, PLATE = "robot_base", "robot_flange", "guide_tip", "marker_plate"
JOINT_NAMES = ("shoulder_pan_joint", "shoulder_lift_joint", "elbow_joint", "wrist_1_joint", "wrist_2_joint", "wrist_3_joint")
MM = 1000.0


class ArmModel(StrEnum):
    """Arms described in urdf/arm."""

    UR5 = "ur5"
    UR5E = "ur5e"
    UR10E = "ur10e"


class InvalidJointsError(InputError):
    """Joint values that are not six finite numbers. Carries ``shape`` and ``values``."""

    code = "invalid_joints"


class InverseNotFoundError(PkpError):
    """Newton's method did not arrive. Carries ``residual_mm``, ``residual_rad`` and ``iterations``."""

    code = "inverse_not_found"


@attrs.frozen(eq=False)
class JointRange:
    """What the description allows: lower and upper (6,) rad, speed (6,) rad/s."""

    lower: Joints
    upper: Joints
    speed: Joints

    def margin_rad(self, joints: Joints) -> float:
        """Distance of the nearest joint to its stop, rad; negative outside."""
        return float(np.minimum(joints - self.lower, self.upper - joints).min())


@attrs.frozen(eq=False)
class DhTable:
    """Standard Denavit-Hartenberg lengths of the nominal arm, mm: what the closed-form inverse needs."""

    d1: float
    a2: float
    a3: float
    d4: float
    d5: float
    d6: float


def checked_joints(values: ArrayLike) -> Joints:
    """Six finite joint angles, rad.

    Raises:
        InvalidJointsError: another shape, NaN or infinity.
    """
    joints = np.asarray(values, dtype=np.float64)
    if joints.shape != (6,) or not np.isfinite(joints).all():
        raise InvalidJointsError(
            f"six finite joint angles are needed, got {np.array2string(joints)} of shape {joints.shape}",
            shape=list(joints.shape),
            values=[repr(v) for v in joints.ravel()],
        )
    return joints


@functools.cache
def description_folder() -> Path:
    """Where the room's description lies: this source tree, else the installed package pkp_description."""
    for parent in Path(__file__).resolve().parents:
        if (parent / "urdf" / "room.urdf.xacro").is_file():
            return parent / "urdf"
    from ament_index_python.packages import get_package_share_directory

    return Path(get_package_share_directory("pkp_description"))


def room_description(model: ArmModel, **arguments: str) -> str:
    """The room's URDF as XML. ``arguments`` are those of room.urdf.xacro, as base_xyz="0 -0.45 0.05" (metres, radians)."""
    mappings = {"arm": ArmModel(model).value, **arguments}
    return str(xacro.process_file(str(description_folder() / "room.urdf.xacro"), mappings=mappings).toxml())


class ArmKinematics:
    """One arm of the description, nominal or calibrated. Not for sharing between threads.

    Args:
        description: the room's URDF as XML.
        corrections: (6, 6) or None; row i is a small screw (x, y, z mm; rx, ry, rz rad) applied in joint i's own frame at its
            zero: what a calibration of the real arm found.
    """

    def __init__(self, description: str, corrections: ArrayLike | None = None) -> None:
        self.description = description
        self.model = pin.buildModelFromXML(description)
        names = tuple(self.model.names)[1:]
        if names != JOINT_NAMES:
            raise InputError(f"the description's joints are {names}, expected {JOINT_NAMES}", joints=list(names))
        self.range = JointRange(
            np.array(self.model.lowerPositionLimit), np.array(self.model.upperPositionLimit), np.array(self.model.velocityLimit)
        )
        self.nominal = self._table()
        if corrections is not None:
            screws = np.asarray(corrections, dtype=np.float64)
            if screws.shape != (6, 6) or not np.isfinite(screws).all():
                raise InputError(f"corrections must be (6, 6) and finite, got shape {screws.shape}", shape=list(screws.shape))
            for joint, screw in enumerate(screws, start=1):
                step = pin.SE3(pin.exp3(screw[3:]), screw[:3] / MM)
                self.model.jointPlacements[joint] = self.model.jointPlacements[joint] * step
        self.data = self.model.createData()
        self._tip = self.model.getFrameId(TIP)
        pin.framesForwardKinematics(self.model, self.data, np.zeros(6))
        self._base = self.data.oMf[self.model.getFrameId(BASE)].copy()
        self._to_base = self._base.inverse()
        self._fixed = {name: self._on_flange(name) for name in (TIP, PLATE)}

    @classmethod
    def load(cls, model: ArmModel, corrections: ArrayLike | None = None, **arguments: str) -> ArmKinematics:
        """From urdf/: see :func:`room_description`."""
        return cls(room_description(model, **arguments), corrections)

    @property
    def world_from_base(self) -> RigidTransform:
        """``T_world_robot_base``."""
        return _transform("world", BASE, self._base)

    def flange_from(self, frame: str) -> RigidTransform:
        """``T_robot_flange_<frame>`` of guide_tip or marker_plate, as drawn."""
        return _transform(FLANGE, frame, self._fixed[frame])

    def forward(self, joints: ArrayLike, frame: str = TIP) -> RigidTransform:
        """``T_robot_base_<frame>`` at ``joints`` (6,) rad.

        Raises:
            InvalidJointsError: not six finite numbers.
        """
        return RigidTransform(BASE, frame, self.tip_matrix(checked_joints(joints), frame))

    def tip_matrix(self, joints: Joints, frame: str = TIP) -> NDArray[np.float64]:
        """(4, 4) mm, the same without checks and names: for loops of 125 Hz."""
        pin.forwardKinematics(self.model, self.data, joints)
        matrix = (self._to_base * pin.updateFramePlacement(self.model, self.data, self.model.getFrameId(frame))).homogeneous
        matrix[:3, 3] *= MM
        return matrix

    def jacobian(self, joints: ArrayLike) -> NDArray[np.float64]:
        """(6, 6) geometric Jacobian of guide_tip in its own axes: rows mm/rad then rad/rad."""
        matrix = np.array(pin.computeFrameJacobian(self.model, self.data, checked_joints(joints), self._tip))
        matrix[:3] *= MM
        return matrix

    def inverse_near(
        self,
        target: RigidTransform,
        seed: ArrayLike,
        *,
        tolerance_mm: float = 1e-5,
        most_steps: int = 30,
        stride_rad: float = 0.5,
    ) -> Joints:
        """The joints next to ``seed`` that put guide_tip at ``target`` (Newton's method with damped, bounded steps).

        Args:
            target: ``T_robot_base_guide_tip``.
            seed: (6,) rad, where to start.
            tolerance_mm: residual in mm; in angle a thousandth of it, rad.
            most_steps: iterations.
            stride_rad: largest change of a joint in one step.

        Raises:
            InverseNotFoundError: no convergence: out of reach, or at a singularity.
            InvalidJointsError: the seed is not six finite numbers.
        """
        if (target.dst, target.src) != (BASE, TIP):
            raise InputError(f"T_{BASE}_{TIP} is needed, got T_{target.dst}_{target.src}", dst=target.dst, src=target.src)
        return self.inverse_matrix_near(target.matrix, checked_joints(seed), tolerance_mm, most_steps, stride_rad)

    def inverse_matrix_near(
        self, target: NDArray[np.float64], seed: Joints, tolerance_mm: float = 1e-5, most_steps: int = 30, stride_rad: float = 0.5
    ) -> Joints:
        """The same for a rigid (4, 4) in mm, unchecked: for loops of 125 Hz."""
        goal = self._base * pin.SE3(target[:3, :3], target[:3, 3] / MM)
        joints = np.array(seed)
        error = np.full(6, np.inf)
        taken = 0
        for taken in range(1, most_steps + 1):  # noqa: B007 -- reported below
            pin.forwardKinematics(self.model, self.data, joints)
            here = pin.updateFramePlacement(self.model, self.data, self._tip)
            error = pin.log6(here.actInv(goal)).vector
            if np.linalg.norm(error[:3]) * MM < tolerance_mm and np.linalg.norm(error[3:]) < tolerance_mm / MM:
                return joints
            matrix = pin.computeFrameJacobian(self.model, self.data, joints, self._tip)
            # damping falls with the error, so that the last steps are Newton's own
            damping = 1e-6 * min(1.0, float(error @ error))
            step = np.linalg.solve(matrix.T @ matrix + (damping + 1e-14) * np.eye(6), matrix.T @ error)
            joints = joints + step * min(1.0, stride_rad / max(float(np.abs(step).max()), 1e-12))
            if not np.isfinite(joints).all():
                break
        residual_mm, residual_rad = float(np.linalg.norm(error[:3]) * MM), float(np.linalg.norm(error[3:]))
        raise InverseNotFoundError(
            f"no joints found for the tip after {taken} steps: {residual_mm:.3g} mm and {residual_rad:.3g} rad are left",
            residual_mm=residual_mm,
            residual_rad=residual_rad,
            iterations=taken,
        )

    def _table(self) -> DhTable:
        at = [self.model.jointPlacements[i].translation * MM for i in range(7)]
        flange = self.model.frames[self.model.getFrameId(FLANGE)].placement.translation * MM
        return DhTable(d1=at[2][2], a2=at[3][0], a3=at[4][0], d4=at[5][2], d5=at[6][2], d6=flange[2])

    def _on_flange(self, frame: str) -> pin.SE3:
        frames = self.model.frames
        flange = frames[self.model.getFrameId(FLANGE)].placement
        return flange.inverse() * frames[self.model.getFrameId(frame)].placement


def _transform(dst: str, src: str, placement: pin.SE3) -> RigidTransform:
    return RigidTransform.from_parts(dst, src, placement.rotation, placement.translation * MM)
