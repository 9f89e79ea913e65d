"""All ways to reach a pose: the closed-form inverse of the UR arms, polished on the calibrated model, and the choice of one.

Source of the closed form: K. P. Hawkins, "Analytic inverse kinematics for the Universal Robots UR-5/UR-10 arms", Georgia Tech,
2013; derived again here on the axes themselves, so that the signs follow from the DH table and nothing else.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from math import acos, atan2, cos, hypot, pi, sin, sqrt

import attrs
import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict, Field

from pkp_control.kinematics import TIP, ArmKinematics, InverseNotFoundError, Joints, checked_joints
from planning_core.errors import PkpError
from planning_core.geometry import RigidTransform


class UnreachableError(PkpError):
    """No joints put the guide there. Carries ``distance_mm`` (wrist from shoulder) and ``reach_mm``."""

    code = "unreachable"


class NoBranchError(PkpError):
    """The pose can be reached but every way was refused. Carries ``refused``: branch → reason."""

    code = "no_branch"


class BranchConfig(BaseModel):
    """Margins a resting pose must keep (all assumed; the arm loses direction gradually towards a singularity)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    limit_margin_rad: float = Field(0.10, ge=0, description="to a joint's stop")
    shoulder_margin_mm: float = Field(60.0, ge=0, description="wrist from joint 1's axis, less d4")
    elbow_margin_rad: float = Field(0.20, ge=0, description="from the stretched or folded elbow")
    wrist_margin_rad: float = Field(0.20, ge=0, description="joint 5 from 0 and half a turn")
    calibration_stride_rad: float = Field(
        0.2, gt=0, description="a calibrated solution further from the nominal one is another branch"
    )


@attrs.frozen(order=True)
class Branch:
    """Which of the eight: the sign of each square root."""

    shoulder: int
    elbow: int
    wrist: int

    def __str__(self) -> str:
        names = ("left" if self.shoulder > 0 else "right", "up" if self.elbow > 0 else "down", "out" if self.wrist > 0 else "in")
        return "shoulder {}, elbow {}, wrist {}".format(*names)


@attrs.frozen(eq=False)
class Solution:
    """Joints (6,) rad and the margins they keep."""

    branch: Branch
    joints: Joints
    limit_rad: float
    shoulder_mm: float
    elbow_rad: float
    wrist_rad: float

    def objection(self, config: BranchConfig) -> str | None:
        """Why not, or None."""
        for name, value, least, unit in (
            ("joint limit", self.limit_rad, config.limit_margin_rad, "rad"),
            ("shoulder singularity", self.shoulder_mm, config.shoulder_margin_mm, "mm"),
            ("elbow singularity", self.elbow_rad, config.elbow_margin_rad, "rad"),
            ("wrist singularity", self.wrist_rad, config.wrist_margin_rad, "rad"),
        ):
            if value < least:
                return f"{name}: {value:.3g} {unit} left, {least:g} wanted"
        return None


@attrs.frozen(eq=False)
class Choice:
    """The chosen solution, what speaks for it, and why each other was refused or ranked behind."""

    solution: Solution
    reason: str
    refused: dict[str, str]


def _closed_form(arm: ArmKinematics, flange: np.ndarray) -> Iterator[tuple[Branch, np.ndarray]]:
    dh = arm.nominal
    wrist = flange[:3, 3] - dh.d6 * flange[:3, 2]
    radius = hypot(wrist[0], wrist[1])
    if radius < abs(dh.d4):
        return
    for shoulder in (1, -1):
        q1 = atan2(wrist[1], wrist[0]) + shoulder * acos(dh.d4 / radius) + pi / 2
        normal = np.array([sin(q1), -cos(q1), 0.0])  # joints 2, 3 and 4 turn about it
        c5 = float(np.clip(normal @ flange[:3, 2], -1.0, 1.0))
        for side in (1, -1):
            q5 = side * acos(c5)
            seen = flange[:3, :3].T @ normal  # = (c6 s5, -s6 s5, c5)
            q6 = atan2(-seen[1] * side, seen[0] * side) if sqrt(max(0.0, 1 - c5 * c5)) > 1e-9 else 0.0
            # planar two-bar linkage in joint 1's frame
            rest = _dh(q5, dh.d5, -pi / 2) @ _dh(q6, dh.d6, 0.0)
            plane = np.linalg.inv(_dh(q1, dh.d1, pi / 2)) @ flange @ np.linalg.inv(rest)
            x, y = plane[0, 3], plane[1, 3]
            c3 = (x * x + y * y - dh.a2**2 - dh.a3**2) / (2 * dh.a2 * dh.a3)
            if abs(c3) > 1.0 + 1e-9:  # a stretched arm, within rounding
                continue
            for elbow in (1, -1):
                q3 = elbow * acos(min(1.0, max(-1.0, c3)))
                q2 = atan2(y, x) - atan2(dh.a3 * sin(q3), dh.a2 + dh.a3 * cos(q3))
                q4 = atan2(plane[1, 0], plane[0, 0]) - q2 - q3
                yield Branch(shoulder, elbow, side), np.array([q1, q2, q3, q4, q5, q6])


def _dh(angle: float, d: float, alpha: float) -> np.ndarray:
    c, s, ca, sa = cos(angle), sin(angle), cos(alpha), sin(alpha)
    return np.array([[c, -s * ca, s * sa, 0.0], [s, c * ca, -c * sa, 0.0], [0.0, sa, ca, d], [0.0, 0.0, 0.0, 1.0]])


def nearest_turn(arm: ArmKinematics, joints: Joints, near: Joints) -> Joints:
    """The same pose with whole turns added so that each joint inside its range is as near to ``near`` as can be."""
    turned = joints + 2 * pi * np.round((near - joints) / (2 * pi))
    turned = np.where(turned > arm.range.upper, turned - 2 * pi, turned)
    return np.where(turned < arm.range.lower, turned + 2 * pi, turned)


def solve_all(
    arm: ArmKinematics, target: RigidTransform, near: ArrayLike | None = None, config: BranchConfig | None = None
) -> tuple[Solution, ...]:
    """Every way to put guide_tip at ``target``, at most eight, each verified by forward kinematics.

    Args:
        arm: nominal or calibrated; a calibrated arm's solutions are found by Newton's method from the nominal ones.
        target: ``T_robot_base_guide_tip``, mm.
        near: (6,) rad; whole turns are chosen to be near these joints (zeros otherwise).
        config: margins and strides.

    Raises:
        UnreachableError: there is none.
    """
    config = config or BranchConfig()
    around = np.zeros(6) if near is None else checked_joints(near)
    flange = (target @ arm.flange_from(TIP).inverse()).matrix
    found: list[Solution] = []
    for branch, raw in _closed_form(arm, flange):
        nominal = nearest_turn(arm, raw, around)
        try:
            joints = arm.inverse_near(target, nominal)
        except InverseNotFoundError:
            continue
        if np.abs(joints - nominal).max() > config.calibration_stride_rad:
            continue
        found.append(_with_margins(arm, branch, joints, flange))
    if not found:
        wrist = flange[:3, 3] - arm.nominal.d6 * flange[:3, 2] - [0.0, 0.0, arm.nominal.d1]
        distance, reach = float(np.linalg.norm(wrist)), abs(arm.nominal.a2) + abs(arm.nominal.a3) + arm.nominal.d5
        raise UnreachableError(
            f"no joints reach this pose: the wrist would be {distance:.0f} mm from the shoulder, the reach is {reach:.0f} mm",
            distance_mm=distance,
            reach_mm=reach,
        )
    return tuple(sorted(found, key=lambda s: s.branch))


def _with_margins(arm: ArmKinematics, branch: Branch, joints: Joints, flange: np.ndarray) -> Solution:
    dh = arm.nominal
    wrist = flange[:3, 3] - dh.d6 * flange[:3, 2]
    return Solution(
        branch=branch,
        joints=joints,
        limit_rad=arm.range.margin_rad(joints),
        shoulder_mm=sqrt(max(0.0, float(wrist[0] ** 2 + wrist[1] ** 2 - dh.d4**2))),
        elbow_rad=abs(_to_half_turn(joints[2])),
        wrist_rad=abs(_to_half_turn(joints[4])),
    )


def _to_half_turn(angle: float) -> float:
    """Signed distance to the nearest multiple of half a turn, rad."""
    return float((angle + pi / 2) % pi - pi / 2)


def choose(
    arm: ArmKinematics,
    targets: Sequence[RigidTransform],
    near: ArrayLike,
    objection: Callable[[Joints], str | None] = lambda joints: None,
    config: BranchConfig | None = None,
) -> Choice:
    """The way that keeps all margins and moves the joints least (largest joint first), the same for the same input.

    Args:
        arm: the arm.
        targets: ``T_robot_base_guide_tip``: poses that serve equally, as the same path turned about the tool's axis.
        near: (6,) rad, where the arm is.
        objection: a further reason against a configuration (collision, marker hidden), or None.
        config: margins.

    Raises:
        UnreachableError: no target can be reached.
        NoBranchError: every way was refused.
    """
    config = config or BranchConfig()
    here = checked_joints(near)
    refused: dict[str, str] = {}
    ranked: list[tuple[float, int, Solution]] = []
    unreachable: UnreachableError | None = None
    for number, target in enumerate(targets):
        try:
            solutions = solve_all(arm, target, here, config)
        except UnreachableError as error:
            unreachable = error
            continue
        for solution in solutions:
            against = solution.objection(config)
            if against:
                refused[f"{number}: {solution.branch}"] = against
            else:
                ranked.append((float(np.abs(solution.joints - here).max()), number, solution))
    if unreachable and not ranked and not refused:
        raise unreachable
    ranked.sort(key=lambda row: (round(row[0], 9), row[1], row[2].branch))
    for travel, number, solution in ranked:
        against = objection(solution.joints)
        if against is None:
            reason = (
                f"pose {number}, {solution.branch}: least travel, {travel:.2f} rad in its largest joint, of those not refused"
            )
            return Choice(solution, reason, refused)
        refused[f"{number}: {solution.branch}"] = against
    raise NoBranchError(
        f"all {len(refused)} ways to this pose are refused: " + "; ".join(sorted(set(refused.values()))[:4]), refused=refused
    )


def turned_about_axis(target: RigidTransform, count: int) -> tuple[RigidTransform, ...]:
    """``target`` turned about its own z in ``count`` equal steps: a guide sleeve serves in each."""
    poses = []
    for angle in itertools.islice(itertools.count(0.0, 2 * pi / count), count):
        c, s = cos(angle), sin(angle)
        turn = RigidTransform.from_parts(TIP, TIP, [[c, -s, 0], [s, c, 0], [0, 0, 1]], np.zeros(3))
        poses.append(target @ turn)
    return tuple(poses)
