"""What a slice shows of paths and defect must be what lies in it."""

import attrs
import numpy as np
import pytest
import trimesh

from planning_core.case.report.colours import PATHS
from planning_core.case.report.pictures import plt
from planning_core.case.report.planes import Plane, X, Y, Z, path_planes, standard_planes
from planning_core.case.report.slices import cannula, draw_plane
from planning_core.case.report.subject import best_paths
from planning_core.case.surfaces import solid_of
from planning_core.geometry import RigidTransform

RADIUS = 1.6
SIZE = (40, 40)


def _drawn(subject, plane, paths):
    figure = plt.figure()
    axes = figure.add_axes((0, 0, 1, 1))
    draw_plane(axes, subject, plane, paths)
    plt.close(figure)
    texts = [t.get_text() for t in axes.texts]
    dashed = [line for line in axes.lines if line.get_color() in PATHS.values() and line.get_linestyle() == "--"]
    return axes, texts, dashed


def test_a_cannula_ends_flat_at_entry_and_tip():
    way = np.array([[0.0, 0, 0], [0, 40, 0]])
    points = np.array([[0, 39.9, 1.5], [0, 40.1, 0], [0, -0.1, 0], [0, 20, 1.59], [0, 20, 1.61]])
    assert (cannula(points, way, RADIUS) < 0).tolist() == [True, False, False, True, False]


def test_a_bend_has_no_gap():
    way = np.array([[0.0, 0, 0], [0, 20, 0], [20, 40, 0]])
    ring = way[1] + 1.55 * np.array([[np.cos(a), np.sin(a), 0] for a in np.linspace(0, 2 * np.pi, 60)])
    assert (cannula(ring, way, RADIUS) < 0).all()


def test_paths_beside_the_midline_leave_no_mark_on_it_but_words(subject):
    sagittal = standard_planes(subject)[0]
    shown = best_paths(subject.trajectories)
    bare, _, _ = _drawn(subject, sagittal, [])
    axes, texts, dashed = _drawn(subject, sagittal, shown)
    assert dashed == []
    assert len(axes.lines) == len(bare.lines)
    assert len(axes.collections) == len(bare.collections)
    for path in shown:
        note = next(t for t in texts if t.startswith(f"{path.side.value} path"))
        assert f"mm {path.side.value}: not in this slice" in note


def test_a_path_is_solid_where_it_lies_in_the_slice_and_dashed_elsewhere(subject):
    coronal = standard_planes(subject)[2]
    path = best_paths(subject.trajectories)[0]
    bare, _, _ = _drawn(subject, coronal, [])
    axes, texts, dashed = _drawn(subject, coronal, [path])
    assert len(axes.collections) == len(bare.collections) + 2  # the cannula's cut: its area and its outline
    assert any(t.startswith("dashed, projected") for t in texts)
    (line,) = dashed
    u, v = np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)
    drawn = np.isfinite(u)
    way = subject.vertebra.ct_lps_from_vertebra.inverse().apply(path.waypoints_lps_mm)
    far, radius = np.abs(coronal.project(_along(way, len(u)))[:, 2]), path.diameter_mm / 2
    assert (far[drawn] > radius - 0.05).all()
    assert (far[~drawn] < radius + 0.05).all()
    over = subject.vertebra.canal.at(coronal.centre + u[drawn, None] * coronal.right + v[drawn, None] * coronal.down)
    assert (over > 0).all()


def test_both_planes_of_a_path_hold_it_and_say_nothing(subject):
    for path in best_paths(subject.trajectories):
        for plane in path_planes(subject, path):
            way = subject.vertebra.ct_lps_from_vertebra.inverse().apply(path.waypoints_lps_mm)
            assert np.abs(plane.project(way)[:, 2]).max() < 1e-6
            _, texts, dashed = _drawn(subject, plane, [path])
            assert dashed == []
            assert not [t for t in texts if "path" in t]


def test_the_red_area_is_the_section_of_the_defects_solid(subject):
    """Sections a step apart add up to the solid's volume: nothing else is painted red."""
    inverse, step = subject.vertebra.ct_lps_from_vertebra.inverse(), 0.5
    volume = 0.0
    for x in np.arange(-40, 40, step):
        plane = Plane("cut", np.array([x, 0.0, 0.0]), Y, -Z, ("A", "P", "H", "F"), SIZE)
        volume += step * sum(_signed_area(line) for line in plane.section(subject.defect, inverse))
    assert volume == pytest.approx(float(subject.cement.defect.volume), rel=0.01)


def test_nothing_is_red_where_no_cement_is_recommended(subject):
    none = attrs.evolve(subject.cement.recommended, value_ml=0.0, low_ml=0.0, high_ml=0.0)
    healthy = attrs.evolve(subject, cement=attrs.evolve(subject.cement, recommended=none))
    axes, _, _ = _drawn(healthy, standard_planes(subject)[0], [])
    assert len(axes.patches) == 0
    axes, _, _ = _drawn(subject, standard_planes(subject)[0], [])
    assert len(axes.patches) == 1


@pytest.mark.parametrize(
    ("right", "down", "offset", "words"),
    [
        (Y, -Z, 12 * X, "12–12 mm left"),
        (Y, -Z, -12 * X, "12–12 mm right"),
        (X, Y, 5 * Z, "5–5 mm above"),
        (X, -Z, 7 * Y, "7–7 mm behind"),
    ],
)
def test_the_words_name_the_patients_own_sides(right, down, offset, words):
    plane = Plane("cut", np.zeros(3), right, down, ("", "", "", ""), SIZE)
    assert plane.whereabouts(plane.project(np.array([offset, offset]))[:, 2]) == words


def test_a_section_keeps_holes():
    tube = trimesh.creation.annulus(5, 10, 20)
    plane = Plane("cut", np.zeros(3), X, Y, ("", "", "", ""), SIZE)
    outlines = plane.section(solid_of(tube), RigidTransform("vertebra_L1", "ct_lps", np.eye(4)))
    assert sum(_signed_area(line) for line in outlines) == pytest.approx(np.pi * 75, rel=0.02)
    assert len(outlines) == 2


def _signed_area(line):
    x, y = line.T
    return 0.5 * float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))


def _along(way, count):
    return way[0] + np.linspace(0, 1, count)[:, None] * (way[-1] - way[0])
