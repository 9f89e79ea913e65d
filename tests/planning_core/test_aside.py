import os
import select
import signal
import subprocess
import sys

import numpy as np
import pytest

from planning_core.aside import Aside, AsideEndedError, Here
from planning_core.errors import InputError

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
KIND = "tests.planning_core.test_aside:Echo"


class NothingHereError(InputError):
    """Raised aside. Carries ``place``."""

    code = "nothing_here"


class Echo:
    """What the second process holds in these tests."""

    def __init__(self):
        self.told = []

    def tell(self, word):
        print("printed, and no answer")
        self.told.append(word)
        return self.told

    def refuse(self):
        raise NothingHereError("nothing here", place="x")

    def die(self):
        os.kill(os.getpid(), signal.SIGKILL)

    def process(self):
        return os.getpid()


@pytest.fixture(params=[True, False], ids=["a fork", "a fresh interpreter"])
def aside(request, monkeypatch):
    """Begun both ways, whichever this process would choose."""
    monkeypatch.setattr("planning_core.aside._alone", lambda: request.param)
    with Aside(KIND) as process:
        yield process


def test_questions_are_answered_in_order_by_one_object(aside):
    answers = [aside.ask("tell", word) for word in ("one", "two", "three")]
    assert [answer.result(60) for answer in answers] == [["one"], ["one", "two"], ["one", "two", "three"]]
    assert aside.ask("process").result(60) != os.getpid()


def test_arrays_larger_than_a_pipe_arrive_whole(aside):
    many = np.arange(3_000_000, dtype=np.int32)
    assert np.array_equal(aside.ask("tell", many).result(60)[0], many)


def test_what_is_raised_aside_is_raised_here_with_its_numbers(aside):
    with pytest.raises(NothingHereError, match="nothing here") as refusal:
        aside.ask("refuse").result(60)
    assert refusal.value.as_dict()["place"] == "x"
    assert aside.ask("tell", "goes on").result(60) == ["goes on"]


def test_a_process_that_ended_is_named(aside):
    with pytest.raises(AsideEndedError) as refusal:
        aside.ask("die").result(60)
    assert refusal.value.status == -signal.SIGKILL


def test_closing_ends_the_process_whatever_it_does():
    aside = Aside(KIND)
    process = aside.ask("process").result(60)
    aside.ask("tell", np.zeros(10_000_000))
    aside.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_the_process_ends_when_the_one_that_asks_is_gone():
    asks = f"from planning_core.aside import Aside; a = Aside({KIND!r}); print(a.ask('process').result(), flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", asks], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as one:
        assert one.stdout is not None
        process = int(one.stdout.readline())
        one.kill()
    assert _ends(process)


def _ends(process):
    """Whether a process that is no child of ours ends within a minute."""
    try:
        descriptor = os.pidfd_open(process)
    except ProcessLookupError:
        return True
    ended, _, _ = select.select([descriptor], [], [], 60)
    os.close(descriptor)
    return bool(ended)


def test_only_a_process_with_one_thread_is_forked():
    asks = f"""
from planning_core.aside import Aside
import threading
with Aside({KIND!r}) as first:
    threading.Thread(target=(done := threading.Event()).wait).start()
    with Aside({KIND!r}) as second:
        print(*(type(a._process).__name__ for a in (first, second)), *(a.ask("tell", 1).result() for a in (first, second)))
    done.set()
"""
    said = subprocess.run([sys.executable, "-c", asks], capture_output=True, text=True, check=True).stdout
    assert said.split(maxsplit=2) == ["_Forked", "Popen", "[1] [1]\n"]


def test_an_object_here_is_asked_the_same_way():
    here = Here(Echo())
    assert here.ask("tell", "word").result() == ["word"]
    with pytest.raises(NothingHereError):
        here.ask("refuse").result()
