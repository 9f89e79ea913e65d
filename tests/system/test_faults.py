"""Faults in a whole room at work: real nodes and devices in processes of their own, over real middleware and serial protocols.

Each is asserted by state (the named stop, latched), motion (setpoints and the true arm) and volume (the true flow, and the record
against the truth); nothing resumes when its cause is gone; then the operator leaves the stop and goes on. The tests follow one
procedure through both sides. Which fault is tested where, those of single nodes included, is in docs/safety.md.
"""

import numpy as np
import pytest

from tests.ros2.running import need_ros, ros_node
from tests.system.after_stops import after_stops
from tests.system.at_work import AtWork
from tests.system.conftest import FAILED
from tests.system.fault_table import WHILE_FLOWING, WHILE_MOVING, camera, disk_full, person, trouble
from tests.system.nonsense import Nonsense
from tests.system.operating_room import RECORD_ML
from tests.system.registration_played import DOSE_ML

pytestmark = [pytest.mark.ros, pytest.mark.slow, pytest.mark.faults, pytest.mark.flaky(reruns=1)]
"""A shared machine may stop the room where a test did not ask for it (tests/conftest.py)."""
KNOWN_S = 0.1
"""Within so long of a stop being known nothing moves or flows (the requirement); a shared machine gets a permit's life more."""
named = {"ids": lambda fault: fault.name.replace(" ", "-")}


class Ward:
    """One room for all tests, as long as every node in it runs."""

    def __init__(self, environment, folder):
        self._environment, self._folder, self._room, self._count = environment, folder, None, 0

    @property
    def records(self):
        """Of every room so far."""
        return sorted(self._folder.glob("*/record"))

    def room(self):
        if self._room is None:
            self._count += 1
            self._room = AtWork(self._environment, self._folder / str(self._count))
            self._room.prepare()
        return self._room

    def close(self):
        room, self._room = self._room, None
        if room is not None:
            room.end()


@pytest.fixture(scope="module")
def ward(tmp_path_factory):
    need_ros()
    with ros_node() as (_, environment):
        made = Ward(environment, tmp_path_factory.mktemp("faults"))
        try:
            yield made
        finally:
            made.close()


@pytest.fixture
def room(ward, request):
    """The room, in whatever phase the test before has left it."""
    try:
        made = ward.room()
    except Exception:
        ward.close()
        raise
    yield made
    if request.node.stash.get(FAILED, False):
        ward.close()  # whatever it was in the midst of: the next test gets a room of its own


def _phase(name):
    from pkp_supervisor.phases import Phase

    return Phase[name]


def stopped_and_left(room, end, reason, back, counted=True):
    """A stop that is in force for ``reason``; its cause ends, nothing resumes, and the operator leaves it into ``back``."""
    room.until_stopped(reason)
    room.nothing_happens(10, counted=counted)
    end(room)
    room.nothing_happens()
    assert room.recover() is _phase(back)
    room.nothing_happens(10, armed=True)


# left side: the guide on its way


@pytest.mark.parametrize("fault", WHILE_MOVING, **named)
def test_a_fault_while_the_arm_moves(room, fault):
    goal = room.struck(lambda: room.moving(fault.stage), fault.make)
    if fault.mended_before_known:
        room.until(lambda: room.latched or goal.done, "a stop")
        fault.end(room)
    room.until(lambda: goal.done, "the goal's end")
    assert goal.code, "a goal that was stopped was called reached"
    stopped_and_left(room, fault.end, fault.reason, "APPROACH")
    room.moving("free way")


def test_a_second_supervisor_is_a_fault_and_neither_is_believed(room):
    from pkp_bringup.nodes import NodeSpec

    room.start(NodeSpec("intruder", "pkp_supervisor", "supervisor", {"run_folder": str(room.folder / "intruder")}))
    room.struck(lambda: room.moving("free way"), lambda room: room.activate("intruder"))

    def leave(room):
        room.kill("intruder")
        room.beat(20)

    stopped_and_left(room, leave, "another supervisor speaks", "APPROACH")
    room.moving("free way")


def test_a_reference_bumped_after_registration_is_found_by_the_check_and_needs_another_registration(room):
    from pkp_simulation.operator import NotDoneError

    room.struck(lambda: room.moving("advance"), person(do="bump", mm=[0.0, 4.0, 3.0]))
    room.beat(20)
    assert room.registration.check() > 4.0
    room.until_stopped("check point is off by|patient moves at|patient moved by|jumped")
    room.nothing_happens()
    room.operator.acknowledge()
    assert room.operator.rearm(room.plan.plan_hash) is _phase("APPROACH")
    room.begin_approach()
    room.until(lambda: room.goal.done, "the goal's end")
    assert room.goal.code in ("not_permitted", "no_registration")
    room.nothing_happens(10)
    room.operator.advance(_phase("REGISTER"))
    with pytest.raises(NotDoneError, match="registration accepted"):
        room.operator.advance(_phase("APPROACH"), 0.5)
    room.moving("free way")


def killed_and_restarted(room, bring, back):
    from pkp_simulation.operator import NotDoneError

    room.struck(lambda: bring(room), lambda room: room.kill("supervisor"))
    here = room.phase
    room.nothing_happens()
    room.restart("supervisor")
    room.until_stopped(f"supervisor: restarted in {here.name.lower()}")
    assert room.operator.stopped_in is here
    with pytest.raises(NotDoneError, match="acknowledgement"):
        room.operator.rearm(room.plan.plan_hash)
    stopped_and_left(room, lambda room: None, "supervisor: restarted", back)
    bring(room)


def test_a_supervisor_killed_while_the_arm_moves_comes_back_latched(room):
    killed_and_restarted(room, lambda room: room.moving("advance"), "APPROACH")


# left side: the pin goes in


def test_a_supervisor_killed_mid_insertion_comes_back_latched(room):
    killed_and_restarted(room, lambda room: room.to(_phase("INSERT")), "VERIFY")


def test_a_plate_that_is_lost_during_insertion_stops_it(room):
    room.struck(lambda: room.to(_phase("INSERT")), camera("dropout robot_ref on"))
    stopped_and_left(room, camera("clear"), "verification: lost during insertion", "VERIFY")
    room.to(_phase("INSERT"))


# left side: cement


@pytest.mark.parametrize("fault", WHILE_FLOWING, **named)
def test_a_fault_while_cement_flows(room, fault):
    dose = room.struck(room.flowing, fault.make)
    if fault.mended_before_known:
        room.until_no_flow()
        fault.end(room)
    room.until_stopped(fault.reason)
    room.until(lambda: dose.done, "the dose's end")
    assert dose.code
    stopped_and_left(room, fault.end, fault.reason, "INJECT", fault.counted)
    room.flowing()


def test_a_supervisor_killed_mid_injection_comes_back_latched(room):
    killed_and_restarted(room, lambda room: room.flowing(), "INJECT")


def test_a_full_disk_of_the_supervisor_is_a_fault_and_its_chain_goes_on_whole(room):
    from planning_core.case import audit

    room.struck(room.flowing, disk_full("supervisor", 40))
    room.operator.stop("a test")
    room.until_stopped("audit: ")
    assert room.phase is _phase("FAULT")
    stopped_and_left(room, disk_full("supervisor", None), "audit: ", "INJECT")
    audit.verify(room.folder)
    room.flowing()


def test_a_full_disk_of_the_recorder_is_said_stops_nothing_and_loses_nothing(room):
    states = []
    heard = room.node.create_subscription(room.msg.RecorderState, room.names.RECORDER, states.append, 10)
    room.struck(room.flowing, disk_full("recorder", 0))
    room.until(lambda: states and states[-1].error_code == "disk_full", "the recorder's word")
    assert not states[-1].recording
    room.flowing()
    disk_full("recorder", None)(room)
    room.until(lambda: states[-1].recording, "the recorder to go on")
    room.node.destroy_subscription(heard)
    assert states[-1].lost == 0
    assert room.operator.epoch == room.epoch
    room.no_volume_lost()


def test_cement_too_old_to_inject_is_stopped_by_its_clock_and_not_armed_again(room):
    room.to(_phase("INJECT"))
    room.operator.stop("a test")
    room.recover()
    needed_s = (DOSE_ML - room.operator.injector.delivered_volume * 1e6) / 0.06  # what an arming asks for, at full flow
    room.mixed_at = room.mixed_ago(600.0 - needed_s - 6.0)
    dose = room.struck(room.flowing, lambda room: room.operator.press(room.side, False))  # or all would be given by then
    room.until_stopped("injector: working time of the cement is over")
    room.until(lambda: dose.done, "the dose's end")
    assert dose.code == "cement_old"
    stopped_and_left(room, lambda room: None, "working time", "INJECT")
    room.begin_dose()
    room.until(lambda: room.pushing.done, "the refusal")
    assert room.pushing.code == "injection_refused"
    room.mixed_at = room.fresh_cement()
    room.flowing()


@pytest.mark.parametrize("seconds", [3.0, -3.0], ids=["forward", "back"])
def test_a_step_of_the_wall_clock_starts_nothing_and_loses_nothing(room, seconds):
    if not room.clock.here:
        pytest.skip("no C compiler: the wall clock of the nodes cannot be stepped")
    room.struck(room.flowing, lambda room: room.clock.step(seconds))
    room.beat(30)
    room.no_volume_lost()
    room.operator.stop("a test")
    room.until(lambda: room.latched, "the stop")
    room.nothing_happens()
    assert room.ended() == []
    room.mixed_at = room.fresh_cement()
    room.flowing()


def test_a_counter_that_runs_by_itself_stops_and_the_truth_lies_between_it_and_what_was_commanded(room):
    room.struck(room.flowing, trouble("volume_drift_ml_s", 0.05))
    room.until(lambda: room.latched, "a stop")
    trouble("volume_drift_ml_s", 0)(room)
    room.until_stopped("injector: (counted volume|more than planned|the injector stopped)")
    room.until(lambda: room.truth()["out_ml_s"] == 0.0, "the flow to end")
    room.beat(10)
    seen, true = room.operator.injector, room.truth()["delivered_ml"]
    low, high = sorted((seen.commanded_volume * 1e6, seen.delivered_volume * 1e6))
    assert low - RECORD_ML < true < high + RECORD_ML
    room.counted_wrongly_ml = room.recorded_ml - true
    stopped_and_left(room, lambda room: None, "injector", "INJECT")
    room.flowing()


# left side: out again


def test_the_way_out_needs_no_camera_and_stands_when_the_supervisor_is_cut_off(room):
    from pkp_simulation.procedure import withdraw

    room.to(_phase("WITHDRAW"))
    camera("cut on")(room)
    room.begin_watch()
    goal = room.begin_withdrawal()
    room.until(lambda: "retreat" in goal.stages or goal.done, "the way back")
    room.suspend("supervisor")
    room.until(lambda: goal.done, "the goal's end")
    assert goal.code == "not_permitted"
    room.nothing_happens()
    room.suspend("supervisor", on=False)
    room.until(lambda: room.latched, "the stop that the arm asks for")
    room.nothing_happens()
    room.recover()
    withdraw(room.operator, room.plan, room.side)
    camera("clear")(room)


# right side


def test_messages_that_make_no_sense_move_nothing_and_end_no_node(room):
    from rclpy.clock import Clock, ClockType

    room.moving("hold")
    where, nonsense = room.tip_mm(), Nonsense(room)
    room.beat(10)
    timer = room.node.create_timer(0.02, nonsense.send, clock=Clock(clock_type=ClockType.STEADY_TIME))
    try:
        room.beat(20)
        assert np.linalg.norm(room.tip_mm() - where) < 20.0
        room.operator.stop("a test")
        room.until(lambda: room.latched, "the stop")
        room.nothing_happens(40)
    finally:
        room.node.destroy_timer(timer)
        nonsense.end()
    assert room.ended() == []
    room.to(_phase("APPROACH"))
    room.moving("free way")


def test_two_clicks_do_what_one_does(room):
    from pkp_simulation.operator import NotDoneError

    first = room.moving("free way")
    room.begin_approach()
    room.until(lambda: room.goal.done, "the second answer")
    assert room.goal.code == "busy"
    assert first.running or not first.code
    room.goal = first
    room.to(_phase("INSERT"))
    for _ in range(2):
        room.operator.confirm_insertion(room.plan, room.side)
    room.to(_phase("INJECT"))
    with pytest.raises(NotDoneError, match="does not follow"):
        room.operator.advance(_phase("INJECT"), 0.0)
    room.begin_dose()
    first = room.pushing
    room.begin_dose()
    assert room.pushing.code == "rejected"
    room.pushing = first
    room.flowing()
    room.operator.stop("a test")
    room.recover()
    with pytest.raises(NotDoneError, match="no stop is latched"):
        room.operator.rearm(room.plan.plan_hash)
    room.nothing_happens(10, armed=True)


def test_every_node_says_and_hears_what_its_permissions_allow_and_nothing_else(room):
    from pkp_bringup.permissions import ACCESS, EVERY_NODE, own_services

    ours = {name: access for name, access in ACCESS.items() if name in room.specs}
    with room.latecomer() as at_work:

        def unlike(name):
            """What it says, hears and serves otherwise than its row allows."""
            may, (said, heard, served) = ours[name], at_work(name)
            always = {*EVERY_NODE, f"/{name}/transition_event", room.names.HEARTBEAT}
            found = (said - always, set(may.hears) if "*" in may.hears else heard, served - set(own_services(name)))
            return [one ^ set(other) for one, other in zip(found, (may.says, may.hears, may.serves), strict=True)]

        room.spin(20.0, lambda: not any(any(unlike(name)) for name in ours))  # it hears of one after the other
        assert {name: found for name in ours if any(found := unlike(name))} == {}


def test_nothing_moved_or_flowed_later_than_a_tenth_of_a_second_after_a_stop_was_known(room, ward):
    from pkp_bringup.nodes import PATIENCE

    permit_s = PATIENCE["arm"]["permit_s"]
    room.beat(10)  # the recorder writes four times a second
    stops = [stop for record in ward.records for stop in after_stops(record, permit_s)]
    assert stops
    for what in ("motion_s", "flow_s"):
        late = np.array(sorted(getattr(stop, what) for stop in stops)) * 1e3
        print(f"\n{what} after {len(stops)} stops known: median {np.median(late):.0f} ms, most {late[-1]:.0f} ms", end="")
        assert late[-1] < KNOWN_S * 1e3, stops
