"""A model laid over a vertebra's surface: pose, size, shape and collapse at once.

Gauss–Newton steps on the distance between the surfaces, measured both ways, under the model's own prior. Distances are taken
along normals (Chen and Medioni 1991) and weighted down where they are long (Cauchy), so that a lip or a cut process does not pull
the rest.
"""

from __future__ import annotations

import attrs
import numpy as np
from scipy.optimize import lsq_linear
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from planning_core.anatomy.collapse import KINDS
from planning_core.anatomy.shape_model.model import MOST_LOST, ShapeInstance, ShapeModel
from planning_core.anatomy.shape_model.surface import PointSurface, vertex_normals
from planning_core.errors import InputError
from planning_core.geometry import RigidTransform
from planning_core.geometry.arrays import BoolArray, FloatArray

STEPS = 40
POINTS = 5000
"""Of the surface; more of them cost time and say the same."""
NOISE_MM = 0.8
"""One sigma of a vertex that fits: what the modes leave, and a mask's boundary."""
CORRELATED = 12.0
"""So many vertices of one place are one observation."""
NORMAL_MM = 8.0
LEAST_AGREEMENT = 0.2
FRACTURE_SIGMA = 0.25
MOST_WEIGHT = 3.0
CONVERGED = 1e-3
TURN, SHIFT, SCALE = slice(0, 3), slice(3, 6), 6


class NoFitError(InputError):
    """A surface that cannot be fitted. Carries ``points``."""

    code = "no_fit"


@attrs.frozen(eq=False)
class _State:
    """What is being fitted; the pose turns and shifts the scaled shape."""

    rotation: FloatArray
    shift: FloatArray
    log_scale: float
    weights: FloatArray
    fracture: FloatArray


def fit_surface(
    model: ShapeModel,
    surface: PointSurface,
    *,
    start: RigidTransform | None = None,
    with_collapse: bool = True,
) -> ShapeInstance:
    """The most probable instance of a model for a surface.

    Args:
        surface: points and outward normals of the whole vertebra in any frame.
        start: T_<surface's frame>_vertebra to start from; without it the surface must lie about in the vertebra's own frame
            (within about 15 mm and 20°). with_collapse: whether the body may have collapsed.

    Raises:
        NoFitError: fewer than 50 points, or numbers that are not finite.
    """
    if len(surface.points) < 50 or not np.isfinite(surface.points).all():
        raise NoFitError(f"{len(surface.points)} points are no surface", points=len(surface.points))
    surface = PointSurface.thinned(surface.points, surface.normals, POINTS)
    start = start or RigidTransform.from_parts("vertebra", "vertebra", np.eye(3), np.zeros(3))
    kinds = len(KINDS) if with_collapse else 0
    state = _State(start.rotation, start.translation_mm, 0.0, np.zeros(model.mode_count), np.zeros(len(KINDS)))
    tree = cKDTree(surface.features(NORMAL_MM))
    for step in range(STEPS):
        # rigid first, then the leading modes, then all: far matches say little about small modes
        open_modes = 0 if step < 5 else min(model.mode_count, (step - 3) // 2 * 3)
        state, change = _step(model, surface, tree, state, open_modes, kinds if step >= 8 else 0)
        if step > 20 and change < CONVERGED:
            break
    pose = RigidTransform.from_parts(start.dst, start.src, state.rotation, state.shift)
    found = ShapeInstance(model, pose, state.weights, float(np.exp(state.log_scale)), state.fracture)
    away, _ = cKDTree(surface.points).query(found.vertices)
    return attrs.evolve(found, rms_mm=float(np.sqrt((away**2).mean())))


def _step(model: ShapeModel, surface: PointSurface, tree: cKDTree, state: _State, modes: int, kinds: int) -> tuple[_State, float]:
    """One linearised step; how far the vertices moved, mm."""
    scale = float(np.exp(state.log_scale))
    shape = model.vertices(state.weights, scale, state.fracture)
    vertices = shape @ state.rotation.T + state.shift
    normals = vertex_normals(vertices, model.triangles)
    rows, residual, weight = _matches(vertices, normals, surface, tree)
    which, direction = rows
    # derivatives of a vertex along a direction, seen in the vertebra's frame
    back = direction @ state.rotation
    design = np.empty((len(which), 7 + modes + kinds))
    turned = vertices[which] - state.shift
    design[:, TURN] = np.cross(turned, direction)
    design[:, SHIFT] = direction
    design[:, SCALE] = np.einsum("ij,ij->i", shape[which], back)
    jacobian = model.jacobian(scale)
    chosen = np.concatenate([np.arange(modes), model.mode_count + np.arange(kinds)])
    design[:, 7:] = np.einsum("pnc,nc->np", jacobian[np.ix_(chosen, which)], back)
    prior = np.concatenate([np.full(6, 1e-3), [1 / model.log_scale_sigma], np.ones(modes), np.full(kinds, 1 / FRACTURE_SIGMA)])
    now = np.concatenate([np.zeros(6), [state.log_scale], state.weights[:modes], state.fracture[:kinds]])
    root = np.sqrt(weight)
    stacked = np.vstack([root[:, None] * design, np.diag(prior)])
    wanted = np.concatenate([-root * residual, -prior * now])
    triangular: FloatArray = np.asarray(np.linalg.qr(np.column_stack([stacked, wanted]), mode="r"))
    low = np.concatenate([np.full(6, -np.inf), [-0.5 - now[6]], -MOST_WEIGHT - now[7 : 7 + modes], -now[7 + modes :]])
    high = np.concatenate(
        [np.full(6, np.inf), [0.5 - now[6]], MOST_WEIGHT - now[7 : 7 + modes], MOST_LOST / 2 - now[7 + modes :]]
    )
    size = len(prior)
    x = lsq_linear(triangular[:size, :size], triangular[:size, size], (low - 1e-9, high + 1e-9), method="bvls").x
    weights, fracture = state.weights.copy(), state.fracture.copy()
    weights[:modes] += x[7 : 7 + modes]
    fracture[:kinds] = np.clip(fracture[:kinds] + x[7 + modes :], 0, None)
    if fracture.sum() > MOST_LOST:
        fracture *= 0.999 * MOST_LOST / fracture.sum()
    turn = Rotation.from_rotvec(x[TURN]).as_matrix()
    fresh = _State(turn @ state.rotation, state.shift + x[SHIFT], float(state.log_scale + x[SCALE]), weights, fracture)
    return fresh, float(np.sqrt(((design @ x) ** 2).mean()))


def _matches(
    vertices: FloatArray, normals: FloatArray, surface: PointSurface, tree: cKDTree
) -> tuple[tuple[np.ndarray, FloatArray], FloatArray, FloatArray]:
    """Vertex and direction of every match, how far the vertex lies along it (mm) and its weight."""
    own = np.hstack([vertices, NORMAL_MM * normals])
    _, hit = tree.query(own)
    _, near = cKDTree(own).query(surface.features(NORMAL_MM))
    which = np.concatenate([np.arange(len(vertices)), near])
    other = np.concatenate([hit, np.arange(len(surface.points))])
    direction = surface.normals[other]
    away = vertices[which] - surface.points[other]
    residual = np.einsum("ij,ij->i", away, direction)
    agree: BoolArray = np.einsum("ij,ij->i", normals[which], direction) > LEAST_AGREEMENT
    spread = max(NOISE_MM, 1.5 * float(np.median(np.abs(residual))))
    weight = agree / (1 + (residual / (2 * spread)) ** 2) / NOISE_MM**2 / CORRELATED
    weight[len(vertices) :] *= len(vertices) / len(surface.points)
    return (which, direction), residual, np.asarray(weight)
