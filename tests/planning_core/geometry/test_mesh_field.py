import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from planning_core.geometry import Grid
from planning_core.geometry.mesh_field import MeshDepth, mesh_field

GRID = Grid((32, 34, 36), [1.0, 1.0, 1.0], [-18.0, -17.0, -16.0])


@settings(max_examples=5)
@given(st.tuples(*[st.floats(-2, 2)] * 3), st.floats(5, 10))
def test_a_balls_distance_is_known_to_a_tenth_of_a_millimetre(centre, radius):
    ball = trimesh.creation.icosphere(3, radius)
    field = mesh_field(ball.vertices + centre, ball.faces, GRID)
    away = np.linalg.norm(GRID.all_points() - centre, axis=-1) - radius
    near = np.abs(away) < 3
    assert field.values[near] == pytest.approx(away[near], abs=0.15)
    places = np.asarray(centre) + [[0, 0, radius - 2.5], [0, radius + 2, 0]]
    depth = MeshDepth.of(ball.vertices + centre, ball.faces, GRID).depth(places)
    assert depth == pytest.approx([2.5, -2.0], abs=0.15)


def test_a_sheet_inside_the_bone_is_no_surface():
    ball = trimesh.creation.icosphere(4, 12.0)
    inner = trimesh.creation.box((6.0, 6.0, 6.0))  # outward: its inside is wound round twice
    vertices = np.vstack([ball.vertices, inner.vertices])
    triangles = np.vstack([ball.faces, inner.faces + len(ball.vertices)])
    mesh = MeshDepth.of(vertices, triangles, GRID)
    assert mesh.depth(np.array([[0.0, 0, 0], [3.2, 0, 0]])) == pytest.approx([12.0, 8.8], abs=0.15)
