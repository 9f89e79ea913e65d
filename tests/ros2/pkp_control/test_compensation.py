"""The law's latch: what stops it, and that nothing but a permit starts it again."""

import attrs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pkp_control.compensation import (
    CompensationConfig,
    CompensationState,
    Compensator,
    Goal,
    Permit,
    RearmRefusedError,
    ToolSample,
    locate_tracker,
)
from pkp_control.kinematics import PLATE, TIP, ArmModel
from pkp_control.limits import MotionLimits, Setpoint

from planning_core.errors import InputError
from planning_core.geometry import RigidTransform
from tests.ros2.pkp_control.procedure import kinematics

ARM = kinematics(ArmModel.UR5)
START = np.array([-1.57, -1.9, 1.7, -1.4, -1.57, 0.0])
BASE_TRACKER = RigidTransform.from_parts("robot_base", "tracker", np.diag([1.0, -1, -1]), [300.0, 1500, 1000])
TOOL_TIP = RigidTransform("robot_ref", "guide_tip", (ARM.flange_from(PLATE).inverse() @ ARM.flange_from(TIP)).matrix)
PATIENT = RigidTransform.from_parts("tracker", "patient_ref", np.eye(3), [-250.0, 500, 900])
GOAL = Goal(PATIENT.inverse() @ BASE_TRACKER.inverse() @ ARM.forward(START), 55.0, 105.0, "plan")
CONFIG = CompensationConfig(settle_samples=5)


@attrs.define(eq=False)
class Bench:
    """A perfect arm and a tracker with a little noise; one frame every two periods."""

    law: Compensator = attrs.field(factory=lambda: Compensator(ARM, GOAL, BASE_TRACKER, TOOL_TIP, START, config=CONFIG))
    joints: np.ndarray = attrs.field(factory=START.copy)
    periods: int = 0
    patient_mm: np.ndarray = attrs.field(factory=lambda: np.zeros(3))
    tool_mm: np.ndarray = attrs.field(factory=lambda: np.zeros(3))
    hidden: tuple[str, ...] = ()
    frozen: dict[str, RigidTransform] = attrs.field(factory=dict)
    stuck: bool = False
    draw: np.random.Generator = attrs.field(factory=lambda: np.random.default_rng(8))

    @property
    def now_s(self) -> float:
        return self.periods * 0.008

    def samples(self) -> list[ToolSample]:
        plate = BASE_TRACKER.inverse() @ ARM.forward(self.joints, PLATE)
        rows = (("patient_ref", PATIENT, self.patient_mm), ("robot_ref", plate, self.tool_mm))
        return [
            ToolSample(
                name,
                self.periods,
                self.now_s,
                None
                if name in self.hidden
                else self.frozen.get(
                    name,
                    RigidTransform.from_parts(
                        "tracker", name, pose.rotation, pose.translation_mm + off + self.draw.normal(size=3) * 0.02
                    ),
                ),
            )
            for name, pose, off in rows
        ]

    def step(self, frames: bool = True) -> Setpoint:
        self.periods += 1
        setpoint = self.law.step(self.now_s, self.now_s, self.joints)
        if frames and self.periods % 2 == 0:
            for sample in self.samples():
                self.law.observe(sample, self.now_s + 0.001)
        if not self.stuck:
            self.joints = setpoint.joints.copy()
        return setpoint

    def run(self, periods: int, frames: bool = True) -> Setpoint:
        for _ in range(periods):
            setpoint = self.step(frames)
        return setpoint

    def enable(self, **changes: object) -> None:
        permit = attrs.evolve(Permit("operator", self.now_s, "plan"), **changes)
        self.law.enable(permit, self.now_s, self.joints)


def enabled() -> Bench:
    bench = Bench()
    bench.run(20)
    bench.enable()
    bench.run(10)
    assert bench.law.state is CompensationState.ENABLED
    return bench


def test_it_follows_the_patient() -> None:
    bench = enabled()
    for k in range(100):
        bench.patient_mm = np.array([0.0, 0.0, 0.04 * k])
        bench.step()
    bench.run(100)
    tip = ARM.forward(bench.joints).translation_mm - ARM.forward(START).translation_mm
    np.testing.assert_allclose(tip, BASE_TRACKER.rotate(bench.patient_mm), atol=0.1)


def test_it_corrects_what_the_tracker_sees_and_the_model_does_not() -> None:
    """The tool is seen 1.5 mm from where the arm has it: the tip comes back to the plan as seen."""
    bench = Bench(tool_mm=np.array([1.5, 0.0, 0.0]))
    bench.run(20)
    bench.enable()
    bench.run(250)
    seen = ARM.forward(bench.joints).translation_mm + BASE_TRACKER.rotate(bench.tool_mm)
    np.testing.assert_allclose(seen, ARM.forward(START).translation_mm, atol=0.05)
    assert bench.law.deviation_mm() < 0.1


def test_it_goes_along_the_axis_only_when_told_and_slowly() -> None:
    back = RigidTransform.from_parts(TIP, TIP, np.eye(3), [0.0, 0.0, -20.0])
    start = ARM.inverse_near(ARM.forward(START) @ back, START)
    law = Compensator(ARM, GOAL, BASE_TRACKER, TOOL_TIP, start, standoff_mm=20.0, config=CONFIG)
    bench = Bench(law=law, joints=start.copy())
    bench.run(20)
    bench.enable()
    bench.run(50)
    assert law.depth_left_mm == 20.0
    law.advance(0.0)
    places = [ARM.forward(bench.step().joints).translation_mm for _ in range(400)]
    speed = np.linalg.norm(np.array(places[10:]) - places[:-10], axis=1) / 0.08
    assert speed.max() < CONFIG.advance_mm_s + 3.0
    np.testing.assert_allclose(places[-1], ARM.forward(START).translation_mm, atol=0.1)


TOOLS = ("patient_ref", "robot_ref")
FAULTS = {
    "patient lost": lambda b: setattr(b, "hidden", ("patient_ref",)),
    "tool lost": lambda b: setattr(b, "hidden", ("robot_ref",)),
    "frozen": lambda b: setattr(b, "frozen", {"patient_ref": PATIENT}),
    "patient jumps": lambda b: setattr(b, "patient_mm", np.array([0.0, 5.0, 0.0])),
    "tool jumps": lambda b: setattr(b, "tool_mm", np.array([0.0, 5.0, 0.0])),
    "ids swapped": lambda b: _swap_ids(b),
    "stop": lambda b: b.law.stop("stop", b.now_s),
    "clock back": lambda b: b.law.step(b.now_s - 1.0, b.now_s - 1.0, b.joints),
    "clock not a number": lambda b: b.law.step(np.nan, b.now_s, b.joints),
    "joints not a number": lambda b: b.law.step(b.now_s, b.now_s, np.full(6, np.nan)),
    "joints from the future": lambda b: b.law.step(b.now_s, b.now_s + 0.02, b.joints),
    "joints old": lambda b: b.law.step(b.now_s, b.now_s - 1.0, b.joints),
    "sample not a number": lambda b: b.law.observe(ToolSample("patient_ref", 10**6, np.nan, PATIENT), b.now_s),
    "sample from the future": lambda b: b.law.observe(ToolSample("patient_ref", 10**6, b.now_s + 9, PATIENT), b.now_s),
    "other frame": lambda b: b.law.observe(ToolSample("patient_ref", 10**6, b.now_s, BASE_TRACKER), b.now_s),
}


def _swap_ids(bench: Bench) -> None:
    """Each tool under the other's name, where both are seen."""
    patient, tool = ({s.tool: s.pose for s in bench.samples()}[name] for name in TOOLS)
    if patient is not None and tool is not None:
        bench.frozen = {
            "patient_ref": RigidTransform("tracker", "patient_ref", tool.matrix),
            "robot_ref": RigidTransform("tracker", "robot_ref", patient.matrix),
        }


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_pauses_within_100_ms_and_stays(name: str) -> None:
    bench = enabled()
    FAULTS[name](bench)
    before = bench.joints
    bench.run(12)
    assert bench.law.state in (CompensationState.PAUSED, CompensationState.FAULT), name
    assert bench.law.reason
    assert np.abs(bench.joints - before).max() < 0.002
    bench.hidden, bench.frozen = (), {}
    bench.patient_mm, bench.tool_mm = np.zeros(3), np.zeros(3)
    resting = bench.run(15).joints
    np.testing.assert_array_equal(bench.run(60).joints, resting)


def test_a_joint_state_of_this_very_moment_is_fresh_whatever_the_last_bit_of_its_stamp() -> None:
    bench = enabled()
    bench.law.step(bench.now_s, np.nextafter(bench.now_s, np.inf), bench.joints)
    assert bench.law.state is CompensationState.ENABLED


def test_an_arm_that_does_not_follow_is_a_fault() -> None:
    bench = enabled()
    bench.stuck = True
    for k in range(200):
        bench.patient_mm = np.array([0.0, 0.05 * k, 0.0])
        bench.tool_mm = np.zeros(3)
        bench.step()
    assert bench.law.state is not CompensationState.ENABLED


def test_motion_beyond_the_limit_pauses() -> None:
    bench = enabled()
    for k in range(400):
        bench.patient_mm = np.array([0.0, 0.0, 0.05 * k])
        bench.step()
    assert bench.law.state is CompensationState.PAUSED
    assert "patient moved" in bench.law.reason


def test_a_wrong_calibration_is_a_fault() -> None:
    bench = Bench(tool_mm=np.array([0.0, 12.0, 0.0]))
    bench.run(60)
    with pytest.raises(RearmRefusedError):
        bench.enable()
    assert "calibration" in bench.law.reason


@settings(deadline=None, max_examples=15)
@given(
    first=st.sampled_from(sorted(FAULTS)),
    later=st.lists(st.one_of(st.sampled_from([*sorted(FAULTS), "well", "advance"]), st.integers(1, 20)), max_size=10),
)
def test_no_sequence_of_inputs_moves_it_after_a_stop_without_a_permit(first: str, later: list[str | int]) -> None:
    bench = enabled()
    bench.patient_mm = np.array([0.0, 0.0, 1.0])
    FAULTS[first](bench)
    bench.run(12)
    resting = bench.run(14).joints
    for what in later:
        if isinstance(what, int):
            bench.run(what)
        elif what == "well":
            bench.hidden, bench.frozen = (), {}
        elif what == "advance":
            bench.law.advance(5.0)
        else:
            FAULTS[what](bench)
        setpoint = bench.step()
        np.testing.assert_array_equal(setpoint.joints, resting)
        assert bench.law.state is not CompensationState.ENABLED


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"acknowledged_by": " "}, "operator"),
        ({"plan_hash": "another"}, "another plan"),
        ({"registration_checked_s": -100.0}, "registration"),
        ({"registration_checked_s": np.nan}, "registration"),
        ({"registration_checked_s": 1e6}, "registration"),
    ],
)
def test_a_permit_that_lacks_something_is_refused_by_name(changes: dict[str, object], missing: str) -> None:
    bench = Bench()
    bench.run(20)
    with pytest.raises(RearmRefusedError, match=missing):
        bench.enable(**changes)
    assert bench.law.state is CompensationState.DISABLED


def test_re_arming_needs_a_check_since_the_stop_and_fresh_poses() -> None:
    bench = enabled()
    checked = bench.now_s
    bench.law.stop("operator", bench.now_s + 0.001)
    with pytest.raises(RearmRefusedError, match="not seen now"):
        bench.enable()
    bench.run(30)
    with pytest.raises(RearmRefusedError, match="since the last stop"):
        bench.enable(registration_checked_s=checked)
    bench.enable()
    assert bench.law.state is CompensationState.ENABLED


def test_frames_that_do_not_fit_are_refused_at_the_door() -> None:
    with pytest.raises(InputError):
        Compensator(ARM, GOAL, TOOL_TIP, TOOL_TIP, START)


def test_setpoints_stay_inside_the_limits_while_following() -> None:
    bench, limits = enabled(), MotionLimits.following()
    rows = []
    for k in range(300):
        bench.patient_mm = np.array([0.0, 2.5 * np.sin(k * 0.02), 2.5 * np.sin(k * 0.013)])
        rows.append(bench.step().joints)
    assert np.abs(np.diff(rows, axis=0)).max() / 0.008 <= limits.speed_rad_s[0] + 1e-9
    assert bench.law.state is CompensationState.ENABLED


def test_the_tracker_is_located_by_the_tool_it_sees() -> None:
    bench = Bench()
    poses = [bench.samples()[1].pose for _ in range(30)]
    found = locate_tracker(ARM, START, [p for p in poses if p is not None], TOOL_TIP)
    np.testing.assert_allclose(found.matrix, BASE_TRACKER.matrix, atol=0.05)
    with pytest.raises(InputError):
        locate_tracker(ARM, START, [], TOOL_TIP)
