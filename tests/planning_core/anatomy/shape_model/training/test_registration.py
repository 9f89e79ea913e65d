"""One mesh drawn over another surface."""

import numpy as np
import trimesh

from planning_core.anatomy.shape_model.surface import PointSurface
from planning_core.anatomy.shape_model.training.correspondence import shipped_shapes
from planning_core.anatomy.shape_model.training.registration import draw_over


def test_a_ball_is_drawn_over_an_ellipsoid_without_folding():
    ball, fine = trimesh.creation.icosphere(3, 10.0), trimesh.creation.icosphere(4, 1.0)
    axes = np.array([14.0, 9.0, 11.0])
    target = PointSurface.of_mesh(np.asarray(fine.vertices) * axes + [2.0, -1, 3], fine.faces)
    drawn = draw_over(np.asarray(ball.vertices), ball.faces, target)
    np.testing.assert_allclose(np.linalg.norm((drawn - [2.0, -1, 3]) / axes, axis=1), 1, atol=0.02)
    assert trimesh.Trimesh(drawn, ball.faces, process=False).volume > 0.97 * 4 / 3 * np.pi * axes.prod()


def test_a_known_warp_of_a_vertebra_is_found_again():
    template = shipped_shapes().template
    at = template.vertices
    bent = at * [1.08, 0.94, 1.05] + np.column_stack([2 * np.sin(at[:, 1] / 20), 0 * at[:, 0], 1.5 * np.cos(at[:, 1] / 15)])
    drawn = draw_over(at, template.triangles, PointSurface.of_mesh(bent, template.triangles))
    away = np.linalg.norm(drawn - bent, axis=1)
    assert np.median(away) < 1.0
    assert np.percentile(away, 95) < 3.0


def test_shapes_that_ship_are_closed_unfolded_rings_over_their_masks():
    known = shipped_shapes()
    folded = []
    for shape in known.shapes:
        mesh = trimesh.Trimesh(shape, known.template.triangles, process=False)
        assert mesh.volume > 10_000
        a, b = mesh.face_adjacency.T
        folded.append((np.einsum("ij,ij->i", mesh.face_normals[a], mesh.face_normals[b]) < -0.5).mean())
    assert np.max(folded) < 0.03
