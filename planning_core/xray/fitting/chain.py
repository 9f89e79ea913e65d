"""What is fitted: one vertebra with its shape, and the neighbours that lie in the same pictures.

Neighbours keep the usual shape of their level at the vertebra's own size and may turn and shift a little: without them, their
endplates and joints would be taken for the vertebra's.
"""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from planning_core.anatomy.levels import USUAL_LEVELS, VertebraLevel
from planning_core.anatomy.shape_model.model import ShapeInstance, ShapeModel
from planning_core.geometry import RigidTransform
from planning_core.geometry.arrays import Float32Array, FloatArray
from planning_core.xray.atlas.atlas import BoneAtlas, CarriedBone
from planning_core.xray.reconstruction import SCALE, WEIGHTS, body_middle, moved

SIX = 6


@attrs.frozen(eq=False)
class Neighbour:
    """A vertebra beside the one that is wanted.

    Args:
        points: (m, 3) float32 mm in its own frame at its usual size. mass: (m,).
        rotation, place: (3, 3) and (3,) mm where it usually stands in the wanted vertebra's frame at that one's usual size.
        move: (6,) turn (rad) and shift (mm) from there.
    """

    points: Float32Array
    mass: Float32Array
    rotation: FloatArray
    place: FloatArray
    move: FloatArray


@attrs.frozen(eq=False)
class Drawn:
    """Points to be drawn: (m, 3) mm in the views' frame, (m,) masses, and (p, m, 3) how they move with which parameters."""

    points: Float32Array
    mass: Float32Array
    slopes: Float32Array | None
    which: np.ndarray


@attrs.frozen(eq=False)
class Chain:
    """A vertebra and its neighbours.

    The parameters: those of ``moved`` for the vertebra, then a turn (rad) and a shift (mm) in its frame for each neighbour.
    """

    shape: ShapeInstance
    bone: CarriedBone
    usual_weights: FloatArray
    usual_scale: float
    neighbours: tuple[Neighbour, ...]

    @property
    def own(self) -> int:
        """How many parameters are the vertebra's."""
        return self.shape.model.mode_count + 10

    @property
    def count(self) -> int:
        """How many parameters there are."""
        return self.own + SIX * len(self.neighbours)

    def moved(self, step: FloatArray) -> Chain:
        """The chain after a step of all parameters."""
        steps = step[self.own :].reshape(-1, SIX)
        neighbours = tuple(attrs.evolve(n, move=n.move + s) for n, s in zip(self.neighbours, steps, strict=True))
        return attrs.evolve(self, shape=moved(self.shape, step[: self.own]), neighbours=neighbours)

    def at(self, pose: RigidTransform) -> Chain:
        """The chain elsewhere."""
        return attrs.evolve(self, shape=attrs.evolve(self.shape, pose=pose))

    @property
    def middle(self) -> FloatArray:
        """(3,) the middle of the vertebra's body, views' frame."""
        return self.shape.pose.apply(body_middle(self.shape.model, self.shape.shape))

    def drawn(self, active: np.ndarray | None = None, alone: bool = False) -> list[Drawn]:
        """What is to be drawn of the vertebra and its neighbours, with slopes by the active parameters (p,) if any.

        Args:
            alone: the vertebra without neighbours.
        """
        shape, _k = self.shape, self.shape.model.mode_count
        rotation = shape.pose.rotation.astype(np.float32)
        own = self.bone.points(shape.weights, shape.scale, shape.fracture)
        about = body_middle(shape.model, shape.shape).astype(np.float32)
        shift = shape.pose.translation_mm.astype(np.float32)

        def pose_slopes(points: Float32Array, growing: Float32Array) -> Float32Array:
            turned = (points - about) @ rotation.T
            turns = _turns(turned)
            shifts = np.broadcast_to(np.eye(3, dtype=np.float32)[:, None, :], turns.shape)
            return np.concatenate([turns, shifts, (growing @ rotation.T)[None]])

        def part(points: Float32Array, mass: Float32Array, first: Float32Array, rest: Float32Array, numbers: np.ndarray) -> Drawn:
            wanted = None if active is None else active[numbers]
            slopes = None
            if wanted is not None:
                slopes = np.concatenate([first[wanted[: len(first)]], rest[wanted[len(first) :]] @ rotation.T])
                numbers = numbers[wanted]
            return Drawn(points @ rotation.T + shift, mass, slopes, numbers)

        nothing = np.zeros((0, 1, 3), np.float32)
        first = nothing if active is None else pose_slopes(own, own)
        rest = nothing if active is None else self.bone.slopes * np.float32(shape.scale)
        out = [part(own, self.bone.mass, first, rest, np.arange(self.own))]
        for n, other in enumerate(() if alone else self.neighbours):
            grown = shape.scale / self.usual_scale
            turn = (Rotation.from_rotvec(other.move[:3]).as_matrix() @ other.rotation).astype(np.float32)
            arms = (other.points * np.float32(grown)) @ turn.T
            place = (other.place * grown).astype(np.float32)
            points = arms + place + other.move[3:].astype(np.float32)
            first = nothing if active is None else pose_slopes(points, arms + place)
            turns = _turns(arms)
            rest = np.concatenate([turns, np.broadcast_to(np.eye(3, dtype=np.float32)[:, None, :], turns.shape)])
            numbers = np.concatenate([np.arange(SCALE + 1), self.own + SIX * n + np.arange(SIX)])
            out.append(part(points, other.mass, first, rest, numbers))
        return out

    def opened(self, modes: int, fracture: bool, neighbours: bool = True) -> np.ndarray:
        """(p,) bool: pose, size, so many leading modes, collapse or not, and the neighbours' own moves or not."""
        k = self.shape.model.mode_count
        out = np.ones(self.count, bool)
        out[WEIGHTS + modes : WEIGHTS + k] = False
        out[WEIGHTS + k : self.own] = fracture
        out[self.own :] = neighbours
        return out


def _turns(points: NDArray[Any]) -> Float32Array:
    """(3, m, 3): how points (m, 3) move per radian about x, y and z."""
    x, y, z = points.T
    none = np.zeros_like(x)
    return np.stack([np.stack([none, -z, y], 1), np.stack([z, none, -x], 1), np.stack([-y, x, none], 1)])


def chain_of(
    model: ShapeModel, level: VertebraLevel, atlas: BoneAtlas, models: dict[VertebraLevel, ShapeModel], frame: str
) -> Chain:
    """The usual vertebra of a level with its neighbours, upright in the views' frame.

    Args:
        models: of the neighbours' levels; a level without one is left out.
    """
    weights, scale = model.expected(level)
    pose = RigidTransform.from_parts(frame, "vertebra", atlas.spine.turn(level), np.zeros(3))
    neighbours = []
    for step in (-1, 1):
        place = USUAL_LEVELS.index(level) + step if level in USUAL_LEVELS else -1
        other = USUAL_LEVELS[place] if 0 <= place < len(USUAL_LEVELS) else None
        if other in models:
            bone = atlas.carried(models[other], other)
            w, s = models[other].expected(other)
            rotation, shift = atlas.spine.neighbour(level, step)
            neighbours.append(Neighbour(bone.points(w, s, np.zeros(3)), bone.mass, rotation, shift, np.zeros(SIX)))
    shape = ShapeInstance(model, pose, weights, scale)
    return Chain(shape, atlas.carried(model, level), weights, scale, tuple(neighbours))
