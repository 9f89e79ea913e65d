import numpy as np
import pytest
import trimesh
from matplotlib.colors import to_rgb

from planning_core.case.report.colours import BODY, CANAL, DEFECT, PAPER, PATHS
from planning_core.case.report.scene import Part, parts_of
from planning_core.case.report.still import still

FROM_LEFT = np.array([1.0, 0, 0])
CENTRE = np.zeros(3)
SIZE = (200, 160)
HALF_MM = 40.0


def _ball(radius, centre, colour, opacity=1.0, visible=True):
    mesh = trimesh.creation.icosphere(subdivisions=4, radius=radius)
    return Part("ball", mesh.apply_translation(centre), colour, opacity, visible)


def _covered(picture):
    return np.abs(picture - to_rgb(PAPER)).max(axis=-1) > 0.05


def test_a_ball_is_as_large_as_it_should_be_and_has_no_holes():
    covered = _covered(still([_ball(20, CENTRE, "#ffffff")], CENTRE, FROM_LEFT, SIZE, HALF_MM))
    pixel_mm = 2 * HALF_MM / SIZE[1]
    assert covered.sum() * pixel_mm**2 == pytest.approx(np.pi * 400, rel=0.03)
    rows, columns = np.nonzero(covered)
    assert (rows.mean(), columns.mean()) == pytest.approx(((SIZE[1] - 1) / 2, (SIZE[0] - 1) / 2), abs=0.7)
    assert all(covered[r, np.flatnonzero(covered[r])[0] : np.flatnonzero(covered[r])[-1]].all() for r in np.unique(rows))


def test_a_long_thin_cylinder_has_no_holes():
    rod = trimesh.creation.cylinder(1.6, segment=np.array([[0, -30, -20], [0, 30, 20]]), sections=24)
    covered = _covered(still([Part("rod", rod, "#ffffff", 1.0)], CENTRE, FROM_LEFT, SIZE, HALF_MM))
    across, along = np.meshgrid(np.arange(SIZE[0]) - SIZE[0] / 2 + 0.5, SIZE[1] / 2 - np.arange(SIZE[1]) - 0.5)
    across, along = across * 2 * HALF_MM / SIZE[1], along * 2 * HALF_MM / SIZE[1]  # seen from the left: +y is right, +z is up
    length = np.hypot(60, 40)
    far = np.abs(across * 40 - along * 60) / length
    ahead = np.abs(across * 60 + along * 40) / length
    assert covered[(far < 1.3) & (ahead < length / 2 - 0.5)].all()
    assert not covered[(far > 2.1) | (ahead > length / 2 + 0.6)].any()


def test_what_is_nearer_hides_what_is_behind():
    parts = [_ball(10, [20, 0, 0], "#ff0000"), _ball(20, [-20, 0, 0], "#0000ff")]
    red, _, blue = still(parts, CENTRE, FROM_LEFT, SIZE, HALF_MM)[SIZE[1] // 2, SIZE[0] // 2]
    assert red > 3 * blue
    red, _, blue = still(parts, CENTRE, -FROM_LEFT, SIZE, HALF_MM)[SIZE[1] // 2, SIZE[0] // 2]
    assert blue > 3 * red


def test_what_is_clear_lets_through_what_is_behind():
    inside, shell = _ball(8, CENTRE, "#ff0000"), _ball(20, CENTRE, "#0000ff", 0.4)
    red, _, blue = still([shell, inside], CENTRE, FROM_LEFT, SIZE, HALF_MM)[SIZE[1] // 2, SIZE[0] // 2]
    assert min(red, blue) > 0.2


def test_up_is_up_and_seen_from_the_left_the_front_is_on_the_left():
    parts = [_ball(8, [0, 0, 25], "#ff0000"), _ball(8, [0, -25, 0], "#00ff00")]
    picture = still(parts, CENTRE, FROM_LEFT, SIZE, HALF_MM)
    red, green = (np.argwhere(picture[..., c] > picture[..., [1, 0][c]] + 0.1).mean(axis=0) for c in (0, 1))
    assert red[0] < SIZE[1] / 3
    assert green[1] < SIZE[0] / 2 - 20


def test_what_the_page_hides_at_first_is_left_out():
    assert not _covered(
        still([_ball(20, CENTRE, "#ffffff", visible=False), _ball(1, [0, 0, 90], BODY)], CENTRE, FROM_LEFT, SIZE, HALF_MM)
    ).any()


def test_the_scene_holds_vertebra_defect_canal_and_paths(subject):
    parts = {part.name: part for part in parts_of(subject)}
    assert {parts[n].colour for n in ("planned vertebra", "defect", "spinal canal", "left path")} == {
        BODY,
        DEFECT,
        CANAL,
        PATHS["left"],
    }
    assert {"T12", "L2", "ideal body"} < set(parts)
    assert parts["spinal canal"].opacity < 1
    assert all(part.mesh.is_watertight for part in parts.values())


def test_the_canal_stays_within_its_vertebras_reach_and_clear_of_the_paths(subject):
    parts = {part.name: part for part in parts_of(subject)}
    canal = subject.vertebra.ct_lps_from_vertebra.inverse().apply(np.asarray(parts["spinal canal"].mesh.vertices))
    assert np.abs(canal[:, 2]).max() < 36
    for name in ("left path", "right path"):
        assert (
            subject.vertebra.canal.at(
                subject.vertebra.ct_lps_from_vertebra.inverse().apply(np.asarray(parts[name].mesh.vertices))
            ).min()
            > 0
        )
