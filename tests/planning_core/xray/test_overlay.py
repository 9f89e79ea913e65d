import numpy as np
import pytest
import trimesh

from planning_core.anatomy.vertebra import Side
from planning_core.xray.overlay import outline, overlay, pedicle_ring
from planning_core.xray.rebuilt import rebuilt_vertebra
from tests.planning_core.xray.rebuilding import rebuilt, views


@pytest.fixture(scope="module")
def seen():
    found = rebuilt(place=(5.0, -10.0, 8.0))
    return found.shape, rebuilt_vertebra(found.shape, found.level, 0.5)


def test_a_balls_outline_is_its_circle():
    ball = trimesh.creation.icosphere(4, 20.0)
    (line,) = outline(ball.vertices[:, [2, 0]] + [60.0, 80.0], ball.faces)
    assert np.linalg.norm(line - [60.0, 80.0], axis=1) == pytest.approx(20.0, abs=0.4)


def test_a_hole_in_the_shadow_has_its_own_line():
    ring = trimesh.creation.torus(20.0, 5.0)
    lines = outline(ring.vertices[:, :2] + 50.0, ring.faces)
    assert len(lines) == 2
    radii = [np.linalg.norm(line - 50.0, axis=1).mean() for line in lines]
    assert radii == pytest.approx([25.0, 15.0], abs=0.5)


def test_everything_projected_lies_within_the_outline(seen):
    shape, vertebra = seen
    for view in views():
        lines = overlay(view, shape, vertebra)
        pixels = view.project(shape.vertices)
        assert lines.outline[0].min(axis=0) == pytest.approx(pixels.min(axis=0), abs=0.5)
        assert lines.outline[0].max(axis=0) == pytest.approx(pixels.max(axis=0), abs=0.5)
        assert dict(lines.paths) == {}


def test_a_pedicles_ring_is_as_wide_as_the_pedicle_and_on_its_side(seen):
    shape, vertebra = seen
    widths = {}
    for side, sign in ((Side.LEFT, 1), (Side.RIGHT, -1)):
        ring = pedicle_ring(shape, vertebra, side)
        assert vertebra.whole.at(vertebra.ct_lps_from_vertebra.inverse().apply(ring)) == pytest.approx(0.0, abs=0.3)
        assert (sign * (ring[:, 0] - shape.pose.translation_mm[0]) > 0).all()
        widths[side] = np.ptp(ring[:, 0])
    assert widths[Side.LEFT] == pytest.approx(widths[Side.RIGHT], rel=0.15)
    assert widths[Side.LEFT] == pytest.approx(shape.scale * shape.model.pedicle_width_mm[0], rel=0.35)


def test_in_a_frontal_picture_the_patients_left_is_on_the_right(seen):
    shape, vertebra = seen
    lines = overlay(views()[0], shape, vertebra)
    assert lines.rings[Side.LEFT][:, 1].mean() > lines.rings[Side.RIGHT][:, 1].mean()
    told = lines.as_dict()
    assert set(told["rings"]) == {"left", "right"}
    assert all(len(point) == 2 for point in told["outline"][0])
