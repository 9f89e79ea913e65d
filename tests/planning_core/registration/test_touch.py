import attrs
import numpy as np
import pytest
from hypothesis import given, settings

from planning_core.geometry import RigidTransform
from planning_core.registration.touch import HeldTip, TouchConfig
from planning_core.registration.tracked import TrackedPose
from tests.planning_core.registration.strategies import REFERENCE_MARKERS, jittered, seeds

PROBE_MARKERS = np.array([[0.0, 0, 100], [0, 45, 128], [33, -20, 160], [-52, 12, 199]])
REFERENCE = RigidTransform.from_parts("tracker", "patient_ref", np.eye(3), [40, -60, -1450])
PROBE = RigidTransform.from_parts("tracker", "probe_tip", np.eye(3), [90, -30, -1460])


def frames(count, seed=0, jitter_mm=0.05, first=0, drift_mm=0.0):
    rng = np.random.default_rng(seed)
    for n in range(first, first + count):
        there = RigidTransform.from_parts("tracker", "probe_tip", PROBE.rotation, PROBE.translation_mm + [drift_mm * n, 0, 0])
        yield [TrackedPose(jittered(p, rng, jitter_mm / 300, jitter_mm), n, n / 60, 0.1) for p in (there, REFERENCE)]


def held(config=None):
    return HeldTip(PROBE_MARKERS, REFERENCE_MARKERS, config or TouchConfig())


@settings(max_examples=10)
@given(seed=seeds)
def test_a_tip_held_for_long_enough_is_a_touch_within_its_expected_error(seed):
    tip = held()
    said = [tip.see(*frame) for frame in frames(60, seed)]
    assert all(touch is None for touch in said[:-1])
    touch = said[-1]
    true = REFERENCE.inverse().apply(PROBE.translation_mm)
    assert np.linalg.norm(touch.reference_mm - true) < 4 * np.sqrt(np.trace(touch.covariance))
    assert (touch.frame_number, touch.stamp_s) == (59, pytest.approx(59 / 60))
    assert touch.spread_mm < 0.3


def test_a_moving_tip_is_no_touch():
    tip = held()
    assert all(tip.see(*frame) is None for frame in frames(200, drift_mm=0.1))


@pytest.mark.parametrize("spoil", ["unseen", "gap", "poor", "frozen", "repeated", "another frame"])
def test_a_spoiled_frame_begins_the_count_anew(spoil):
    tip = held()
    seen = list(frames(100))
    for frame in seen[:50]:
        tip.see(*frame)
    probe, reference = seen[50]
    if spoil == "unseen":
        tip.see(None, reference)
    elif spoil == "poor":
        tip.see(attrs.evolve(probe, rms_mm=2.0), reference)
    elif spoil == "another frame":
        tip.see(attrs.evolve(probe, frame_number=49), reference)
    elif spoil == "frozen":
        tip.see(*(attrs.evolve(new, pose=old.pose) for new, old in zip(seen[50], seen[49], strict=True)))
    elif spoil == "repeated":
        tip.see(*seen[49])
    else:
        tip.see(*(attrs.evolve(pose, stamp_s=pose.stamp_s + 0.5) for pose in seen[50]))
    assert tip.frames <= 1
    later = [tip.see(*frame) for frame in frames(58, first=150)]
    assert all(touch is None for touch in later)
