"""Which readings call for somebody, and what becomes of an alarm."""

import pytest
from pkp_console.alarms import AlarmBoard, Heard, Priority, alarms_of
from pkp_console.limits import limits_of
from pkp_supervisor.phases import Phase

LIMITS = limits_of(None)


def room(phase=Phase.INJECT, stopped_in=None, **topics):
    stopped = phase if stopped_in is None else stopped_in
    safety = {"stop_latched": stopped_in is not None, "reason": "why", "watchdogs": []}
    heard = {"phase": Heard({"phase": int(phase), "stopped_in": int(stopped)}, 0.0), "safety": Heard(safety, 0.0)}
    return {**heard, **{name: Heard(value, 0.0) for name, value in topics.items()}}


def found(heard):
    return {a.code: a.priority for a in alarms_of(heard, LIMITS)}


def test_a_quiet_room_calls_for_nobody():
    injector = {"state": 1, "pressure": 1.2e6, "cement_age": 300.0}
    assert found(room(injector=injector, verification={"state": 2}, registration={"accepted": True})) == {}
    assert found({}) == {}


@pytest.mark.parametrize(
    ("stopped_in", "priority"), [(Phase.INJECT, Priority.HIGH), (Phase.INSERT, Priority.HIGH), (Phase.APPROACH, Priority.MEDIUM)]
)
def test_a_stop_is_graver_with_the_pin_in(stopped_in, priority):
    assert found(room(Phase.STOPPED, stopped_in)) == {"stopped": priority}


@pytest.mark.parametrize(
    ("topics", "code", "priority"),
    [
        ({"injector": {"state": 1, "pressure": 2.3e6}}, "pressure.ease", Priority.MEDIUM),
        ({"injector": {"state": 1, "pressure": 2.9e6}}, "pressure.stop", Priority.HIGH),
        ({"injector": {"state": 5, "error_msg": "x"}}, "injector.fault", Priority.HIGH),
        ({"injector": {"state": 4, "error_msg": "x"}}, "injector.stopped", Priority.MEDIUM),
        ({"injector": {"state": 2, "cement_age": 500.0}}, "cement.late", Priority.LOW),
        ({"injector": {"state": 2, "cement_age": 601.0}}, "cement.over", Priority.MEDIUM),
        ({"arm_state": {"state": 3, "reason": "x"}}, "arm_state.fault", Priority.HIGH),
        ({"registration": {"accepted": False, "error_msg": "x"}}, "registration_refused", Priority.MEDIUM),
        ({"recorder": {"error_code": "disk_full", "error_msg": "x"}}, "recorder", Priority.LOW),
    ],
)
def test_each_condition_has_its_priority(topics, code, priority):
    assert found(room(**topics)) == {code: priority}


def test_lost_sight_counts_where_it_is_needed():
    lost = {"verification": {"state": 3}}
    assert found(room(Phase.INSERT, **lost)) == {"sight_lost": Priority.HIGH}
    assert found(room(Phase.VERIFY, **lost)) == {"sight_lost": Priority.MEDIUM}
    assert found(room(Phase.WITHDRAW, **lost)) == {}


def test_silence_is_heard():
    heard = room()
    dogs = [
        {"name": "tracker", "age": None, "limit": 0.5, "needed": True},
        {"name": "arm", "age": 0.1, "limit": 0.5, "needed": True},
    ]
    heard["safety"] = Heard({**heard["safety"].value, "watchdogs": dogs}, 3.0)
    assert found(heard) == {"supervisor_silent": Priority.HIGH, "silent.tracker": Priority.MEDIUM}


def test_what_becomes_of_an_alarm_is_noted():
    notes = []
    board = AlarmBoard(lambda event, facts: notes.append((event, facts)))
    easing = alarms_of(room(injector={"state": 1, "pressure": 2.3e6}), LIMITS)
    assert board.update(easing, 1.0)
    assert not board.update(easing, 2.0)
    assert board.acknowledge("pressure.ease", "operator")
    assert not board.acknowledge("nothing", "operator")
    assert board.shown(3.0)[0]["acknowledged_by"] == "operator"
    stopping = alarms_of(room(Phase.STOPPED, Phase.INJECT), LIMITS)
    assert board.update(stopping, 4.0)
    assert [a["code"] for a in board.shown(4.0)] == ["stopped"]
    assert [event for event, _ in notes] == ["alarm_raised", "alarm_acknowledged", "alarm_cleared", "alarm_raised"]


def test_one_that_grew_graver_is_acknowledged_anew():
    board = AlarmBoard(lambda event, facts: None)
    board.update(alarms_of(room(Phase.VERIFY, verification={"state": 3}), LIMITS), 0.0)
    board.acknowledge("sight_lost", "operator")
    board.update(alarms_of(room(Phase.INSERT, verification={"state": 3}), LIMITS), 1.0)
    assert board.shown(1.0)[0]["acknowledged_by"] == ""


def test_the_log_is_a_chain(tmp_path):
    from pkp_console.alarm_log import AlarmLog

    from planning_core.case import audit

    log = AlarmLog(tmp_path)
    log.note("alarm_raised", {"alarm": "stopped"})
    log.note("alarm_acknowledged", {"alarm": "stopped", "by": "operator"})
    (folder,) = tmp_path.iterdir()
    assert audit.verify(folder) != audit.START
    (folder / audit.NAME).write_text("edited\n")
    log.note("alarm_cleared", {"alarm": "stopped"})  # said in the console's log, and nothing else ends
