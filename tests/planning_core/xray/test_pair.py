import attrs
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from planning_core.geometry import FrameMismatchError, RigidTransform
from planning_core.xray.geometry import PinholeView
from planning_core.xray.pair import angle_deg, check_views, meeting_point
from planning_core.xray.refusals import DifferentFramesError, EqualViewsError, MirroredViewError, TooFewViewsError
from tests.planning_core.xray.strategies import points, views


def at(primary_deg, secondary_deg=0.0, **more):
    return PinholeView.isocentric(primary_deg, secondary_deg, 1000.0, 600.0, (128, 128), (1.5, 1.5), **more)


def test_the_angle_of_two_positions_is_theirs():
    assert angle_deg(at(0), at(90)) == pytest.approx(90)
    assert angle_deg(at(10), at(35)) == pytest.approx(25)
    assert angle_deg(at(0), at(170)) == pytest.approx(10)  # from behind the outline is the same


@settings(deadline=None)
@given(st.tuples(views(), views()), points)
def test_rays_of_a_point_meet_in_it(pair, point):
    assume(angle_deg(*pair, at_mm=point) > 5)
    pixels = [view.project(point) for view in pair]
    assert meeting_point(pair, pixels) == pytest.approx(point, abs=1e-6)


def test_beams_meet_in_the_isocentre():
    assert meeting_point([at(0), at(70, 10), at(20, -30)]) == pytest.approx([0, 0, 0], abs=1e-9)


def test_views_apart_are_taken_and_their_angle_told():
    assert check_views([at(0), at(80), at(10)]) == pytest.approx(80)


def test_equal_views_are_refused_with_their_angle():
    with pytest.raises(EqualViewsError) as refused:
        check_views([at(0), at(12), at(6)])
    assert refused.value.angle_deg == pytest.approx(12)
    assert refused.value.views == [0, 1]
    with pytest.raises(EqualViewsError):
        meeting_point([at(30), at(30)])


def test_a_mirrored_picture_among_the_views_is_refused():
    with pytest.raises(MirroredViewError) as refused:
        check_views([at(0), at(90, from_detector_side=False)])
    assert refused.value.from_detector_side == [True, False]


def test_one_view_is_too_few():
    with pytest.raises(TooFewViewsError):
        check_views([at(0)])


def test_views_of_two_frames_are_refused():
    other = attrs.evolve(at(90), camera_from_scene=RigidTransform("camera", "ct_lps", at(90).camera_from_scene.matrix))
    with pytest.raises(DifferentFramesError) as refused:
        check_views([at(0), other])
    assert isinstance(refused.value, FrameMismatchError)
    assert refused.value.exit_status == 2
