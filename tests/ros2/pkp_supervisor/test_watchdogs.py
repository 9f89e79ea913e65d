import math

import pytest
from pkp_supervisor.watchdogs import Watchdogs


def test_silence_is_seen_at_its_limit():
    watch = Watchdogs({"tracker": 0.125, "arm": 0.25})
    assert watch.seen(0.0).silent == ("tracker", "arm")
    watch.hear("tracker", 1.0)
    watch.hear("arm", 1.0)
    assert watch.seen(1.125).silent == ()
    assert watch.seen(1.2).silent == ("tracker",)


def test_a_source_that_says_it_cannot_work_is_silent_at_once():
    watch = Watchdogs({"tracker": 0.1})
    watch.hear("tracker", 1.0)
    watch.hear("tracker", 1.01, healthy=False)
    assert watch.seen(1.02).silent == ("tracker",)


def test_an_old_word_makes_nobody_fresher():
    watch = Watchdogs({"tracker": 0.1})
    watch.hear("tracker", 1.0)
    watch.hear("tracker", 0.4)
    assert watch.seen(1.05).silent == ()
    watch.hear("tracker", 1.0)  # said again
    assert watch.seen(1.2).silent == ("tracker",)


def test_a_source_that_is_faulty_is_silent_however_often_it_is_heard():
    watch = Watchdogs({"injector": 0.1})
    watch.doubt("injector", True)
    watch.hear("injector", 1.0)
    assert watch.seen(1.0).silent == ("injector",)
    watch.doubt("injector", False)
    assert watch.seen(1.0).silent == ()


@pytest.mark.parametrize("limit", [0.0, -1.0, math.nan, math.inf])
def test_a_limit_that_is_none_is_refused(limit):
    with pytest.raises(ValueError, match="tracker"):
        Watchdogs({"tracker": limit})
