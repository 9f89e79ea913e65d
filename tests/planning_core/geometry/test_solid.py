"""Voxels inside a closed mesh."""

import numpy as np
import pytest
import trimesh
from hypothesis import example, given
from hypothesis import strategies as st

from planning_core.geometry import Grid
from planning_core.geometry.solid import inside_mesh

GRID = Grid((40, 44, 48), [1.0, 1.0, 1.0], [-24.0, -22.0, -20.0])


@example((0.0, 0.0, 0.0), 4.0)  # corners and edges on the voxels' own lines
@example((1.5, 2.9e-06, 0.0), 4.0)
@example((0.0, 0.0, 1.192092896e-07), 4.0)
@given(st.tuples(*[st.floats(-6, 6)] * 3), st.floats(4, 12))
def test_a_ball_is_filled_where_its_centre_is_near(centre, radius):
    ball = trimesh.creation.icosphere(3, radius)
    found = inside_mesh(ball.vertices + centre, ball.faces, GRID)
    away = np.linalg.norm(GRID.all_points() - centre, axis=-1)
    assert found[away < 0.98 * radius].all()
    assert not found[away > radius + 1e-6].any()


def test_a_box_on_voxel_borders_holds_exactly_its_voxels():
    box = trimesh.creation.box((10.0, 8.0, 6.0))
    found = inside_mesh(box.vertices + 0.5, box.faces, GRID)
    assert found.sum() == 480


@pytest.mark.parametrize("flip", [False, True])
def test_a_turned_or_left_handed_grid_sees_the_same_ball(flip):
    turn = np.array([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]])
    direction = turn @ np.diag([1.0, 1, -1]) if flip else turn
    grid = Grid((31, 31, 31), [1.0] * 3, -15 * direction.sum(axis=1), direction)
    ball = trimesh.creation.icosphere(3, 10.0)
    found = inside_mesh(ball.vertices, ball.faces, grid)
    away = np.linalg.norm(grid.all_points(), axis=-1)
    assert found[away < 9.8].all()
    assert not found[away > 10].any()


def test_an_inner_wall_makes_a_hollow():
    outer, inner = trimesh.creation.icosphere(3, 12.0), trimesh.creation.icosphere(3, 6.0)
    vertices = np.vstack([outer.vertices, inner.vertices])
    triangles = np.vstack([outer.faces, inner.faces[:, ::-1] + len(outer.vertices)])
    found = inside_mesh(vertices, triangles, GRID)
    away = np.linalg.norm(GRID.all_points(), axis=-1)
    assert found[(away > 6.1) & (away < 11.7)].all()
    assert not found[away < 5.8].any()


def test_what_lies_beyond_the_grid_is_cut_off():
    ball = trimesh.creation.icosphere(3, 200.0)
    assert inside_mesh(ball.vertices, ball.faces, GRID).all()
    assert not inside_mesh(ball.vertices + 500, ball.faces, GRID).any()
