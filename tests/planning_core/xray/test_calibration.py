import attrs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from hardware_sim.carm.phantom_shot import phantom_shot
from planning_core.geometry import RigidTransform
from planning_core.xray.bead_pose import three_point_poses
from planning_core.xray.calibration import CalibrationConfig, Distortion, calibrate, linear_view
from planning_core.xray.geometry import PinholeView
from planning_core.xray.image import XrayImage
from planning_core.xray.phantom import PHANTOM, helix_phantom
from planning_core.xray.refusals import (
    MirroredViewError,
    PhantomNotFoundError,
    PoorCalibrationError,
    TooFewShadowsError,
)

SIZE, SPACING = (480, 500), (0.5, 0.5)
PHANTOM_AT = helix_phantom()


def isocentric(primary=20.0, secondary=-8.0, sid=1000.0, sod=620.0):
    return PinholeView.isocentric(primary, secondary, sid, sod, SIZE, SPACING, frame="carm")


def true_view(turn=(75.0, 10.0, 30.0), shift=(4.0, -6.0, 8.0), centre=(6.0, -9.0), sid=1018.0, **angles):
    """The C-arm is not quite what it says: longer, its principal point off the middle."""
    pose = RigidTransform.from_parts("carm", PHANTOM, Rotation.from_euler("xyz", turn, degrees=True).as_matrix(), shift)
    view = isocentric(sid=sid, **angles).seen_from(pose)
    k = view.intrinsic.copy()
    k[:2, 2] += centre[::-1]
    return attrs.evolve(view, intrinsic=k)


def as_taken(picture, nominal=None):
    return attrs.evolve(picture, view=nominal or isocentric())


def worst_mm(found, truth, distortion=None):
    """How far apart, on the detector, the two put points about the phantom."""
    points = np.array([[x, y, z] for x in (-40, 40) for y in (-40, 40) for z in (-50, 50)], float)
    there = truth.project(points) if distortion is None else distortion.seen(truth.project(points))
    return np.linalg.norm(found.distortion.seen(found.view.project(points)) - there, axis=1).max() * SPACING[0]


@pytest.mark.parametrize("turn", [(75, 10, 30), (100, -15, 200), (60, 25, -110)])
def test_a_c_arm_is_calibrated_from_one_picture(turn):
    truth = true_view(turn)
    found = calibrate(as_taken(phantom_shot(PHANTOM_AT, truth)), PHANTOM_AT)
    assert len(found.pairs) >= 20
    assert found.rms_px < 0.15
    assert worst_mm(found, truth) < 0.15
    assert np.linalg.norm(found.view.source_mm - truth.source_mm) < 4 * found.source_sigma_mm + 1.0
    assert found.view.frame == PHANTOM


def test_distortion_is_found_and_taken_out():
    truth = true_view()
    bent = Distortion(((SIZE[0] - 1) / 2, (SIZE[1] - 1) / 2), float(np.hypot(*SIZE)) / 2, radial=0.03, spiral=0.04)
    image = as_taken(phantom_shot(PHANTOM_AT, truth, bent))
    found = calibrate(image, PHANTOM_AT)
    assert found.rms_px < 0.2
    assert worst_mm(found, truth, bent) < 0.3
    straight = found.distortion.straightened(image)
    plain = phantom_shot(PHANTOM_AT, truth)
    inner = (slice(100, 380), slice(100, 400))
    apart, before = (np.abs(i.pixels - plain.pixels)[inner][plain.pixels[inner] > 1.0].mean() for i in (straight, image))
    assert apart < 0.3 * before


@settings(deadline=None, max_examples=50)
@given(st.floats(-0.08, 0.08), st.floats(-0.08, 0.08), st.tuples(st.floats(0, 479), st.floats(0, 499)))
def test_straightening_undoes_bending(radial, spiral, pixel):
    bent = Distortion((239.5, 249.5), 346.0, radial, spiral)
    assert bent.seen(bent.ideal(pixel)) == pytest.approx(pixel, abs=1e-3)


@settings(deadline=None, max_examples=50)
@given(st.tuples(*[st.floats(-3, 3)] * 3), st.tuples(st.floats(-80, 80), st.floats(-80, 80), st.floats(500, 800)))
def test_three_points_give_the_pose_they_were_seen_from(turn, shift):
    pose = RigidTransform.from_parts("camera", PHANTOM, Rotation.from_rotvec(turn).as_matrix(), shift)
    beads = PHANTOM_AT.beads_mm[[0, 11, 22]]
    seen = pose.apply(beads)
    poses = three_point_poses(beads, seen / np.linalg.norm(seen, axis=1, keepdims=True))
    assert min((np.abs(p.apply(beads) - seen).max() for p in poses), default=np.inf) < 0.5


def test_the_direct_linear_transform_gives_an_exact_view_back():
    truth = true_view()
    direct = linear_view(truth, PHANTOM_AT.beads_mm, truth.project(PHANTOM_AT.beads_mm))
    assert direct.project(PHANTOM_AT.beads_mm) == pytest.approx(truth.project(PHANTOM_AT.beads_mm), abs=1e-5)
    assert direct.source_mm == pytest.approx(truth.source_mm, abs=1e-3)


def test_a_mirrored_picture_is_refused_as_such():
    picture = phantom_shot(PHANTOM_AT, true_view())
    flipped = attrs.evolve(picture, pixels=picture.pixels[:, ::-1], view=isocentric())
    with pytest.raises(MirroredViewError):
        calibrate(flipped, PHANTOM_AT)


def test_an_empty_picture_has_too_few_shadows():
    noise = np.random.default_rng(0).normal(1.0, 0.02, SIZE)
    with pytest.raises(TooFewShadowsError) as refused:
        calibrate(XrayImage(noise, isocentric()), PHANTOM_AT)
    assert refused.value.needed == CalibrationConfig().min_beads


def test_another_phantom_is_not_taken_for_this():
    rng = np.random.default_rng(4)
    other = attrs.evolve(PHANTOM_AT, beads_mm=rng.uniform(-50, 50, PHANTOM_AT.beads_mm.shape))
    with pytest.raises(PhantomNotFoundError) as refused:
        calibrate(as_taken(phantom_shot(other, true_view())), PHANTOM_AT)
    assert refused.value.matched < refused.value.needed


def test_a_phantom_that_is_bent_is_refused_with_its_residual():
    bent = PHANTOM_AT.beads_mm + np.random.default_rng(2).normal(0, 0.6, PHANTOM_AT.beads_mm.shape)
    with pytest.raises(PoorCalibrationError) as refused:
        calibrate(as_taken(phantom_shot(attrs.evolve(PHANTOM_AT, beads_mm=bent), true_view())), PHANTOM_AT)
    assert refused.value.rms_px > 0.3
