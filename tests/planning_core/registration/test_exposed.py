"""A bare vertebra touched as a surgeon does: tips, places all over the arch, three faces as the check."""

from itertools import combinations

import numpy as np
import pytest

from planning_core.anatomy.levels import VertebraLevel
from planning_core.geometry import RigidTransform
from planning_core.registration import judge, register_probed_surface
from planning_core.registration.carry import surface_points
from planning_core.registration.config import CarryConfig, ExposedConfig, RegistrationConfig, SurfaceConfig
from planning_core.registration.exposed import TipsMismatchError, begun, check_by, grip, off_bone, tips
from planning_core.registration.refusals import RegistrationError
from planning_core.registration.touch import Touch
from tests.planning_core.registration.strategies import pose

NOISE_MM = 0.3
CONFIG = ExposedConfig()
PROBED = RegistrationConfig(surface=SurfaceConfig(point_error_mm=NOISE_MM))
TRUTH = pose(7, "patient_ref", "ct_lps")


def held(place_mm):
    return Touch(place_mm, np.eye(3) * 0.1**2, 0.1, 0.0, 1)


@pytest.fixture(scope="module")
def vertebra(real_vertebrae):
    return real_vertebrae[VertebraLevel.L3]


@pytest.fixture(scope="module")
def arch(vertebra):
    """(n, 3) ct_lps: what a wound lays bare."""
    points = surface_points(vertebra.whole, CarryConfig(points=100_000))
    return vertebra.ct_lps_from_vertebra.apply(points[points[:, 1] > float(vertebra.wall[0]) + 8])


def touches(arch, seed, count):
    rng = np.random.default_rng(seed)
    places = arch[rng.permutation(len(arch))[:count]] + rng.normal(0, NOISE_MM, (count, 3))
    return [held(TRUTH.apply(place)) for place in places]


def ends(vertebra, seed=0, error_mm=2.5):
    rng = np.random.default_rng(seed)
    return [held(TRUTH.apply(tip) + rng.normal(0, error_mm, 3)) for tip in tips(vertebra).values()]


def registered(vertebra, arch, seed, start):
    points = np.array([t.reference_mm for t in touches(arch, seed, CONFIG.touches)])
    return register_probed_surface(points, vertebra, start, PROBED)


def faces(vertebra, arch, found, seed=100):
    """Three touches apart from the registration's that face three ways."""
    some = [t for t in touches(arch, seed, 40) if apart(found, t) > 2.6]
    ways = [off_bone(t.reference_mm, vertebra, found.reference_from_ct.transform)[1] for t in some]
    chosen = max(combinations(range(len(some)), 3), key=lambda three: grip([ways[n] for n in three]))
    return [some[n] for n in chosen]


def apart(found, touch):
    return np.linalg.norm(found.reference_from_ct.transform.apply(found.fit.src_mm) - touch.reference_mm, axis=1).min()


@pytest.mark.parametrize("seed", range(3))
def test_tips_then_the_arch_then_three_faces_make_a_registration_that_is_accepted(vertebra, arch, seed):
    found = registered(vertebra, arch, seed, begun(ends(vertebra, seed), vertebra, CONFIG))
    there = found.reference_from_ct.transform
    target = vertebra.ct_lps_from_vertebra.translation_mm
    decision = judge(found, target, check_by(faces(vertebra, arch, found), vertebra, there, CONFIG))
    assert decision.accepted, decision.reasons
    assert np.linalg.norm(there.apply(target) - TRUTH.apply(target)) < decision.predicted.bound95_mm


@pytest.mark.parametrize("bump_mm", [(3.0, 0, 0), (0, 3.0, 0), (0, 0, 3.0)])
def test_three_faces_see_a_bump_whichever_way_it_went(vertebra, arch, bump_mm):
    found = registered(vertebra, arch, 0, begun(ends(vertebra), vertebra, CONFIG))
    there = found.reference_from_ct.transform
    bumped = [held(t.reference_mm + np.array(bump_mm)) for t in faces(vertebra, arch, found)]
    point = check_by(bumped, vertebra, there, CONFIG)
    decision = judge(found, vertebra.ct_lps_from_vertebra.translation_mm, point)
    assert not decision.accepted
    assert decision.check_mm > 1.5


def test_sides_interchanged_turn_the_vertebra_over_and_no_surface_fits(vertebra, arch):
    back, left, right = ends(vertebra)
    with pytest.raises(RegistrationError):
        registered(vertebra, arch, 0, begun([back, right, left], vertebra, CONFIG))


def test_tips_of_another_shape_are_refused_with_their_distance(vertebra):
    back, left, right = ends(vertebra)
    with pytest.raises(TipsMismatchError) as caught:
        begun([held(back.reference_mm + np.array([60.0, 0, 0])), left, right], vertebra, CONFIG)
    assert caught.value.data["rms_mm"] > CONFIG.tips_mm


def test_grip_is_that_of_a_corner_or_of_a_wall():
    assert grip(list(np.eye(3))) == pytest.approx(1.0)
    assert grip([np.array([0, 0, 1.0])] * 3) == pytest.approx(0.0)
    assert grip(list(np.eye(3))[:2]) == 0.0


def test_off_bone_is_positive_outside_and_faces_outward(vertebra):
    tip = tips(vertebra)["left transverse process"]
    exact = RigidTransform("patient_ref", "ct_lps", TRUTH.matrix)
    away, faces_to = off_bone(TRUTH.apply(tip + [4.0, 0, 0]), vertebra, exact)
    assert away == pytest.approx(4.0, abs=1.5)
    assert TRUTH.inverse().rotate(faces_to)[0] > 0.7
