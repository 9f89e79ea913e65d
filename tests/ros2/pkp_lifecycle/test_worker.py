import os
import threading

import pytest
from pkp_lifecycle.worker import CancelledError, RefusedError, TookTooLongError, WorkerDiedError, run_in_process

from planning_core.errors import InputError


def twice(number, tell):
    tell("one")
    tell("two")
    return 2 * number


def refuse(tell):
    raise InputError("no", where="here")


def forever(tell):
    tell("waiting")
    threading.Event().wait()


def die(tell):
    os._exit(7)


def run(work, *arguments, cancelled=lambda: False, timeout_s=20.0, stages=None):
    heard = [] if stages is None else stages
    return run_in_process(work, arguments, lambda stage, elapsed: heard.append(stage), cancelled, timeout_s, poll_s=0.02)


def test_stages_and_value_come_through():
    stages = []
    assert run(twice, 21, stages=stages) == 42
    assert [s for s in stages if s != "starting"] == ["one", "two"]


def test_a_refusal_keeps_its_code_and_numbers():
    with pytest.raises(RefusedError) as caught:
        run(refuse)
    assert (caught.value.refused_code, caught.value.message, caught.value.where) == ("input", "no", "here")


def test_a_cancel_ends_work_that_never_ends():
    stages = []
    with pytest.raises(CancelledError):
        run(forever, cancelled=lambda: "waiting" in stages, stages=stages)


def test_work_that_takes_too_long_is_ended():
    with pytest.raises(TookTooLongError):
        run(forever, timeout_s=0.5)


def test_a_worker_that_dies_is_told():
    with pytest.raises(WorkerDiedError) as caught:
        run(die)
    assert caught.value.status == 7
