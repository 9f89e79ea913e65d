"""What is true in the simulated room: for the result of ``--auto``, tests and benchmarks, never for a node."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import numpy as np
from geometry_msgs.msg import Transform
from numpy.typing import NDArray
from pkp_lifecycle import names
from pkp_msgs import msg
from rclpy.node import Node
from scipy.spatial.transform import Rotation
from std_msgs.msg import Float64
from tf2_msgs.msg import TFMessage

from planning_core.errors import PkpError
from planning_core.geometry import RigidTransform

CT, TIP, PATIENT = "truth_ct_lps", "truth_guide_tip", "truth_patient_ref"
WORLD = "world"


class NoTruthError(PkpError):
    """The simulated room did not say what is true. Carries ``lacking``."""

    code = "no_truth"


@attrs.frozen
class TipError:
    """The guide's true place against the plan on the true anatomy: mm at entry and target, degrees."""

    entry_mm: float
    target_mm: float
    angle_deg: float


class Witness:
    """Hears the truth and compares."""

    def __init__(self, node: Node) -> None:
        self._poses: dict[str, RigidTransform] = {}
        self._delivered_ml: float | None = None
        node.create_subscription(TFMessage, names.SIM_TRUTH_TF, self._on_tf, 5)
        node.create_subscription(Float64, names.SIM_TRUTH_DELIVERED, self._on_delivered, 5)

    @property
    def delivered_ml(self) -> float | None:
        """Cement that truly left the cannula, all sides together; None where nobody says so."""
        return self._delivered_ml

    def tip_error(self, entry_lps_mm: NDArray[np.float64], target_lps_mm: NDArray[np.float64], entry_depth_mm: float) -> TipError:
        """How far the guide truly points beside the plan, now.

        Args:
            entry_lps_mm, target_lps_mm: (3,) of the plan. entry_depth_mm: planned distance from the guide's mouth to the entry.
        """
        ct_from_tip = self._pose(CT).inverse() @ self._pose(TIP)
        way = target_lps_mm - entry_lps_mm
        length = float(np.linalg.norm(way))
        depths = np.array([[0.0, 0.0, entry_depth_mm], [0.0, 0.0, entry_depth_mm + length]])
        off = np.linalg.norm(ct_from_tip.apply(depths) - np.stack([entry_lps_mm, target_lps_mm]), axis=1)
        axis = ct_from_tip.rotation[:, 2]
        angle = float(np.rad2deg(np.arctan2(np.linalg.norm(np.cross(axis, way / length)), axis @ way / length)))
        return TipError(float(off[0]), float(off[1]), angle)

    def registration_error_mm(self, registration: msg.RegistrationResult, point_lps_mm: NDArray[np.float64]) -> float:
        """How far the registration truly puts a point (3,) of ct_lps beside its place in patient_ref, mm."""
        true = self._pose(PATIENT).inverse() @ self._pose(CT)
        found = _matrix(registration.transform)
        placed = found[:3, :3] @ point_lps_mm + found[:3, 3]
        return float(np.linalg.norm(placed - true.apply(point_lps_mm)))

    def ready(self) -> Callable[[], bool]:
        """A condition: all that is compared was heard."""
        return lambda: {CT, TIP, PATIENT} <= set(self._poses)

    def _pose(self, frame: str) -> RigidTransform:
        if frame not in self._poses:
            raise NoTruthError(f"nothing was heard of {frame} on {names.SIM_TRUTH_TF}", lacking=frame)
        return self._poses[frame]

    def _on_tf(self, heard: TFMessage) -> None:
        for one in heard.transforms:
            matrix = _matrix(one.transform)
            self._poses[one.child_frame_id] = RigidTransform.from_parts(WORLD, one.child_frame_id, matrix[:3, :3], matrix[:3, 3])

    def _on_delivered(self, heard: Float64) -> None:
        self._delivered_ml = heard.data * 1e6


def _matrix(transform: Transform) -> NDArray[np.float64]:
    """(4, 4) in mm."""
    turn, shift = transform.rotation, transform.translation
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_quat([turn.x, turn.y, turn.z, turn.w]).as_matrix()
    matrix[:3, 3] = np.array([shift.x, shift.y, shift.z]) * 1e3
    return matrix
