import attrs
import pytest
from pkp_supervisor import events, journal
from pkp_supervisor.phases import Phase
from pkp_supervisor.refusals import RearmRefusedError
from pkp_supervisor.state import State
from pkp_supervisor.workflow import step

from planning_core.case import audit
from planning_core.case.audit import BrokenAuditError
from tests.ros2.pkp_supervisor.test_workflow import HASH, OPERATOR, TO_APPROACH, go, one_side


def inserting():
    return go(State(), *TO_APPROACH, *one_side("left")[:4])


def test_a_new_run_has_nothing_to_restore(tmp_path):
    assert journal.restore(tmp_path, 0.0) is None
    journal.write(tmp_path, State())
    assert journal.restore(tmp_path, 0.0) is None


def test_a_restart_mid_insertion_is_latched_and_says_where_it_was(tmp_path):
    journal.write(tmp_path, inserting())
    back = journal.restore(tmp_path, 100.0)
    assert (back.phase, back.stopped_in, back.epoch) == (Phase.STOPPED, Phase.INSERT, 1)
    assert back.reason == "supervisor: restarted in insert"
    assert not (back.motion_permitted)
    assert not (back.flow_permitted)
    assert (back.plan_hash, back.approved_by, back.side) == (HASH, OPERATOR, "left")


def test_a_restart_needs_the_whole_rearm(tmp_path):
    journal.write(tmp_path, inserting())
    back = step(journal.restore(tmp_path, 100.0), events.Acknowledge(OPERATOR, 1), 101.0)
    with pytest.raises(RearmRefusedError, match="registration check"):
        step(back, events.Rearm(OPERATOR, 1, HASH), 101.0)
    checked = step(back, events.RegistrationSeen(HASH, True, 101.0), 101.5)
    back = step(checked, events.Rearm(OPERATOR, 1, HASH), 102.0)
    assert (back.phase, back.inserted) == (Phase.INSERT, True)  # the pin is in: nothing may move that is not the way out


def test_a_fault_stays_a_fault(tmp_path):
    journal.write(tmp_path, step(inserting(), events.Fault("arm", "protective stop"), 10.0))
    assert journal.restore(tmp_path, 0.0).phase is Phase.FAULT


def test_an_edited_chain_is_refused(tmp_path):
    journal.write(tmp_path, inserting())
    log = tmp_path / audit.NAME
    log.write_text(log.read_text().replace('"INSERT"', '"INJECT"'))
    with pytest.raises(BrokenAuditError):
        journal.restore(tmp_path, 0.0)


def test_all_that_is_kept_comes_back(tmp_path):
    state = attrs.evolve(inserting(), sides_done=("right",), ct_sha256="c" * 64)
    journal.write(tmp_path, state)
    back = journal.restore(tmp_path, 0.0)
    assert {n: getattr(back, n) for n in ("plan", "sides_done", "ct_sha256", "inserted")} == {
        n: getattr(state, n) for n in ("plan", "sides_done", "ct_sha256", "inserted")
    }
