"""A made-up bone seen by made-up X-rays; benchmarks/xray_registration.py does the same on real CTs."""

import attrs
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from planning_core.geometry import FrameMismatchError, Grid, RigidTransform
from planning_core.imaging.drr.acquisition import FLUOROSCOPY, Materials, acquire
from planning_core.imaging.volume import CtVolume
from planning_core.registration.refusals import XrayRegistrationError
from planning_core.registration.xray_config import XrayRegistrationConfig
from planning_core.registration.xray_likeness import likeness, picture_around, step
from planning_core.registration.xray_to_ct import bone_volume, register_to_xrays
from planning_core.xray.geometry import PinholeView

pytest.importorskip("numba")


@pytest.fixture(scope="module")
def patient():
    """Flesh with two bones: a hollow box with pillars behind it, and the like above."""
    grid = Grid.centred("ct_lps", (60, 50, 60), 1.5)
    x, y, z = grid.axes()
    hu = np.where((x / 58) ** 2 + (y / 48) ** 2 < 1, 40, -1000) + np.zeros(grid.shape)
    mask = np.zeros(grid.shape, bool)
    for at in (0.0, 36.0):
        body = (np.abs(x) < 20 - 0.1 * (z - at)) & (np.abs(y + 8) < 14) & (np.abs(z - at) < 12)
        inner = (np.abs(x) < 17 - 0.1 * (z - at)) & (np.abs(y + 8) < 11) & (np.abs(z - at) < 9.5)
        pillar = (np.hypot(np.abs(x) - 12, z - at - 4) < 4) & (y > 6) & (y < 22)
        spike = (np.abs(x - 2) < 3) & (y > 20) & (y < 38) & (np.abs(z - at + 0.4 * (y - 20)) < 4)
        hu[body | pillar | spike] = 900
        hu[inner] = 200
        if at == 0:
            mask = body | pillar | spike
    return CtVolume(hu.astype(np.int16), grid, ""), mask


def placed(shift=(3.0, -2.0, 5.0), turn_deg=(4.0, -3.0, 6.0)):
    return RigidTransform.from_parts("carm", "ct_lps", Rotation.from_euler("xyz", turn_deg, degrees=True).as_matrix(), shift)


def shot(patient, truth, angles, seed=1):
    ct, _ = patient
    made = Materials.of(ct, FLUOROSCOPY)
    images = []
    for n, (primary, secondary) in enumerate(angles):
        view = PinholeView.isocentric(primary, secondary, 1000, 650, (150, 150), (1.2, 1.2))
        picture = acquire(made, view.seen_from(truth), FLUOROSCOPY.model_copy(update={"seed": seed + n}))
        images.append(attrs.evolve(picture, view=view))
    return images


def off(truth, shift, turn_deg):
    turn = Rotation.from_euler("xyz", turn_deg, degrees=True).as_matrix()
    return truth @ RigidTransform.from_parts("ct_lps", "ct_lps", turn, shift)


def error_mm(found, truth, ct, mask):
    points = ct.grid.points(np.argwhere(mask)[::50])
    return float(np.linalg.norm(found.apply(points) - truth.apply(points), axis=1).mean())


@pytest.mark.parametrize("angles", [((0, 0), (90, 0)), ((-30, 10), (25, -5))])
def test_a_bone_is_found_in_two_views_within_its_stated_error(patient, angles):
    ct, mask = patient
    truth = placed()
    found = register_to_xrays(bone_volume(ct, mask), shot(patient, truth, angles), off(truth, (6, -7, 5), (6, -5, 7)))
    assert found.trusted, found.doubts
    assert error_mm(found.scene_from_ct.transform, truth, ct, mask) < 0.5
    apart = found.scene_from_ct.transform.apply(found.middle_mm) - truth.apply(found.middle_mm)
    assert np.linalg.norm(apart) < 3 * found.error_at(found.middle_mm).bound95_mm


def test_one_view_says_that_it_does_not_know_the_depth(patient):
    ct, mask = patient
    truth = placed()
    both = register_to_xrays(bone_volume(ct, mask), shot(patient, truth, ((0, 0), (90, 0))), truth)
    one = register_to_xrays(bone_volume(ct, mask), shot(patient, truth, ((0, 0),)), truth)
    error = one.error_at(one.middle_mm)
    assert error.rms_mm > 2 * both.error_at(both.middle_mm).rms_mm
    assert abs(error.axes[:, 0] @ [0, 1, 0]) > 0.95  # along the beam


def test_pictures_of_something_else_are_not_trusted(patient):
    ct, mask = patient
    truth = placed()
    noise = np.random.default_rng(3)
    images = [attrs.evolve(i, pixels=noise.normal(size=i.pixels.shape)) for i in shot(patient, truth, ((0, 0), (90, 0)))]
    found = register_to_xrays(bone_volume(ct, mask), images, truth)
    assert not found.trusted
    assert "likeness" in found.doubts[0]


def test_steps_point_where_the_likeness_grows(patient):
    ct, mask = patient
    truth, blur = placed(), XrayRegistrationConfig().blur_px
    bone = bone_volume(ct, mask)
    middle = ct.grid.points(np.argwhere(mask)).mean(axis=0)
    picture = picture_around(shot(patient, truth, ((20, 5),))[0], bone, truth, 1.2, 10.0, blur)
    at = off(truth, (1.0, -0.5, 0.8), (1, 0, -1))
    pull = step(picture, bone, at, blur, middle).pull
    away = 1e-3 * pull / np.linalg.norm(pull)
    turn = Rotation.from_rotvec(away[:3]).as_matrix()
    moved = at @ RigidTransform.from_parts("ct_lps", "ct_lps", turn, middle - turn @ middle + away[3:])
    grown = (likeness(picture, bone, moved, blur) - likeness(picture, bone, at, blur)) / 1e-3
    assert grown == pytest.approx(np.linalg.norm(pull), rel=0.25)


def test_the_same_input_gives_the_same_pose(patient):
    ct, mask = patient
    truth = placed()
    images, start = shot(patient, truth, ((0, 0), (60, 0))), off(truth, (3, 2, -2), (2, 2, -3))
    one, same = (register_to_xrays(bone_volume(ct, mask), images, start) for _ in range(2))
    assert np.array_equal(one.scene_from_ct.transform.matrix, same.scene_from_ct.transform.matrix)


def test_a_view_that_misses_the_bone_is_named(patient):
    ct, mask = patient
    truth = placed()
    images = shot(patient, truth, ((0, 0), (90, 0)))
    with pytest.raises(XrayRegistrationError) as refused:
        register_to_xrays(bone_volume(ct, mask), images, off(truth, (0, 0, 220.0), (0, 0, 0)))
    assert refused.value.views == [0, 1]


def test_no_bone_and_other_frames_are_refused(patient):
    ct, mask = patient
    with pytest.raises(XrayRegistrationError, match="no bone"):
        bone_volume(ct, np.zeros_like(mask))
    truth = placed()
    with pytest.raises(FrameMismatchError):
        register_to_xrays(bone_volume(ct, mask), shot(patient, truth, ((0, 0),)), truth.inverse())
