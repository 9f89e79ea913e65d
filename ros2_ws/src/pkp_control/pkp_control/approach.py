"""The way to the path: freely through the room to a stand-off on the path's axis, then straight along the axis only.

The free part is RRT-connect (Kuffner and LaValle, ICRA 2000) with a seed, shortened afterwards: same input, same way.
Samples of an edge lie so close that no point of the arm moves further between two of them than twice the least clearance, so
nothing is touched in between.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict, Field
from scipy.interpolate import CubicSpline

from pkp_control.branches import BranchConfig, Choice, choose, turned_about_axis
from pkp_control.collision import CollisionChecker
from pkp_control.kinematics import TIP, ArmKinematics, InverseNotFoundError, Joints, checked_joints
from pkp_control.limits import AxisRamp, MotionLimits, timed_path
from planning_core.errors import PkpError
from planning_core.geometry import RigidTransform


class NoApproachError(PkpError):
    """No collision-free way to the stand-off was found. Carries ``tried`` and ``seed``."""

    code = "no_approach"


class _NoWayError(Exception):
    """Inside this module: one pose at the stand-off is not reached."""


class LineRefusedError(PkpError):
    """The straight way cannot be driven. Carries ``at_mm`` (before the planned place) and ``reason``."""

    code = "line_refused"


class ApproachConfig(BaseModel):
    """How the approach is looked for; all assumed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    standoff_mm: float = Field(60.0, gt=0, description="before the planned place, on the axis")
    turns: int = Field(24, ge=1, description="rotations about the axis offered to the choice")
    stride_rad: float = Field(0.35, gt=0, description="longest edge of the tree")
    attempts: int = Field(600, ge=1, description="samples before one pose at the stand-off is given up for the next best")
    ways: int = Field(6, ge=1, description="poses at the stand-off for which a free way is looked for")
    roam_rad: float = Field(1.5, gt=0, description="how far outside the box of start and goal joints are sampled")
    shortcuts: int = Field(120, ge=0, description="attempts at a shorter way")
    line_step_mm: float = Field(1.0, gt=0, description="poses solved along the axis")
    line_stride_rad: float = Field(0.03, gt=0, description="largest change of a joint between two of them: no change of branch")
    line_mm_s: float = Field(10.0, gt=0, description="along the axis, next to the patient")
    line_mm_s2: float = Field(20.0, gt=0, description="along the axis")


@attrs.frozen(eq=False)
class ApproachPlan:
    """Where to go and how.

    Args:
        choice: joints at the stand-off and why these.
        tip: ``T_robot_base_guide_tip`` at the planned place, turned as chosen.
        waypoints: (k, 6) rad from the start to the stand-off, straight in joint space between.
        line: (m, 6) rad along the axis, stand-off first.
        line_mm: (m,) distance still to go, mm, falling to 0.
    """

    choice: Choice
    tip: RigidTransform
    waypoints: Joints
    line: Joints
    line_mm: Joints

    def free_setpoints(self, arm: ArmKinematics, limits: MotionLimits) -> Joints:
        """(n, 6) rad, one a period, from the start to the stand-off."""
        return timed_path(self.waypoints, arm.range, limits)

    def line_setpoints(self, limits: MotionLimits, config: ApproachConfig) -> Joints:
        """(n, 6) rad, one a period, from the stand-off to the planned place.

        Raises:
            LineRefusedError: a joint would be too fast at the configured speed.
        """
        return timed_line(self.line, self.line_mm, limits, config)


def timed_line(line: Joints, line_mm: Joints, limits: MotionLimits, config: ApproachConfig) -> Joints:
    """(n, 6) rad, one a period, along ``line`` (m, 6) rad with ``line_mm`` (m,) still to go, falling to 0.

    Raises:
        LineRefusedError: a joint would be too fast at the configured speed.
    """
    curve = CubicSpline(line_mm[::-1], line[::-1])
    ramp = AxisRamp(float(line_mm[0]), config.line_mm_s, config.line_mm_s2, limits.period_s)
    ramp.target = 0.0
    rows = [line[0]]
    while ramp.position > 1e-6:
        ramp.step(move=True)
        rows.append(curve(max(0.0, ramp.position)))
    setpoints = np.array(rows)
    speed = np.abs(np.diff(setpoints, axis=0)).max(axis=0) / limits.period_s
    if (speed > limits.speed_rad_s).any():
        joint = int((speed / np.asarray(limits.speed_rad_s)).argmax())
        reason = f"joint {joint + 1} would do {speed[joint]:.2f} rad/s, {limits.speed_rad_s[joint]} allowed"
        raise LineRefusedError(f"the straight way is refused: {reason}", at_mm=float(line_mm[0]), reason=reason)
    return setpoints


def plan_approach(
    arm: ArmKinematics,
    checker: CollisionChecker,
    start: ArrayLike,
    tip: RigidTransform,
    seed: int,
    objection: Callable[[Joints], str | None] = lambda joints: None,
    config: ApproachConfig | None = None,
    branches: BranchConfig | None = None,
) -> ApproachPlan:
    """A collision-free way from ``start`` to the guide's planned place.

    Args:
        arm: kinematics.
        checker: the room.
        start: (6,) rad, where the arm is.
        tip: ``T_robot_base_guide_tip`` planned; turns about its z serve equally.
        seed: of the search.
        objection: further reason against a pose (marker hidden from the camera), or None.
        config, branches: see there.

    Raises:
        UnreachableError: out of reach.
        NoBranchError: every pose was refused, by its margins, a collision or the straight way.
        NoApproachError: no free way to the best of them.
        CollisionError: the arm already stands too close to something.
    """
    config = config or ApproachConfig()
    here = checked_joints(start)
    checker.require(here)
    poses = turned_about_axis(tip, config.turns)
    back = RigidTransform.from_parts(TIP, TIP, np.eye(3), [0.0, 0.0, -config.standoff_mm])

    found: dict[bytes, tuple[RigidTransform, Joints, Joints, Joints]] = {}
    without: list[str] = []

    def against(joints: Joints) -> str | None:
        reason = checker.objection(joints) or objection(joints)
        if reason:
            return reason
        pose = _turned_like(poses, arm.forward(joints))
        try:
            line, line_mm = straight_line(arm, checker, joints, pose, config)
            if len(without) == config.ways:
                raise _given_up(config, seed, without)
            found[joints.tobytes()] = (pose, _free_way(arm, checker, here, joints, seed, config), line, line_mm)
        except LineRefusedError as error:
            return error.message
        except _NoWayError as error:
            without.append(str(error))
            return str(error)
        return None

    choice = choose(arm, [pose @ back for pose in poses], here, against, branches)
    pose, waypoints, line, line_mm = found[choice.solution.joints.tobytes()]
    return ApproachPlan(choice, pose, waypoints, line, line_mm)


def straight_line(
    arm: ArmKinematics, checker: CollisionChecker, joints: Joints, tip: RigidTransform, config: ApproachConfig
) -> tuple[Joints, Joints]:
    """Joints along the axis from the stand-off (at ``joints``) to ``tip``: (m, 6) rad and (m,) mm to go.

    Raises:
        LineRefusedError: no joints, a jump of a joint, or too close to something, with the place.
    """
    distances = np.linspace(config.standoff_mm, 0.0, max(2, int(np.ceil(config.standoff_mm / config.line_step_mm)) + 1))
    rows: list[Joints] = []
    here = joints
    for distance in distances:
        pose = tip @ RigidTransform.from_parts(TIP, TIP, np.eye(3), [0.0, 0.0, -distance])
        try:
            following = arm.inverse_near(pose, here)
        except InverseNotFoundError as error:
            raise LineRefusedError(
                f"{distance:.0f} mm before the place: {error.message}", at_mm=distance, reason="no joints"
            ) from error
        if np.abs(following - here).max() > config.line_stride_rad:
            raise LineRefusedError(f"{distance:.0f} mm before the place the joints jump", at_mm=distance, reason="joints jump")
        reason = checker.objection(following, near_patient=True)
        if reason or arm.range.margin_rad(following) < 0:
            reason = reason or "a joint's stop"
            raise LineRefusedError(f"{distance:.0f} mm before the place: {reason}", at_mm=distance, reason=reason)
        rows.append(following)
        here = following
    return np.array(rows), distances


def _given_up(config: ApproachConfig, seed: int, without: list[str]) -> NoApproachError:
    return NoApproachError(
        f"no free way to {len(without)} poses at the stand-off, {config.attempts} samples each (seed {seed}); "
        "moving the arm elsewhere by hand may help",
        tried=len(without),
        seed=seed,
    )


def _turned_like(poses: tuple[RigidTransform, ...], tip: RigidTransform) -> RigidTransform:
    return max(poses, key=lambda pose: float(np.trace(pose.rotation.T @ tip.rotation)))


def _free_way(
    arm: ArmKinematics, checker: CollisionChecker, start: Joints, goal: Joints, seed: int, config: ApproachConfig
) -> Joints:
    dh = arm.nominal
    tool = float(np.linalg.norm(arm.flange_from(TIP).translation_mm)) + 20.0
    # no point further out than this from each joint's axis, mm
    wrist = abs(dh.d5) + abs(dh.d6) + tool
    reach = np.array([abs(dh.a2) + abs(dh.a3) + dh.d4 + wrist] * 2 + [abs(dh.a3) + dh.d4 + wrist, dh.d4 + wrist, wrist, tool])
    least = 2.0 * min(checker.config.general_mm, checker.config.self_mm) or 2.0

    def clear(a: Joints, b: Joints) -> bool:
        count = int(np.ceil(float(np.abs(b - a) @ reach) / least))
        return all(checker.free(a + (b - a) * k / count) for k in range(1, count + 1))

    if clear(start, goal):
        return np.array([start, goal])
    draw = np.random.default_rng(seed)
    lower = np.maximum(arm.range.lower + 0.05, np.minimum(start, goal) - config.roam_rad)
    upper = np.minimum(arm.range.upper - 0.05, np.maximum(start, goal) + config.roam_rad)
    way = _connect(start, goal, lambda: draw.uniform(lower, upper), clear, config)
    if way is None:
        raise _NoWayError(f"no free way after {config.attempts} samples")
    for _ in range(config.shortcuts):
        if len(way) < 3:
            break
        i, j = sorted(draw.integers(0, len(way), 2))
        if j - i > 1 and clear(way[i], way[j]):
            way = way[: i + 1] + way[j:]
    return np.array(way)


def _connect(
    start: Joints, goal: Joints, sample: Callable[[], Joints], clear: Callable[[Joints, Joints], bool], config: ApproachConfig
) -> list[Joints] | None:
    """Two trees that grow towards each other."""
    trees: list[tuple[list[Joints], list[int]]] = [([start], [-1]), ([goal], [-1])]
    for attempt in range(config.attempts):
        first, second = (0, 1) if attempt % 2 == 0 else (1, 0)
        new = _extend(*trees[first], sample(), clear, config.stride_rad)
        if new is None:
            continue
        aim = trees[first][0][new]
        while (reached := _extend(*trees[second], aim, clear, config.stride_rad)) is not None:
            if np.array_equal(trees[second][0][reached], aim):
                ends = {first: new, second: reached}
                return _trace(*trees[0], ends[0])[::-1] + _trace(*trees[1], ends[1])[1:]
    return None


def _extend(
    nodes: list[Joints], parents: list[int], aim: Joints, clear: Callable[[Joints, Joints], bool], stride: float
) -> int | None:
    near = int(np.argmin(np.square(np.array(nodes) - aim).sum(axis=1)))
    way = aim - nodes[near]
    length = float(np.abs(way).max())
    if length < 1e-12:
        return None
    new = aim if length <= stride else nodes[near] + way * stride / length
    if not clear(nodes[near], new):
        return None
    nodes.append(new)
    parents.append(near)
    return len(nodes) - 1


def _trace(nodes: list[Joints], parents: list[int], index: int) -> list[Joints]:
    way = []
    while index >= 0:
        way.append(nodes[index])
        index = parents[index]
    return way
