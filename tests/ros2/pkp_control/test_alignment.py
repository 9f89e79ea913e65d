"""VERIFIED only on enough fresh, good frames; never otherwise; gone at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pkp_control.alignment import AlignmentConfig, AlignmentState, Verifier, _Frame
from pkp_control.compensation import Goal, ToolSample
from pkp_control.sight_error import constant_covariances

from planning_core.geometry import RigidTransform
from tests.ros2.pkp_control.procedure import MARKERS

PATIENT = RigidTransform.from_parts("tracker", "patient_ref", np.eye(3), [0.0, 0.0, 1400.0])
PLATE = RigidTransform.from_parts("tracker", "robot_ref", np.eye(3), [60.0, -120.0, 1380.0])
TOOL = RigidTransform.from_parts("robot_ref", "guide_tip", np.eye(3), [0.0, 90.0, 90.0])
GOAL = Goal(PATIENT.inverse() @ PLATE @ TOOL, 55.0, 105.0, "plan")
DRAW = np.random.default_rng(3)


def moved(pose: RigidTransform, mm: np.ndarray, deg: float = 0.0) -> RigidTransform:
    c, s = np.cos(np.deg2rad(deg)), np.sin(np.deg2rad(deg))
    turn = [[1, 0, 0], [0, c, -s], [0, s, c]]
    return RigidTransform.from_parts(pose.dst, pose.src, pose.rotation @ turn, pose.translation_mm + mm)


def feed(
    verifier: Verifier, frames: range, off_mm: float = 0.0, deg: float = 0.0, noise_mm: float = 0.05, since_s: float = 0.0
) -> AlignmentState:
    state = AlignmentState.NOT_VERIFIED
    for frame in frames:
        stamp = since_s + frame / 60
        off = np.array([off_mm, 0, 0]) + DRAW.normal(size=3) * noise_mm
        patient = moved(PATIENT, DRAW.normal(size=3) * 1e-3)
        verifier.observe(
            ToolSample("patient_ref", frame, stamp, patient),
            ToolSample("robot_ref", frame, stamp, moved(PLATE, off, deg)),
            stamp + 0.015,
        )
        state = verifier.verification(stamp + 0.015).state
    return state


def test_a_guide_in_place_is_verified_after_the_hold_time_not_before() -> None:
    verifier = Verifier(GOAL, TOOL, MARKERS)
    assert feed(verifier, range(1, 55)) is AlignmentState.NOT_VERIFIED
    assert feed(verifier, range(55, 70)) is AlignmentState.VERIFIED
    answer = verifier.verification(69 / 60 + 0.015)
    assert answer.entry_mm is not None
    assert answer.entry_mm < 0.1
    assert answer.plan_hash == "plan"


def test_a_tracker_that_began_anew_is_believed_again_and_nothing_goes_on_across_that() -> None:
    verifier = Verifier(GOAL, TOOL, MARKERS)
    assert feed(verifier, range(7900, 7970)) is AlignmentState.VERIFIED
    since_s = 7970 / 60  # its counter begins at 1 again, without a gap that could be noticed
    assert feed(verifier, range(1, 2), since_s=since_s) is AlignmentState.NOT_VERIFIED
    assert feed(verifier, range(2, 55), since_s=since_s) is AlignmentState.NOT_VERIFIED
    assert feed(verifier, range(55, 70), since_s=since_s) is AlignmentState.VERIFIED


def test_errors_are_those_of_entry_target_and_axis() -> None:
    off = Verifier(GOAL, TOOL, MARKERS).errors(PATIENT, moved(PLATE, np.array([0.3, 0.0, 0.0])))
    np.testing.assert_allclose(np.linalg.norm(off, axis=1), [0.3, 0.3, 0.0], atol=1e-9)
    # a turn about the plate acts over its lever: 90 mm aside, 90 + 55 and 90 + 105 mm along
    turned = Verifier(GOAL, TOOL, MARKERS).errors(PATIENT, moved(PLATE, np.zeros(3), 0.5))
    levers = np.hypot(90.0, [145.0, 195.0]) * 2 * np.sin(np.deg2rad(0.25))
    np.testing.assert_allclose(np.linalg.norm(turned, axis=1), [*levers, 0.5], atol=1e-9)


@settings(deadline=None, max_examples=8)
@given(off=st.floats(1.0, 20.0), noise=st.floats(0.0, 0.5), rows=st.integers(70, 110))
def test_a_guide_off_by_a_millimetre_or_more_is_never_verified(off: float, noise: float, rows: int) -> None:
    verifier = Verifier(GOAL, TOOL, MARKERS)
    for frame in range(1, rows + 1):
        assert feed(verifier, range(frame, frame + 1), off_mm=off, noise_mm=noise) is AlignmentState.NOT_VERIFIED


@settings(deadline=None, max_examples=5)
@given(deg=st.floats(1.0, 10.0))
def test_an_axis_off_by_a_degree_is_never_verified(deg: float) -> None:
    assert feed(Verifier(GOAL, TOOL, MARKERS), range(1, 100), deg=deg) is AlignmentState.NOT_VERIFIED


@settings(deadline=None, max_examples=10)
@given(keep=st.lists(st.booleans(), min_size=80, max_size=110))
def test_too_few_frames_are_never_enough(keep: list[bool]) -> None:
    """Whichever frames are missing, VERIFIED means 45 of the last second's and no gap above 0.1 s."""
    verifier, config = Verifier(GOAL, TOOL, MARKERS), AlignmentConfig()
    sent = []
    for frame, sends in enumerate(keep, start=1):
        if sends:
            sent.append(frame)
            feed(verifier, range(frame, frame + 1))
        now = frame / 60 + 0.015
        if verifier.verification(now).state is AlignmentState.VERIFIED:
            recent = [f for f in sent if f / 60 >= sent[-1] / 60 - config.hold_s - 1e-9]
            assert len(recent) >= config.least_samples
            assert max(np.diff(recent)) / 60 <= config.fresh_s
            assert now - sent[-1] / 60 <= config.fresh_s + 0.01


def test_violation_ends_it_at_once() -> None:
    verifier = Verifier(GOAL, TOOL, MARKERS)
    assert feed(verifier, range(1, 80)) is AlignmentState.VERIFIED
    # one gross frame, or a millimetre and a half for a few
    assert feed(verifier, range(80, 81), off_mm=5.0) is AlignmentState.NOT_VERIFIED
    assert feed(verifier, range(81, 130)) is AlignmentState.NOT_VERIFIED
    assert feed(verifier, range(130, 155)) is AlignmentState.VERIFIED
    assert feed(verifier, range(155, 163), off_mm=1.5) is AlignmentState.NOT_VERIFIED


def test_silence_ends_it_and_the_hold_begins_anew() -> None:
    verifier = Verifier(GOAL, TOOL, MARKERS)
    assert feed(verifier, range(1, 80)) is AlignmentState.VERIFIED
    silent = verifier.verification(79 / 60 + 0.2)
    assert silent.state is AlignmentState.NOT_VERIFIED
    assert silent.entry_mm is None  # what it was before is not told as if it were so now
    assert feed(verifier, range(85, 120)) is AlignmentState.NOT_VERIFIED


def _pair(
    frame: int, stamp: float, patient: RigidTransform | None, plate: RigidTransform | None
) -> tuple[ToolSample, ToolSample]:
    return ToolSample("patient_ref", frame, stamp, patient), ToolSample("robot_ref", frame, stamp, plate)


@pytest.mark.parametrize(
    "what", ["patient lost", "tool lost", "frozen", "swapped", "other frames", "future", "nan", "wrong frame name"]
)
def test_a_doubtful_frame_ends_it(what: str) -> None:
    verifier = Verifier(GOAL, TOOL, MARKERS)
    assert feed(verifier, range(1, 80)) is AlignmentState.VERIFIED
    stamp, good = 80 / 60, moved(PLATE, np.array([0.0, 0.0, 1e-3]))
    patient, tool = _pair(80, stamp, PATIENT, good)
    if what == "patient lost":
        patient, tool = _pair(80, stamp, None, good)
    elif what == "tool lost":
        patient, tool = _pair(80, stamp, PATIENT, None)
    elif what == "swapped":
        patient, tool = tool, patient
    elif what == "other frames":
        patient = ToolSample("patient_ref", 79, stamp, PATIENT)
    elif what == "future":
        patient, tool = _pair(80, stamp + 5, PATIENT, good)
    elif what == "nan":
        patient, tool = _pair(80, np.nan, PATIENT, good)
    elif what == "wrong frame name":
        patient, tool = _pair(80, stamp, RigidTransform("world", "patient_ref", PATIENT.matrix), good)
    verifier.observe(patient, tool, stamp + 0.015)
    if what == "frozen":
        again = _pair(81, stamp + 1 / 60, PATIENT, good)
        verifier.observe(*again, stamp + 0.03)
    assert verifier.verification(stamp + 0.016).state is AlignmentState.NOT_VERIFIED


def test_a_replayed_frame_is_no_frame() -> None:
    verifier = Verifier(GOAL, TOOL, MARKERS)
    feed(verifier, range(1, 80))
    samples = verifier.verification(79 / 60 + 0.015).samples
    verifier.observe(*_pair(79, 79 / 60, PATIENT, PLATE), 79 / 60 + 0.02)
    assert verifier.verification(79 / 60 + 0.02).samples == samples
    # replayed for long, it goes stale
    for k in range(20):
        verifier.observe(*_pair(79, 79 / 60 + k / 60, PATIENT, PLATE), 79 / 60 + k / 60)
    assert verifier.verification(79 / 60 + 20 / 60).state is AlignmentState.NOT_VERIFIED


@pytest.mark.parametrize("way", [1.0, -1.0])
def test_the_camera_s_constant_error_reckoned_once_is_that_of_places_near_by(way):
    verifier, config = Verifier(GOAL, TOOL, MARKERS), AlignmentConfig().sight
    assert feed(verifier, range(1, 100)) is AlignmentState.VERIFIED
    kept = np.sqrt(np.trace(verifier._constant[1], axis1=1, axis2=2))
    for step_mm, again in ((1.3, False), (40.0, True)):
        there = moved(PATIENT, np.full(3, step_mm), 0.2), moved(PLATE, np.full(3, way * step_mm), -0.2)
        exact = constant_covariances(*there, TOOL, (GOAL.entry_mm, GOAL.target_mm), MARKERS, config)
        if again:
            verifier._constant_at(_Frame(2.0, *there, np.zeros((3, 3))))
            np.testing.assert_array_equal(verifier._constant[1], exact)
        else:
            np.testing.assert_allclose(np.sqrt(np.trace(exact, axis1=1, axis2=2)), kept, rtol=0.02)
