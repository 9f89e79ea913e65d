import queue
import threading

import numpy as np
import pytest

pytest.importorskip("pynetdicom")

from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pynetdicom import AE, evt

from hardware_sim.carm.push import PushFailedError, push
from hardware_sim.patient.dicom import write_series
from planning_core.geometry import Grid


@pytest.fixture
def archive():
    """A foreign receiver: (port, what it was sent, how the association ended, statuses to answer)."""
    sent, ended, answers = [], [], []

    def store(event):
        sent.append(event.dataset)
        sent[-1].file_meta = event.file_meta
        return answers.pop(0) if answers else 0

    ae = AE("ARCHIVE")
    ae.add_supported_context(CTImageStorage, ExplicitVRLittleEndian)
    ae.require_calling_aet = ["CARM"]
    handlers = [
        (evt.EVT_C_STORE, store),
        (evt.EVT_RELEASED, lambda e: ended.append("released")),
        (evt.EVT_ABORTED, lambda e: ended.append("aborted")),
    ]
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    yield server.server_address[1], sent, ended, answers
    server.shutdown()


@pytest.fixture
def series(tmp_path):
    hu = np.arange(12 * 8 * 8, dtype=np.int16).reshape(12, 8, 8)
    write_series(hu, Grid(hu.shape, (1, 1, 1), (0, 0, 0)), 1, tmp_path / "scan")
    return tmp_path / "scan"


def test_every_instance_arrives_in_order(archive, series):
    port, sent, _ended, _ = archive
    assert push(series, "127.0.0.1", port, "CARM", "ARCHIVE") == 12
    assert [int(d.InstanceNumber) for d in sent] == list(range(1, 13))
    assert (sent[3].pixel_array == np.arange(192, 256).reshape(8, 8)).all()


def test_no_answer_is_lost_when_the_association_s_thread_wakes_late(archive, series, monkeypatch):
    """Its thread is descheduled just after it passed the place where it can be paused, until the answer is there."""

    answered, looked_for = threading.Event(), threading.Event()

    class Answers(queue.Queue):
        """Whoever waits for an answer gets it after the association's thread has looked for one."""

        def put(self, item, block=True, timeout=None):
            super().put(item, block, timeout)
            answered.set()

        def get(self, block=True, timeout=None):
            if block:
                answered.wait(timeout)
                looked_for.wait(0.05)
            try:
                return super().get(block, timeout)
            finally:
                looked_for.set()
                if block:
                    answered.clear()
                    looked_for.clear()

    class Late(threading.Event):
        def wait(self, timeout=None):
            passed = super().wait(timeout)
            answered.wait(0.3)
            looked_for.clear()
            return passed

    def associate(ae, *given, **named):
        association = plain(ae, *given, **named)
        association.dimse.msg_queue = Answers()
        late = Late()
        late.set()
        association._reactor_checkpoint = late
        return association

    plain = AE.associate
    monkeypatch.setattr(AE, "associate", associate)
    monkeypatch.setattr("hardware_sim.carm.push.SILENCE_S", 3.0)
    port, sent, _ended, _ = archive
    assert push(series, "127.0.0.1", port, "CARM", "ARCHIVE") == 12
    assert len(sent) == 12


def test_an_abort_half_way(archive, series):
    port, sent, ended, _ = archive
    assert push(series, "127.0.0.1", port, "CARM", "ARCHIVE", abort_after=5) == 5
    assert len(sent) == 5
    assert "released" not in ended


def test_what_is_not_taken_is_told(archive, series):
    port, _, _, answers = archive
    answers += [0, 0xA700]
    with pytest.raises(PushFailedError) as caught:
        push(series, "127.0.0.1", port, "CARM", "ARCHIVE")
    assert (caught.value.instances, caught.value.status) == (1, 0xA700)
    with pytest.raises(PushFailedError, match="rejected"):
        push(series, "127.0.0.1", port, "STRANGER", "ARCHIVE")
