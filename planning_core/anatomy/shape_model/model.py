"""A vertebra's shape in a few numbers: a mean, modes of variation, modes of collapse, and the anatomy that moves with them.

A point distribution model (Cootes et al. 1995). Everything is linear: ``vertices = scale (mean + Σ w σ mode + Σ f collapse)``, so
the derivatives are the modes themselves.
"""

from __future__ import annotations

from enum import Enum, IntEnum

import attrs
import numpy as np
from numpy.typing import ArrayLike

from planning_core.anatomy.collapse import KINDS
from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.shape_model.region import Region
from planning_core.anatomy.vertebra import Part, Side
from planning_core.errors import InputError
from planning_core.geometry import RigidTransform
from planning_core.geometry.arrays import FloatArray, IntArray, LabelArray, frozen, frozen_float64, frozen_uint8

MOST_MODES = 15
MOST_LOST = 0.85
"""Share of its height that no column of a body may lose: bone does not vanish."""


class ShapeParameterError(InputError):
    """Weights or a collapse that give no vertebra. Carries ``given`` and ``limit``."""

    code = "shape_parameter"


class Landmark(IntEnum):
    """Ten places that can be pointed at; places in ``ShapeModel.landmarks``."""

    TRANSVERSE_LEFT = 0
    INFERIOR_ARTICULAR_LEFT = 1
    INFERIOR_ARTICULAR_RIGHT = 2
    TRANSVERSE_RIGHT = 3
    SUPERIOR_ARTICULAR_LEFT = 4
    SUPERIOR_ARTICULAR_RIGHT = 5
    SPINOUS_TIP = 6
    ANTERIOR_SUPERIOR = 7
    ANTERIOR_MIDDLE = 8
    ANTERIOR_INFERIOR = 9


class Endplate(Enum):
    """One of a body's two ends."""

    SUPERIOR = "superior"
    INFERIOR = "inferior"


def _ints(values: ArrayLike) -> IntArray:
    return frozen(values, np.int_)


@attrs.frozen(eq=False)
class Anchors:
    """Points in bone as fixed combinations of vertices, so that they move with the shape.

    Args:
        vertices: (p, q) int. weights: (p, q), each row sums to 1 and reproduces affine maps.
    """

    vertices: IntArray = attrs.field(converter=_ints)
    weights: FloatArray = attrs.field(converter=frozen_float64)

    def of(self, shape: FloatArray) -> FloatArray:
        """(…, p, 3): where the points are in a shape (…, n, 3). A displacement goes in and comes out likewise."""
        return np.asarray(np.einsum("pq,...pqc->...pc", self.weights, shape[..., self.vertices, :]))


@attrs.frozen(eq=False)
class ShapeModel:
    """The shapes that vertebrae of one region have.

    All lengths mm in the vertebra's frame (origin in the body, x left, y posterior, z superior along the body).

    Args:
        region: whose.
        mean: (n, 3). triangles: (m, 3) int, outward, closed. mirror: (n,) each vertex's partner on the other side.
        modes: (k, n, 3), orthogonal, each of unit root mean square over the vertices, k ≤ 15, by falling variance.
        sigma_mm: (k,) standard deviations of the modes. rest_mm: root mean square of what they leave of the training shapes.
        log_scale_sigma: standard deviation of the logarithm of the scale.
        trend: (2, k + 1) weights and logarithm of the scale expected of a vertebra in the region's middle, and their change per
            level: where the level is known, the likeliest shape is not the mean.
        collapse: (3, n, 3) displacement of the mean by a whole unit of wedge, biconcave and crush.
        parts: (n,) uint8 ``Part`` of each vertex. landmarks: (10,) int vertices in ``Landmark``'s order.
        rims: (2, r) int vertices round the superior and the inferior endplate, from the front over the left.
        pedicles: anchors of left entry side, left body side, right entry side, right body side of the pedicles' axes.
        pedicle_width_mm: (2,) left and right at the isthmus, of the mean.
        canal: (c,) int vertices that line the canal.
    """

    region: Region
    mean: FloatArray = attrs.field(converter=frozen_float64)
    triangles: IntArray = attrs.field(converter=_ints)
    mirror: IntArray = attrs.field(converter=_ints)
    modes: FloatArray = attrs.field(converter=frozen_float64)
    sigma_mm: FloatArray = attrs.field(converter=frozen_float64)
    rest_mm: float
    log_scale_sigma: float
    trend: FloatArray = attrs.field(converter=frozen_float64)
    collapse: FloatArray = attrs.field(converter=frozen_float64)
    parts: LabelArray = attrs.field(converter=frozen_uint8)
    landmarks: IntArray = attrs.field(converter=_ints)
    rims: IntArray = attrs.field(converter=_ints)
    pedicles: Anchors
    pedicle_width_mm: FloatArray = attrs.field(converter=frozen_float64)
    canal: IntArray = attrs.field(converter=_ints)

    def __attrs_post_init__(self) -> None:
        n, k = len(self.mean), len(self.sigma_mm)
        shapes = (self.modes.shape, self.trend.shape, self.collapse.shape, self.parts.shape, self.landmarks.shape)
        if shapes != ((k, n, 3), (2, k + 1), (len(KINDS), n, 3), (n,), (len(Landmark),)) or k > MOST_MODES:
            raise ValueError(f"shape model of {n} vertices and {k} modes with arrays of {shapes}")

    @property
    def mode_count(self) -> int:
        """k, the number of modes of variation."""
        return len(self.sigma_mm)

    @property
    def body(self) -> IntArray:
        """Vertices of the body."""
        return np.flatnonzero(self.parts == Part.BODY)

    def expected(self, level: VertebraLevel) -> tuple[FloatArray, float]:
        """Weights (k,) and scale of the likeliest vertebra of a level.

        Raises:
            ShapeParameterError: the level is of another region.
        """
        if Region.of(level) is not self.region:
            raise ShapeParameterError(f"{level.value} is none of {self.region.value}", given=level.value, limit=self.region.value)
        found = self.trend[0] + (level.ordinal - self.region.middle) * self.trend[1]
        return found[:-1], float(np.exp(found[-1]))

    def leading(self, count: int) -> ShapeModel:
        """The same model with its first modes only."""
        trend = np.column_stack([self.trend[:, :count], self.trend[:, -1]])
        return attrs.evolve(self, modes=self.modes[:count], sigma_mm=self.sigma_mm[:count], trend=trend)

    def vertices(self, weights: ArrayLike = (), scale: float = 1.0, fracture: ArrayLike = (0.0, 0.0, 0.0)) -> FloatArray:
        """(n, 3) mm in the vertebra's frame.

        Args:
            weights: up to k, in standard deviations; those not given are 0. scale: of everything, 1 for the mean's size.
            fracture: (3,) shares of height lost by wedge, biconcave and crush; they add up.

        Raises:
            ShapeParameterError: too many weights, numbers that are not finite, a scale not above 0, or a collapse that takes
                more than the body has.
        """
        w, f = self._checked(weights, scale, fracture)
        varied = np.tensordot(w * self.sigma_mm[: len(w)], self.modes[: len(w)], axes=1)
        return np.asarray(scale * (self.mean + varied + np.tensordot(f, self.collapse, axes=1)))

    def jacobian(self, scale: float = 1.0) -> FloatArray:
        """(k + 3, n, 3): derivative of the vertices by each weight (per standard deviation), then by each kind of collapse.

        It depends on nothing but the scale; the derivative by the scale is ``vertices / scale``.
        """
        return np.asarray(scale * np.concatenate([self.sigma_mm[:, None, None] * self.modes, self.collapse]))

    def _checked(self, weights: ArrayLike, scale: float, fracture: ArrayLike) -> tuple[FloatArray, FloatArray]:
        w, f = np.asarray(weights, float).ravel(), np.asarray(fracture, float).ravel()
        if len(w) > self.mode_count or f.shape != (len(KINDS),):
            raise ShapeParameterError(
                f"{len(w)} weights and {len(f)} kinds of collapse for a model of {self.mode_count} and {len(KINDS)}",
                given=[len(w), len(f)],
                limit=[self.mode_count, len(KINDS)],
            )
        if not (np.isfinite(w).all() and np.isfinite(f).all() and np.isfinite(scale) and scale > 0):
            raise ShapeParameterError(f"weights, scale ({scale}) and collapse must be finite", given=scale, limit=0.0)
        if f.min() < 0 or f.sum() > MOST_LOST:
            raise ShapeParameterError(
                f"a collapse of {f.round(3).tolist()} takes more than {MOST_LOST:.0%} of the body's height or gives it some",
                given=f.tolist(),
                limit=MOST_LOST,
            )
        return w, f


def _vector(values: ArrayLike) -> FloatArray:
    return frozen_float64(np.array(values, dtype=np.float64).ravel())


@attrs.frozen(eq=False)
class ShapeInstance:
    """One vertebra that a model describes.

    Args:
        model: which. pose: T_<frame>_vertebra, where it stands. weights: (k,) standard deviations. scale: of everything.
        fracture: (3,) shares of height lost by wedge, biconcave and crush.
        rms_mm: root mean square distance to what it was fitted to; ``None`` where it was fitted to nothing.
    """

    model: ShapeModel
    pose: RigidTransform
    weights: FloatArray = attrs.field(converter=_vector)
    scale: float = 1.0
    fracture: FloatArray = attrs.field(default=(0.0, 0.0, 0.0), converter=_vector)
    rms_mm: float | None = None

    @property
    def shape(self) -> FloatArray:
        """(n, 3) vertices in the vertebra's own frame, mm."""
        return self.model.vertices(self.weights, self.scale, self.fracture)

    @property
    def vertices(self) -> FloatArray:
        """(n, 3) vertices in the pose's frame, mm."""
        return self.pose.apply(self.shape)

    @property
    def intact_vertices(self) -> FloatArray:
        """(n, 3) the same before it collapsed."""
        return self.pose.apply(self.model.vertices(self.weights, self.scale))

    @property
    def landmarks(self) -> FloatArray:
        """(10, 3) in ``Landmark``'s order, pose's frame."""
        return np.asarray(self.vertices[self.model.landmarks])

    def pedicle_axis(self, side: Side) -> tuple[FloatArray, FloatArray]:
        """Two points (3,) on a pedicle's axis in the pose's frame: at its entry and towards the body; the isthmus is halfway."""
        first = 0 if side is Side.LEFT else 2
        points = self.pose.apply(self.model.pedicles.of(self.shape))
        return points[first], points[first + 1]

    def rim(self, endplate: Endplate) -> FloatArray:
        """(r, 3) points round an endplate, pose's frame, from the front over the left."""
        return np.asarray(self.vertices[self.model.rims[0 if endplate is Endplate.SUPERIOR else 1]])
