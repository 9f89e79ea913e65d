import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planning_core.geometry import RigidTransform
from planning_core.xray.geometry import PinholeView
from planning_core.xray.refusals import InvalidViewError, OutsideViewError
from tests.planning_core.xray.strategies import points, views


def frontal(**given):
    numbers = {"primary_deg": 0, "secondary_deg": 0} | given
    return PinholeView.isocentric(
        numbers["primary_deg"], numbers["secondary_deg"], 1000.0, 600.0, (201, 301), (0.5, 0.4), frame="carm"
    )


def test_the_isocentre_falls_on_the_middle_pixel():
    assert frontal().project([0, 0, 0]) == pytest.approx([100, 150])


def test_a_frontal_picture_is_shown_as_if_facing_the_patient():
    row, column = frontal().project([10.0, 0, 0])
    assert row == pytest.approx(100)
    assert column == pytest.approx(150 + 10 * 1000 / 600 / 0.4)  # the patient's left is on the right
    assert frontal().project([0, 0, 10.0])[0] == pytest.approx(100 - 10 * 1000 / 600 / 0.5)  # the head is up


@pytest.mark.parametrize(
    ("primary_deg", "secondary_deg", "source"),
    [
        (0, 0, (0, 600, 0)),  # under a patient on the back
        (90, 0, (-600, 0, 0)),  # detector at the left hand
        (0, 90, (0, 0, -600)),  # detector over the head
        (-30, 0, (300, 600 * np.cos(np.pi / 6), 0)),
    ],
)
def test_the_source_stands_opposite_to_where_the_angles_put_the_detector(primary_deg, secondary_deg, source):
    assert frontal(primary_deg=primary_deg, secondary_deg=secondary_deg).source_mm == pytest.approx(np.array(source), abs=1e-9)


def test_distances_come_back_as_given():
    view = frontal(primary_deg=25, secondary_deg=-12)
    assert view.source_to_detector_mm == pytest.approx(1000)
    assert view.source_to_isocentre_mm == pytest.approx(600)
    assert view.from_detector_side


@settings(deadline=None)
@given(views(), points)
def test_a_point_lies_on_the_ray_of_its_pixel(view, point):
    way = np.array(point) - view.source_mm
    assert view.directions(view.project(point)) == pytest.approx(way / np.linalg.norm(way), abs=1e-9)


@settings(deadline=None)
@given(views(), points)
def test_a_projection_matrix_gives_the_same_view_back(view, point):
    again = PinholeView.from_matrix(view.matrix * -3.7, view.size, view.pixel_spacing_mm, frame="carm")
    assert again.project(point) == pytest.approx(view.project(point), abs=1e-6)
    assert again.from_detector_side == view.from_detector_side
    assert again.source_mm == pytest.approx(view.source_mm, abs=1e-6)
    assert again.source_to_detector_mm == pytest.approx(view.source_to_detector_mm)


@settings(deadline=None)
@given(views(), points)
def test_the_slope_of_a_projection_is_its_difference_quotient(view, point):
    step = 1e-3 * np.eye(3)
    quotient = (view.project(np.add(point, step)) - view.project(np.subtract(point, step))) / 2e-3
    assert view.project_slope(point) == pytest.approx(quotient.T, rel=1e-4, abs=1e-5)


@settings(deadline=None)
@given(views(), points, st.tuples(*[st.floats(-30, 30)] * 3))
def test_a_view_seen_from_another_frame_shows_the_same(view, point, shift):
    turn = RigidTransform.from_quaternion("carm", "ct_lps", (0.1, -0.2, 0.3, 0.9), shift)
    assert view.seen_from(turn).project(point) == pytest.approx(view.project(turn.apply(point)), abs=1e-8)
    assert view.seen_from(turn).frame == "ct_lps"


@settings(deadline=None)
@given(views(), points, st.integers(2, 5))
def test_binned_pixels_cover_the_pixels_they_are_means_of(view, point, factor):
    fine = view.project(point)
    assert view.binned(factor).project(point) == pytest.approx((fine + 0.5) / factor - 0.5, abs=1e-9)
    assert view.binned(factor).source_to_detector_mm == pytest.approx(view.source_to_detector_mm)


@settings(deadline=None)
@given(views(), points)
def test_a_cropped_and_a_mirrored_picture_keep_their_points(view, point):
    row, column = view.project(point)
    assert view.cropped(slice(5, 40), slice(7, None)).project(point) == pytest.approx([row - 5, column - 7])
    assert view.mirrored().project(point) == pytest.approx([row, view.size[1] - 1 - column])
    assert view.mirrored().from_detector_side != view.from_detector_side


def test_points_behind_the_source_are_refused_with_their_number():
    with pytest.raises(OutsideViewError) as refused:
        frontal().project([[0, 0, 0], [0, 601, 0], [0, 900, 0]])
    assert refused.value.count == 2


@pytest.mark.parametrize(
    "changed",
    [
        {"source_to_isocentre_mm": 1200.0},
        {"source_to_isocentre_mm": -1.0},
        {"primary_deg": float("nan")},
        {"size": (1, 200)},
        {"pixel_spacing_mm": (0.4, 0.0001)},
    ],
)
def test_numbers_that_cannot_be_are_refused(changed):
    numbers = {
        "primary_deg": 0.0,
        "secondary_deg": 0.0,
        "source_to_detector_mm": 1000.0,
        "source_to_isocentre_mm": 600.0,
        "size": (100, 100),
        "pixel_spacing_mm": (0.4, 0.4),
    }
    if "pixel_spacing_mm" in changed:
        view = PinholeView.isocentric(**numbers)
        with pytest.raises(InvalidViewError, match="by the rows"):
            PinholeView(view.camera_from_scene, view.intrinsic, view.size, changed["pixel_spacing_mm"])
    else:
        with pytest.raises(InvalidViewError):
            PinholeView.isocentric(**(numbers | changed))


def test_a_matrix_without_a_source_is_refused():
    with pytest.raises(InvalidViewError, match="rank 3"):
        PinholeView.from_matrix(np.eye(3, 4) * [[1], [0], [1]], (10, 10), (1, 1), frame="carm")
