"""Surfaces as points with normals, which is how shapes are matched."""

from __future__ import annotations

import attrs
import numpy as np

from planning_core.anatomy.surface import closed_surface
from planning_core.geometry import DistanceField
from planning_core.geometry.arrays import FloatArray, IntArray, frozen_float64

SAMPLES = 9000


@attrs.frozen(eq=False)
class PointSurface:
    """Points (n, 3) mm spread evenly over a surface with outward unit normals (n, 3), in any frame."""

    points: FloatArray = attrs.field(converter=frozen_float64)
    normals: FloatArray = attrs.field(converter=frozen_float64)

    @classmethod
    def of_field(cls, field: DistanceField, most: int = SAMPLES) -> PointSurface:
        """The zero level of a signed distance, thinned evenly to at most so many points."""
        points = np.unique(np.asarray(closed_surface(field).vertices).round(4), axis=0)
        return cls.thinned(points, field.gradient_at(points, 0.7), most)

    @classmethod
    def of_mesh(cls, vertices: FloatArray, triangles: IntArray, most: int = SAMPLES) -> PointSurface:
        """The vertices of an evenly meshed surface."""
        return cls.thinned(vertices, vertex_normals(vertices, triangles), most)

    @classmethod
    def thinned(cls, points: FloatArray, normals: FloatArray, most: int) -> PointSurface:
        """At most so many of the points, the same ones each time."""
        chosen = np.arange(len(points))
        if len(points) > most:
            chosen = np.sort(np.random.default_rng(0).permutation(len(points))[:most])
        return cls(points[chosen], normals[chosen])

    def features(self, normal_mm: float) -> FloatArray:
        """(n, 6) place and normal in one space: perpendicular normals count as √2 ``normal_mm`` apart."""
        return np.hstack([self.points, normal_mm * self.normals])


def vertex_normals(vertices: FloatArray, triangles: IntArray) -> FloatArray:
    """(n, 3) unit outward normals of a mesh, triangles weighted by area."""
    a, b, c = (vertices[triangles[:, i]] for i in range(3))
    face = np.cross(b - a, c - a)
    total = np.zeros_like(vertices)
    for i in range(3):
        np.add.at(total, triangles[:, i], face)
    return np.asarray(total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12))
