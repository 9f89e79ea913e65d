import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware_sim.tracker.faults import FaultCommandError, Faults, apply_line

TOOLS = ("patient_ref", "robot_ref")


def after(*lines: str) -> Faults:
    faults = Faults()
    for line in lines:
        faults = apply_line(faults, line, TOOLS)
    return faults


def test_each_line_sets_and_takes_back_its_fault():
    assert after("freeze on", "halt on", "mute on", "cut on") == Faults(frozen=True, halted=True, muted=True, cut=True)
    assert after("freeze on", "freeze off") == Faults()
    assert after("dropout patient_ref on").dropped == {"patient_ref"}
    assert after("dropout patient_ref on", "dropout patient_ref off") == Faults()
    assert after("jump robot_ref 5 0 -1").jumps_mm == (("robot_ref", (5.0, 0.0, -1.0)),)
    assert after("swap patient_ref robot_ref", "swap robot_ref patient_ref") == Faults()
    assert after("stray 1 2 -1500", "stray off") == Faults()
    assert after("corrupt 7").corrupt_replies == 7
    assert after("pause 0.5", "pause 2").paused_s == 2.5
    assert after("status 0100").system_status == 0x0100
    assert after("status 0100", "status 0") == Faults()
    assert after("freeze on", "corrupt 3", "clear") == Faults()


@pytest.mark.parametrize(
    "line",
    [
        "",
        "nothing",
        "freeze",
        "freeze maybe",
        "jump patient_ref 1 2",
        "jump patient_ref nan 0 0",
        "jump carm 1 2 3",
        "swap patient_ref patient_ref",
        "corrupt -1",
        "status",
        "status 10000",
        "status -1",
        "status cold",
        "pause -1",
        "pause inf",
        "pause 1 2",
        "ghost patient_ref",
        "stray 1 2 inf",
        "dropout",
        "x" * 300,
    ],
)
def test_what_is_no_fault_is_refused(line):
    with pytest.raises(FaultCommandError):
        after(line)


@given(st.text(max_size=80))
def test_any_text_is_a_fault_or_a_named_refusal(line):
    try:
        assert isinstance(apply_line(Faults(), line, TOOLS), Faults)
    except FaultCommandError:
        return
