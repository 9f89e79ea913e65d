"""A made-up record, read back, and the page that is made of it."""

import html.parser

import pytest

from tests.ros2.running import need_ros

pytestmark = pytest.mark.ros
HASH = "ab" * 32


@pytest.fixture
def run_folder(tmp_path):
    """One side of a procedure with one stop in it, as a recorder would leave it (its file never ended)."""
    need_ros()
    from pkp_lifecycle import names
    from pkp_msgs import msg
    from pkp_supervisor import events, journal
    from pkp_supervisor.definitions import definition
    from pkp_supervisor.mcap_log import Record, RotatingLog
    from pkp_supervisor.state import State
    from rclpy.serialization import serialize_message

    (tmp_path / "record").mkdir()
    log = RotatingLog(tmp_path / "record")

    def say(at_s, topic, message):
        kind = f"pkp_msgs/msg/{type(message).__name__}"
        log.add(Record(topic, kind, definition(kind), serialize_message(message), int((1e9 + at_s) * 1e9)))

    plan = msg.PlanReference(case_path="/nowhere", plan_hash=HASH, level="L1", sides=["left"])
    say(0.0, names.PHASE, msg.ProcedurePhase(phase=4, stopped_in=4))
    say(0.5, names.PLAN, plan)
    error = msg.TargetError(side="left", bound_95=0.8e-3)
    result = {"plan": plan, "fiducial_rms": 2e-4, "check_point_error": 4e-4, "fiducials_used": 9, "target_errors": [error]}
    say(1.0, names.REGISTRATION, msg.RegistrationResult(accepted=True, **result))
    say(2.0, names.PHASE, msg.ProcedurePhase(phase=6, stopped_in=6, side="left"))
    for step in range(40):
        off = max(0.3, 4.0 - 0.2 * step) * 1e-3
        seen = {"entry_error": off, "target_error": off * 1.2, "angle_error": 0.002, "state": 2 if step > 25 else 1}
        say(2.0 + 0.1 * step, names.VERIFICATION, msg.VerificationState(side="left", plan=plan, **seen))
    say(6.0, names.SAFETY, msg.SafetyState(stop_latched=True, epoch=1, reason="operator: <button>"))
    say(6.1, names.PHASE, msg.ProcedurePhase(phase=11, stopped_in=6, side="left"))
    say(7.0, names.PHASE, msg.ProcedurePhase(phase=8, stopped_in=8, side="left"))
    for step in range(50):
        given = {"delivered_volume": step * 5e-8, "flow": 5e-7 if step < 49 else 0.0, "pressure": 3e5, "state": 1}
        say(7.0 + 0.1 * step, names.INJECTOR, msg.InjectorState(side="left", plan=plan, **given))
    say(12.5, names.PHASE, msg.ProcedurePhase(phase=10, stopped_in=10, sides_done=["left"]))
    log.flush(1.0)
    journal.write(tmp_path, State(plan=events.PlanSeen("/nowhere", HASH, "L1", ("left",))))
    return tmp_path


def test_the_course_is_read_from_the_record(run_folder):
    from pkp_supervisor.course import read_course
    from pkp_supervisor.phases import Phase

    course = read_course(run_folder)
    assert [s.phase for s in course.stays] == [Phase.REGISTER, Phase.VERIFY, Phase.STOPPED, Phase.INJECT, Phase.REPORT]
    assert course.stays[1].until_s - course.stays[1].from_s == pytest.approx(4.1, abs=0.01)
    assert (course.level, course.plan_hash) == ("L1", HASH)
    assert [(s.epoch, s.reason) for s in course.stops] == [(1, "operator: <button>")]
    assert course.registrations[0].bounds_mm == {"left": pytest.approx(0.8)}
    assert course.delivered_ml("left") == pytest.approx(2.45)
    assert course.position["left"].values[-1] == pytest.approx([0.3, 0.36, 0.1146, 1.0], rel=1e-2)


def test_the_page_is_whole_and_escapes_what_others_said(run_folder):
    from pkp_supervisor.report import write_report

    page = write_report(run_folder).read_text()
    assert "Carried out after a stop" in page
    assert "operator: &lt;button&gt;" in page
    assert "2.45 ml" in page
    assert page.count("<img") == 3
    open_tags = []

    class Parser(html.parser.HTMLParser):
        def handle_starttag(self, tag, attrs):
            open_tags.append(tag) if tag not in ("meta", "img", "br") else None

        def handle_endtag(self, tag):
            assert open_tags.pop() == tag

    Parser().feed(page)
    assert not list(run_folder.glob(".part-*"))


def test_a_run_without_a_record_is_refused(tmp_path):
    need_ros()
    from pkp_supervisor.course import NothingRecordedError, read_course

    with pytest.raises(NothingRecordedError):
        read_course(tmp_path)
