"""Mean and modes of shapes in correspondence."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np

from planning_core.geometry.arrays import FloatArray

ROUNDS = 6


@attrs.frozen(eq=False)
class Aligned:
    """Shapes without their place and size.

    Args:
        mean: (n, 3) mm. shapes: (s, n, 3) each laid over the mean at the mean's size. log_scale: (s,) of what was taken out.
    """

    mean: FloatArray
    shapes: FloatArray
    log_scale: FloatArray


def align(shapes: Sequence[FloatArray]) -> Aligned:
    """Generalised Procrustes analysis (Gower 1975): turned, shifted and scaled onto their common mean.

    The mean keeps the average size and stays in the frame that the shapes came in.
    """
    given = np.array(shapes)
    size = np.linalg.norm(given - given.mean(axis=1, keepdims=True), axis=(1, 2))
    usual = float(np.exp(np.log(size).mean()))
    mean = given.mean(axis=0)
    laid = given
    for _ in range(ROUNDS):
        laid = np.array([onto(shape * (usual / s), mean) for shape, s in zip(given, size, strict=True)])
        fresh = laid.mean(axis=0)
        fresh *= usual / np.linalg.norm(fresh - fresh.mean(axis=0))
        mean = onto(fresh, given.mean(axis=0))
    laid = np.array([onto(shape * (usual / s), mean) for shape, s in zip(given, size, strict=True)])
    return Aligned(mean, laid, np.log(size / usual))


def onto(shape: FloatArray, target: FloatArray) -> FloatArray:
    """A shape (n, 3) turned and shifted over another in correspondence (Arun 1987)."""
    a, b = shape.mean(axis=0), target.mean(axis=0)
    u, _, vt = np.linalg.svd((shape - a).T @ (target - b))
    flip = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    return np.asarray((shape - a) @ u @ flip @ vt + b)


def without_similarity(fields: FloatArray, mean: FloatArray) -> FloatArray:
    """Displacements (f, n, 3) of a mean without what only moves, turns or scales it."""
    centred = mean - mean.mean(axis=0)
    moves = [np.tile(axis, (len(mean), 1)) for axis in np.eye(3)]
    turns = [np.cross(axis, centred) for axis in np.eye(3)]
    basis, _ = np.linalg.qr(np.array([*moves, *turns, centred]).reshape(7, -1).T)
    flat = fields.reshape(len(fields), -1)
    return np.asarray((flat - flat @ basis @ basis.T).reshape(fields.shape))


def modes_of(factors: FloatArray, most: int) -> tuple[FloatArray, FloatArray]:
    """The leading modes of the covariance Σ factor factorᵀ.

    Args:
        factors: (f, n, 3) mm. most: how many modes at most.

    Returns:
        (k, n, 3) orthogonal modes of unit root mean square per vertex, each signed so that its largest component is positive,
        and (k,) standard deviations, mm.
    """
    n = factors.shape[1]
    flat = factors.reshape(len(factors), -1)
    values, vectors = np.linalg.eigh(flat @ flat.T)
    order = np.argsort(values)[::-1][:most]
    order = order[values[order] > 1e-10 * values.max()]
    modes = (vectors[:, order].T @ flat) / np.sqrt(values[order])[:, None]
    modes *= np.sign(modes[np.arange(len(modes)), np.abs(modes).argmax(axis=1)])[:, None]
    return (modes * np.sqrt(n)).reshape(-1, n, 3), np.sqrt(values[order] / n)
