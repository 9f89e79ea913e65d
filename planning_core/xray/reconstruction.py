"""A vertebra rebuilt from X-ray images: its shape, how sure every part of it is, and what speaks against it."""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.transform import Rotation

from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.shape_model.model import MOST_LOST, ShapeInstance, ShapeModel
from planning_core.anatomy.shape_model.surface import vertex_normals
from planning_core.geometry import RigidTransform
from planning_core.geometry.arrays import FloatArray, frozen_float64
from planning_core.geometry.covariance import checked_covariance

TURN, SHIFT, SCALE, WEIGHTS = slice(0, 3), slice(3, 6), 6, 7
"""Where the parameters lie: a turn (rad) about the body's middle and a shift (mm), both in the views' frame, the logarithm of the
scale, then k weights (standard deviations), then three shares of height lost."""


def body_middle(model: ShapeModel, vertices: FloatArray) -> FloatArray:
    """(3,) the middle of the body of a shape (n, 3): of the box that its body's vertices fill.

    It is what a click on the middle of a body in a picture means.
    """
    body = vertices[model.body]
    return np.asarray((body.min(axis=0) + body.max(axis=0)) / 2)


def moved(shape: ShapeInstance, step: ArrayLike) -> ShapeInstance:
    """The shape after a step (k + 10,) of its parameters; shares of height lost stay within what a body can lose."""
    x = np.asarray(step, float)
    model, k = shape.model, shape.model.mode_count
    fracture = np.maximum(shape.fracture + x[WEIGHTS + k :], 0.0)
    fracture *= min(1.0, 0.999 * MOST_LOST / max(float(fracture.sum()), 1e-9))
    own = body_middle(model, shape.shape)
    about = shape.pose.apply(own)
    weights, scale = shape.weights + x[WEIGHTS : WEIGHTS + k], float(shape.scale * np.exp(x[SCALE]))
    turn = Rotation.from_rotvec(x[TURN]).as_matrix() @ shape.pose.rotation
    # the middle goes where it is shifted to; size and shape change about the vertebra's own origin
    place = about + x[SHIFT] - turn @ own
    pose = RigidTransform.from_parts(shape.pose.dst, shape.pose.src, turn, place)
    return ShapeInstance(model, pose, weights, scale, fracture)


def vertex_slopes(shape: ShapeInstance) -> FloatArray:
    """(k + 10, n, 3): mm by which the vertices move in the pose's frame per unit of each parameter of ``moved``."""
    model, vertices = shape.model, shape.vertices
    own = shape.shape
    about = shape.pose.apply(body_middle(model, own))
    turns = np.stack([np.cross(axis, vertices - about) for axis in np.eye(3)])
    shifts = np.broadcast_to(np.eye(3)[:, None, :], turns.shape)
    linear = np.concatenate([own[None], model.jacobian(shape.scale)])
    return np.concatenate([turns, shifts, shape.pose.rotate(linear)])


@attrs.frozen
class NextView:
    """The further view that would help most.

    Args:
        primary_deg, secondary_deg: positioner angles, where the views' frame has the patient's axes.
        gain: share by which it would shrink the standard deviation of the pedicles' axes, 0 to 1.
    """

    primary_deg: float
    secondary_deg: float
    gain: float


def _covariance(values: ArrayLike) -> FloatArray:
    return checked_covariance(values, len(np.asarray(values)))


@attrs.frozen(eq=False)
class XrayReconstruction:
    """A vertebra rebuilt from two or more X-ray images.

    Args:
        level: which one it was asked for.
        shape: its pose is T_<views' frame>_vertebra.
        covariance: (k + 10, k + 10) of the parameters of ``moved``: turn (rad) about the body's middle and shift (mm) in the
            views' frame, logarithm of the scale, k weights, wedge, biconcave, crush.
        likeness: -1 to 1, one per view. significance: by how many sigmas it exceeds that of places where the bone is not.
        confidence: probability that the model is good (Dice 0.77 or more and 95 % of its surface within 7 mm), calibrated on
            patients who had no part in the models (``benchmarks/xray.py``).
        doubts: why it must not be used; empty where it may.
        next_view: where the C-arm should be turned to see what is least sure; ``None`` where no further one is asked for.
    """

    level: VertebraLevel
    shape: ShapeInstance
    covariance: FloatArray = attrs.field(converter=_covariance)
    likeness: tuple[float, ...]
    significance: tuple[float, ...]
    confidence: float
    doubts: tuple[str, ...] = ()
    next_view: NextView | None = None

    def __attrs_post_init__(self) -> None:
        if len(self.covariance) != self.shape.model.mode_count + 10:
            raise ValueError(f"covariance of {len(self.covariance)} parameters for {self.shape.model.mode_count} modes")

    @property
    def trusted(self) -> bool:
        """Nothing speaks against it."""
        return not self.doubts

    def draws(self, count: int, seed: int) -> FloatArray:
        """(count, n, 3) mm, views' frame: vertices of shapes that the images leave possible; the same for the same seed."""
        values, vectors = np.linalg.eigh(self.covariance)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        steps = np.random.default_rng(seed).normal(size=(count, len(values))) @ root.T
        return np.array([moved(self.shape, step).vertices for step in steps])

    @property
    def surface_sd_mm(self) -> FloatArray:
        """(n,) standard deviation of each vertex along its normal, with what the modes leave of real shapes."""
        normals = vertex_normals(self.shape.vertices, self.shape.model.triangles)
        along = np.einsum("pnc,nc->np", vertex_slopes(self.shape), normals)
        variance = np.einsum("np,pq,nq->n", along, self.covariance, along)
        return frozen_float64(np.sqrt(np.maximum(variance, 0.0) + (self.shape.scale * self.shape.model.rest_mm) ** 2 / 3))
