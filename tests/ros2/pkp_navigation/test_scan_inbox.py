import pytest
from pkp_navigation.scan_inbox import Received, ScanInbox, StaleScanError

OLD, NEW = "a" * 64, "b" * 64


@pytest.fixture
def inbox():
    made = ScanInbox()
    made.put(Received("/received/1", OLD, 100.0))
    made.begin()
    return made


def test_what_came_before_is_forgotten_and_the_next_new_scan_is_given(inbox):
    assert inbox.wait(0.0) is None
    scan = Received("/received/2", NEW, 200.0)
    inbox.put(scan)
    assert inbox.wait(0.0) == scan


def test_a_scan_heard_before_and_sent_again_is_refused_however_late_it_was_accepted(inbox):
    inbox.put(Received("/received/1-2", OLD, 160.0))
    with pytest.raises(StaleScanError, match="60 s before it was sent again") as caught:
        inbox.wait(0.0)
    assert (caught.value.code, caught.value.age_s) == ("stale_scan", 60.0)


def test_a_new_scan_is_given_though_an_old_one_was_sent_again_before_it(inbox):
    inbox.put(Received("/received/1-2", OLD, 160.0))
    scan = Received("/received/2", NEW, 161.0)
    inbox.put(scan)
    assert inbox.wait(0.0) == scan


def test_a_scan_sent_twice_while_it_is_waited_for_is_still_new_but_not_the_next_time(inbox):
    for place, accepted_s in (("/received/2", 200.0), ("/received/2-2", 201.0)):
        inbox.put(Received(place, NEW, accepted_s))
    assert inbox.wait(0.0).sha256 == NEW
    inbox.begin()
    inbox.put(Received("/received/2-3", NEW, 300.0))
    with pytest.raises(StaleScanError) as caught:
        inbox.wait(0.0)
    assert caught.value.age_s == 100.0  # since it was heard first
