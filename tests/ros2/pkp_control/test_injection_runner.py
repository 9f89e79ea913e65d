"""The injection's thread: whatever fails in it is a stop that is told, and never the silent end of the thread."""

import queue
import time

import pytest
from pkp_control.injection_gate import InjectionGate, Order
from pkp_control.injection_runner import InjectionRunner
from pkp_control.injection_types import InjectionFailedError, InjectionOrder, Phase, Stop
from pkp_supervisor.guard import Permit

from benchmarks.injection import Room
from hardware_sim.injector.device import DeviceState

ORDER = Order("plan", "left", 3)
LONG_S = 60.0


def broken(*_):
    raise KeyError("registers")


@pytest.fixture
def room(tmp_path):
    """In mid-flow."""
    made = Room(tmp_path)
    made.begin(2.0)
    assert made.until(12.0, Phase.STOPPED) is Phase.INJECTING
    return made


@pytest.fixture
def runner(room):
    """Not yet begun; ``asked`` gets what the supervisor is asked to stop for."""
    gate = InjectionGate(0.06, 0.25, permit_s=LONG_S)
    gate.hear(Permit("s", 1, 3, False, True, "INJECT", "plan", "left", time.monotonic()), True)
    asked = queue.SimpleQueue()
    made = InjectionRunner(room.cycle, gate, asked.put, time.monotonic)
    made.asked = asked
    yield made
    made.end()


def assert_stopped_and_told(room, runner):
    assert "KeyError('registers')" in runner.asked.get(timeout=10)
    assert room.cycle.state.phase is Phase.STOPPED
    assert room.device.state is DeviceState.DISABLED
    assert "KeyError" in runner.view.why


def test_a_cycle_that_fails_stops_the_plunger_and_is_told_and_the_node_says_that_it_cannot_work(room, runner, monkeypatch):
    monkeypatch.setattr(room.cycle, "cycle", broken)
    runner.start()
    assert_stopped_and_told(room, runner)
    assert room.cycle.state.stop is Stop.FAILED
    assert "KeyError" in runner.view.unhealthy(time.monotonic(), LONG_S)
    assert "KeyError" in runner.asked.get(timeout=10)  # as long as nobody has heard it


def test_a_device_that_cannot_even_be_told_does_not_end_the_thread(room, runner, monkeypatch):
    monkeypatch.setattr(room.cycle, "cycle", broken)
    monkeypatch.setattr(room.cycle, "_leave", broken)
    runner.start()
    assert "KeyError" in runner.asked.get(timeout=10)
    assert room.cycle.state.phase is Phase.STOPPED
    assert "KeyError" in runner.asked.get(timeout=10)


def test_an_arming_that_fails_ends_its_goal_by_name(room, runner, monkeypatch):
    monkeypatch.setattr(room.cycle, "arm", broken)
    armed = runner.arm(ORDER, InjectionOrder("left", 2.0, "plan"), room.cement, room.config)
    runner.start()
    assert isinstance(armed.exception(timeout=10), InjectionFailedError)
    assert_stopped_and_told(room, runner)


def test_a_runner_that_works_is_healthy_until_the_device_is_silent(room, runner):
    view = runner.view
    heard_s = room.cycle.reading.acquired_s
    assert view.unhealthy(heard_s + 0.1, 0.5) == ""
    assert view.unhealthy(heard_s + 9.0, 0.5) == ""  # nothing is known to be wrong
    room.lockstep.cut = True
    assert room.until(2, Phase.STOPPED) is Phase.STOPPED
    runner.view = runner._look("")
    assert view.unhealthy(heard_s + 0.1, 0.5) == ""
    assert "injector not heard" in runner.view.unhealthy(heard_s + 9.0, 0.5)
