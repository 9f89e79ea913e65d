"""An operator who goes on after stops, and does not go on by herself where no stop explains a refusal."""

import pytest

from planning_core.errors import PkpError
from tests.ros2.running import need_ros

pytestmark = pytest.mark.ros


class RefusedError(PkpError):
    code = "not_done"


class Desk:
    """An operator's decisions, written down; ``stopped`` is latched until a re-arm that is accepted."""

    def __init__(self, stopped_in="APPROACH", refuse_rearms=0):
        from pkp_supervisor.phases import Phase

        self.done, self.latched, self.refuse_rearms = [], False, refuse_rearms
        self.stopped_in = self.leads_to = Phase[stopped_in]

    def stopped_within(self, seconds):
        return self.latched

    def acknowledge(self):
        self.done.append("acknowledge")

    def until_heard(self, seconds):
        self.done.append("everybody")

    def rearm(self, plan_hash):
        self.done.append(f"rearm {plan_hash}")
        if self.refuse_rearms:
            self.refuse_rearms -= 1
            raise RefusedError("stopped again", refused_code="old_epoch")
        self.latched = False
        return self.leads_to

    def pause(self, seconds):
        self.done.append("pause")


def recovery(desk):
    need_ros()
    from pkp_simulation.recovery import Recovery

    return Recovery(desk, lambda: desk.done.append("release"), lambda: desk.done.append("check"), lambda: "abc")


def stops(desk, times, then="done"):
    """A piece of work that is stopped so many times."""
    left = [times]

    def piece():
        if left[0]:
            left[0] -= 1
            desk.latched = True
            raise RefusedError("stopped")
        return then

    return piece


def test_after_a_stop_it_acknowledges_checks_rearms_and_begins_anew():
    desk = Desk()
    here = recovery(desk)
    assert here.through(stops(desk, 2)) == "done"
    assert desk.done == ["acknowledge", "release", "check", "everybody", "rearm abc"] * 2
    assert [e.message for e in here.stops] == ["stopped"] * 2


def test_the_way_out_needs_no_check():
    desk = Desk("WITHDRAW")
    recovery(desk).through(stops(desk, 1))
    assert "check" not in desk.done


def test_where_only_the_way_out_is_left_the_piece_is_not_begun_anew():
    need_ros()
    from pkp_simulation.recovery import OnlyOutError
    from pkp_supervisor.phases import Phase

    desk = Desk("INJECT")
    desk.leads_to = Phase.WITHDRAW
    with pytest.raises(OnlyOutError, match="only the way out is left"):
        recovery(desk).through(stops(desk, 1))


def test_a_stop_that_comes_while_one_is_left_is_left_too():
    desk = Desk(refuse_rearms=2)
    recovery(desk).through(stops(desk, 1))
    assert desk.done.count("rearm abc") == 3


def test_a_stop_that_cannot_be_left_ends_the_procedure():
    desk = Desk(refuse_rearms=99)
    with pytest.raises(RefusedError, match="stopped again"):
        recovery(desk).through(stops(desk, 1))


def test_it_gives_up_after_so_many_stops():
    desk = Desk()
    here = recovery(desk)
    with pytest.raises(RefusedError):
        here.through(stops(desk, 99))
    assert len(here.stops) == 12


@pytest.mark.parametrize(("code", "tries"), [("dose_refused", 1), ("not_permitted", 2)])
def test_without_a_stop_only_what_was_late_is_asked_for_again(code, tries):
    desk, asked = Desk(), []

    def piece():
        asked.append(None)
        if len(asked) == 1:
            raise RefusedError("no", refused_code=code)

    here = recovery(desk)
    if tries == 1:
        with pytest.raises(RefusedError):
            here.through(piece)
    else:
        here.through(piece)
    assert (len(asked), desk.done) == (tries, [])
