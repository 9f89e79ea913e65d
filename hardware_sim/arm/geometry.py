"""Where the simulated arm's flange, guide and marker plate truly are.

Own arithmetic on own numbers on purpose: the control side computes from the URDF with another library, so a mistake in one does
not hide in the other (tests hold the two nominal geometries against each other).
"""

from __future__ import annotations

import functools
from typing import Any

import attrs
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

from hardware_sim.arm.config import ArmConfig
from planning_core.geometry import RigidTransform
from planning_core.geometry.arrays import FloatArray

HALF = np.pi / 2
# d, a in mm, alpha in rad; Universal Robots, "DH parameters for calculations of kinematics and dynamics"
NOMINAL: dict[str, tuple[tuple[float, float, float], ...]] = {
    "ur5": ((89.159, 0, HALF), (0, -425.0, 0), (0, -392.25, 0), (109.15, 0, HALF), (94.65, 0, -HALF), (82.3, 0, 0)),
    "ur5e": ((162.5, 0, HALF), (0, -425.0, 0), (0, -392.2, 0), (133.3, 0, HALF), (99.7, 0, -HALF), (99.6, 0, 0)),
    "ur10e": ((180.7, 0, HALF), (0, -612.7, 0), (0, -571.55, 0), (174.15, 0, HALF), (119.85, 0, -HALF), (116.55, 0, 0)),
}
GUIDE_MM = (0.0, 60.0, 160.0)
PLATE_MM = (0.0, -60.0, 70.0)
PLATE_ROLL = 2 * np.pi / 3


@attrs.frozen(eq=False)
class TrueGeometry:
    """One arm as built.

    Args:
        rows: (6, 5) theta offset rad, d mm, a mm, alpha rad, and a tilt about y in rad (Hayati and Mirmirani 1985: lengths and
            twists alone cannot describe two nearly parallel axes).
        guide: (4, 4) flange ← guide tip, mm.
        plate: (4, 4) flange ← marker plate (the tracker's robot_ref), mm.
    """

    rows: FloatArray
    guide: FloatArray
    plate: FloatArray

    @classmethod
    def nominal(cls, model: str) -> TrueGeometry:
        """As on paper."""
        rows = np.array([(0.0, d, a, alpha, 0.0) for d, a, alpha in NOMINAL[model]])
        c, s = np.cos(PLATE_ROLL), np.sin(PLATE_ROLL)
        face = np.array([[1.0, 0, 0], [0, c, -s], [0, s, c]])  # the plate's z is the flange's -y, raised by 30°
        return cls(rows, _matrix(np.eye(3), GUIDE_MM), _matrix(face, PLATE_MM))

    @classmethod
    def seeded(cls, config: ArmConfig, seed: int) -> TrueGeometry:
        """One of many possible arms; the same for the same seed."""
        draw = np.random.default_rng([seed, 71])
        paper = cls.nominal(config.model)
        length, angle = config.length_sd_mm, np.deg2rad(config.angle_sd_deg)
        rows = paper.rows + draw.normal(size=(6, 5)) * [angle, length, length, angle, 0.0]
        rows[1:3, 4] += draw.normal(size=2) * angle
        mounting = _small(draw, config.mounting_sd_mm, config.mounting_sd_deg)
        tool = _small(draw, config.tool_sd_mm, config.tool_sd_deg)
        return cls(rows, mounting @ paper.guide @ tool, mounting @ paper.plate)

    def offset(self, joint: int, angle_rad: float) -> TrueGeometry:
        """The same arm with one joint's zero moved: a wrong calibration."""
        rows = self.rows.copy()
        rows[joint, 0] += angle_rad
        return attrs.evolve(self, rows=rows)

    def flange(self, joints: ArrayLike) -> FloatArray:
        """(4, 4) robot_base ← robot_flange at the links' angles (6,) rad."""
        angles = np.asarray(joints, dtype=np.float64)
        if angles.shape != (6,):
            raise ValueError(f"six joint angles are needed, got shape {angles.shape}")
        fixed = self._fixed
        links = fixed.copy()
        c, s = np.cos(angles)[:, None], np.sin(angles)[:, None]
        links[:, 0] = c * fixed[:, 0] - s * fixed[:, 1]
        links[:, 1] = s * fixed[:, 0] + c * fixed[:, 1]
        pose: FloatArray = links[0]
        for link in links[1:]:
            pose = pose @ link
        return pose

    @functools.cached_property
    def _fixed(self) -> FloatArray:
        """(6, 4, 4): what follows each joint's own turn; kept, since a device asks for its flange at every step."""
        made = []
        for offset, d, a, alpha, tilt in self.rows:
            c, s, ca, sa = np.cos(offset), np.sin(offset), np.cos(alpha), np.sin(alpha)
            ct, st = np.cos(tilt), np.sin(tilt)
            link = np.array([[c, -s * ca, s * sa, a * c], [s, c * ca, -c * sa, a * s], [0, sa, ca, d], [0, 0, 0, 1]])
            made.append(link @ np.array([[ct, 0, st, 0], [0, 1, 0, 0], [-st, 0, ct, 0], [0, 0, 0, 1]]))
        return np.array(made)

    def tip(self, joints: ArrayLike) -> RigidTransform:
        """``T_robot_base_guide_tip``."""
        return RigidTransform("robot_base", "guide_tip", self.flange(joints) @ self.guide)

    def marker_plate(self, joints: ArrayLike) -> RigidTransform:
        """``T_robot_base_robot_ref``."""
        return RigidTransform("robot_base", "robot_ref", self.flange(joints) @ self.plate)


def _matrix(rotation: NDArray[Any], translation: ArrayLike) -> FloatArray:
    matrix: FloatArray = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation, translation
    return matrix


def _small(draw: np.random.Generator, mm: float, deg: float) -> FloatArray:
    turn = Rotation.from_rotvec(draw.normal(size=3) * np.deg2rad(deg)).as_matrix()
    return _matrix(turn, draw.normal(size=3) * mm)
