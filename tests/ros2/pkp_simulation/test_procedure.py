"""Pieces of a procedure against an operator that is played."""

import pytest

from tests.ros2.running import need_ros

pytestmark = pytest.mark.ros


def test_a_new_dose_waits_until_the_injector_has_left_its_stop():
    """It hears of a re-arm a moment after the operator; asked before, it refuses."""
    need_ros()
    from builtin_interfaces.msg import Time
    from pkp_msgs.msg import InjectorState, PlanReference
    from pkp_simulation.procedure import inject

    class Desk:
        epoch, states, done = 1, [InjectorState.STOPPED, InjectorState.STOPPED, InjectorState.IDLE], []

        @property
        def injector(self):
            return InjectorState(state=self.states.pop(0) if len(self.states) > 1 else self.states[0])

        def go_to(self, phase):
            self.done.append(phase.name)

        def press(self, side, pressed):
            self.done.append("pressed" if pressed else "open")

        def wait(self, what, condition, timeout_s):
            while not condition():
                self.done.append("waited")

        def do(self, kind, name, goal, timeout_s, heard):
            self.done.append("asked")

    desk = Desk()
    inject(desk, PlanReference(), "left", 1.0, Time())
    assert desk.done == ["INJECT", "open", "waited", "waited", "asked", "open"]


def test_a_pin_that_is_in_is_not_approached_again_after_a_stop():
    """A re-arm leads to insertion only with the pin confirmed: what is left of this piece is to go on from there."""
    need_ros()
    from pkp_msgs.msg import PlanReference, VerificationState
    from pkp_simulation.procedure import position
    from pkp_supervisor.phases import Phase

    class Desk:
        verification = VerificationState(side="left", state=VerificationState.VERIFIED)

        def stands_in(self, phase):
            return phase is Phase.INSERT

    class Nobody:
        """Nothing is asked of anybody."""

    desk = Desk()
    assert position(desk, Nobody(), PlanReference(), "left", None) is desk.verification


def test_a_side_that_cannot_go_on_is_left_before_the_procedure_is_given_up(monkeypatch):
    need_ros()
    from pkp_msgs.msg import PlanReference
    from pkp_simulation import procedure
    from pkp_simulation.recovery import OnlyOutError

    done = []

    def nothing_but_out(*_):
        raise OnlyOutError("only the way out is left")

    class Desk:
        def advance(self, phase, timeout_s=0.0):
            done.append(phase.name)

        def stopped_within(self, seconds):
            return False

    class Hands:
        def release_arm(self):
            pass

    monkeypatch.setattr(procedure, "plan", lambda operator, subject, done: setattr(done, "plan", PlanReference(sides=["left"])))
    monkeypatch.setattr(procedure, "register", lambda *_: None)
    monkeypatch.setattr(procedure, "position", nothing_but_out)
    monkeypatch.setattr(procedure, "withdraw", lambda operator, plan, side: done.append(f"withdraw {side}"))
    with pytest.raises(OnlyOutError):
        procedure.carry_out(Desk(), Hands(), None, procedure.Done(), lambda plan: {"left": 1.0})
    assert done == ["INGEST", "withdraw left"]


def test_a_scan_that_a_stop_called_off_is_read_before_another_registration_begins():
    """Read only then, it would be refused as older than the registration."""
    need_ros()
    from types import SimpleNamespace

    from pkp_msgs.action import Register
    from pkp_simulation.operator import StoppedError
    from pkp_simulation.procedure import Done, register

    said = []

    class Desk:
        def now_s(self):
            return 7.0

        def until_read(self, since_s, timeout_s):
            said.append(f"read what was scanned since {since_s:g} s")

        def do(self, kind, name, goal, timeout_s, heard):
            heard(Register.Feedback(stage="waiting for the scan"))
            if said.count("scan") == 1:
                raise StoppedError("stopped")
            return SimpleNamespace(registration="registered")

        def __getattr__(self, name):
            return lambda *given: said.append(name)

    class Hands:
        def __getattr__(self, name):
            return lambda *given: said.append(name)

    done = Done()
    with pytest.raises(StoppedError):
        register(Desk(), Hands(), done)
    before = len(said)
    register(Desk(), Hands(), done)
    assert done.registration == "registered"
    assert said[before:].index("scan_over") < said[before:].index("read what was scanned since 7 s") < said[before:].index("scan")
    assert said[:before].count("scan") == 1
