"""What is true in the simulated room: for the result of ``--auto``, tests and benchmarks, never for a node."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path

import attrs
import numpy as np
from geometry_msgs.msg import Transform
from numpy.typing import NDArray
from pkp_lifecycle import names
from pkp_lifecycle.polled import Polled
from pkp_msgs import msg
from rclpy.node import Node
from tf2_msgs.msg import TFMessage

from planning_core.errors import PkpError
from planning_core.geometry import RigidTransform

CT, TIP, PATIENT = "truth_ct_lps", "truth_guide_tip", "truth_patient_ref"
WORLD = "world"


TRUTH_S = 5.0


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
    """Hears the truth and compares.

    Args:
        node: see ``unspun``. injector: socket at which the simulated injector tells its truth.
    """

    def __init__(self, node: Node, injector: Path) -> None:
        self._poses: dict[str, RigidTransform] = {}
        self._injector = injector
        self._heard = Polled(node, TFMessage, names.SIM_TRUTH_TF, 5)

    def delivered_ml(self) -> float | None:
        """Cement that truly left the cannula so far, all sides together; None where the device is gone."""
        try:
            with socket.socket(socket.AF_UNIX) as caller:
                caller.settimeout(TRUTH_S)
                caller.connect(str(self._injector))
                caller.sendall(b"{}\n")
                return float(json.loads(caller.makefile("rb").readline())["delivered_ml"])
        except OSError:
            return None

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
        placed = _rigid(PATIENT, CT, registration.transform).apply(point_lps_mm)
        return float(np.linalg.norm(placed - true.apply(point_lps_mm)))

    def ready(self) -> Callable[[], bool]:
        """A condition: all that is compared was heard."""
        return lambda: {CT, TIP, PATIENT} <= set(self._hear())

    def _pose(self, frame: str) -> RigidTransform:
        if frame not in self._hear():
            raise NoTruthError(f"nothing was heard of {frame} on {names.SIM_TRUTH_TF}", lacking=frame)
        return self._poses[frame]

    def _hear(self) -> dict[str, RigidTransform]:
        for heard in self._heard.take():
            for one in heard.transforms:
                self._poses[one.child_frame_id] = _rigid(WORLD, one.child_frame_id, one.transform)
        return self._poses


def _rigid(dst: str, src: str, transform: Transform) -> RigidTransform:
    turn, shift = transform.rotation, transform.translation
    return RigidTransform.from_quaternion(dst, src, (turn.x, turn.y, turn.z, turn.w), np.array([shift.x, shift.y, shift.z]) * 1e3)
