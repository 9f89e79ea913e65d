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
