import copy
import queue
import shutil
import socket
import struct
import time
from io import BytesIO

import numpy as np
import pydicom
import pytest

pytest.importorskip("pynetdicom")

from pkp_planning import received
from pkp_planning.dicom_peers import Peer, ReceptionConfig
from pkp_planning.dicom_receiver import DicomReceiver
from pkp_planning.received import Store
from pydantic import ValidationError
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, MRImageStorage
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dsutils import encode
from pynetdicom.sop_class import Verification

from hardware_sim.patient.dicom import write_enhanced
from planning_core.geometry import Grid
from planning_core.imaging.ingest import load_ct
from tests.ros2.pkp_planning.dicom_sender import COMPRESSED, call, push, send, series

DEADLINE_S = 30.0


class Listening:
    """A receiver with what it told."""

    def __init__(self, root, **changes):
        self.root = root / "received"
        given = {"dicom_port": 1, "peers": ("CARM@127.0.0.1",), "free_mb": 0.0, **changes}
        # port 0 is a free one here, where it means none in the configuration
        config = ReceptionConfig(**given).model_copy(update={"dicom_port": 0})
        self.arrived, self.refused = queue.Queue(), queue.Queue()
        self.receiver = DicomReceiver(config, Store(self.root, config), self.arrived.put, self.refused.put)
        self.port = self.receiver.port

    def series(self):
        return self.arrived.get(timeout=DEADLINE_S)

    def refusal(self):
        return self.refused.get(timeout=DEADLINE_S)

    def final(self):
        """Folders of whole series."""
        return sorted(p.name for p in self.root.iterdir() if p.name not in ("apart", "under-way"))


@pytest.fixture
def listening(tmp_path):
    made = []

    def make(**changes):
        made.append(Listening(tmp_path, **changes))
        return made[-1]

    yield make
    for one in made:
        one.receiver.stop()


@pytest.fixture
def instances(tmp_path):
    return series(tmp_path / "sent")


def test_a_series_arrives_whole_and_is_read_by_the_ordinary_ingest(listening, instances, tmp_path):
    here = listening()
    assert push(here.port, instances) == [0] * len(instances)
    got = here.series()
    assert (got.instances, got.folder.parent, got.folder.name) == (len(instances), here.root, got.name)
    assert sorted(p.name for p in got.folder.iterdir()) == [f"{n + 1:05d}.dcm" for n in range(len(instances))]
    ct, sent = load_ct(got.folder), load_ct(tmp_path / "sent")
    assert (ct.hu == sent.hu).all()
    assert str(instances[0].SeriesInstanceUID) not in str(got.folder)
    assert here.refused.empty()


def test_an_image_of_many_frames_arrives_as_one_instance(listening, tmp_path):
    here, hu = listening(), np.random.default_rng(3).integers(-900, 900, (12, 20, 24)).astype(np.int16)
    write_enhanced(hu, Grid(hu.shape, (0.5, 0.5, 0.7), (3.0, -4.0, 90.0)), 1, tmp_path / "volume")
    image = pydicom.dcmread(tmp_path / "volume/volume.dcm")
    assert push(here.port, [image], classes=(EnhancedCTImageStorage,)) == [0]
    got = here.series()
    assert got.instances == 1
    ct = load_ct(got.folder)
    assert (ct.hu == hu).all()
    np.testing.assert_allclose(ct.grid.spacing_mm, (0.5, 0.5, 0.7))
    np.testing.assert_allclose(ct.grid.origin_mm, (3.0, -4.0, 90.0))


def test_the_same_scan_sent_again_gets_a_folder_of_its_own(listening, instances):
    here = listening()
    push(here.port, instances)
    push(here.port, instances)
    first, second = here.series(), here.series()
    assert (first.name, second.folder.name) == (second.name, f"{first.name}-2")
    assert load_ct(first.folder).sha256 == load_ct(second.folder).sha256


@pytest.mark.parametrize("how", [{"title": "STRANGER"}, {"ours": "SOMEBODY"}])
def test_a_wrong_title_is_rejected(listening, how):
    here = listening()
    association = call(here.port, **how)
    assert association.is_rejected
    if "title" in how:
        refusal = here.refusal()
        assert (refusal.code, refusal.title) == ("unknown_peer", "STRANGER")


def test_a_known_title_from_another_address_is_turned_away(listening):
    here = listening()
    association = call(here.port, bind="127.0.0.2")
    assert not association.is_established
    assert here.refusal().address == "127.0.0.2"


def test_a_title_holds_only_with_its_own_address(listening):
    here = listening(peers=("CARM@127.0.0.1", "OTHER@127.0.0.2"))
    assert call(here.port, title="OTHER").is_rejected
    association = call(here.port, title="OTHER", bind="127.0.0.2")
    assert association.is_established
    association.release()


def test_only_ct_and_only_uncompressed_is_taken(listening, instances):
    here = listening()
    association = call(here.port, classes=(MRImageStorage,))
    assert not association.is_established or not association.accepted_contexts
    association = call(here.port, syntaxes=(COMPRESSED,))
    assert not association.is_established or not association.accepted_contexts
    association = call(here.port, classes=(CTImageStorage, MRImageStorage, Verification))
    assert {str(c.abstract_syntax) for c in association.accepted_contexts} == {str(CTImageStorage), str(Verification)}
    assert association.send_c_echo().Status == 0
    association.release()
    assert here.arrived.empty()


def send_encoded(association, instance, encoded):
    """As ``send_c_store`` does, which would announce what the instance says, and send it whole: status."""
    association._reactor_checkpoint.clear()
    message = C_STORE()
    message.MessageID, message.Priority = 1, 2
    message.AffectedSOPClassUID, message.AffectedSOPInstanceUID = CTImageStorage, instance.SOPInstanceUID
    message.DataSet = BytesIO(encoded)
    association.dimse.send_msg(message, association.accepted_contexts[0].context_id)
    _, answer = association.dimse.get_msg(block=True)
    association._reactor_checkpoint.set()
    return answer.Status


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("tag", "value"), [("SeriesInstanceUID", ""), ("SOPClassUID", str(MRImageStorage))])
def test_an_instance_that_is_not_what_was_announced_is_refused(listening, instances, tag, value):
    here = listening()
    setattr(instances[0], tag, value)
    association = call(here.port)
    assert send_encoded(association, instances[0], encode(instances[0], False, True)) == 0xC000
    association.release()
    assert here.refusal().code == "unreadable_instance"
    assert list(here.root.rglob("*.dcm")) == []


def test_an_instance_cut_in_a_length_makes_its_series_no_whole_one(listening, instances):
    here = listening()
    association = call(here.port)
    assert set(send(association, instances[:-1])) == {0}
    encoded = encode(instances[-1], False, True)
    assert send_encoded(association, instances[-1], encoded[: encoded.index(b"\xe0\x7f\x10\x00OW") + 10]) == 0xC000
    association.release()
    assert here.refusal().code == "unreadable_instance"
    assert (here.arrived.empty(), here.final()) == (True, [])


def test_whatever_goes_wrong_with_an_instance_is_told_of(listening, instances, monkeypatch):
    here = listening()
    monkeypatch.setattr(received, "_series_of", lambda *instance: 1 // 0)
    assert push(here.port, instances[:1]) == [0xC000]
    refusal = here.refusal()
    assert (refusal.code, refusal.reason) == ("unreadable_instance", "ZeroDivisionError")
    assert (here.arrived.empty(), here.final()) == (True, [])


def test_an_abort_half_way_announces_nothing_and_keeps_what_came_apart(listening, instances):
    here = listening()
    association = call(here.port)
    send(association, instances[:5])
    association.abort()
    refusal = here.refusal()
    assert (refusal.code, refusal.instances) == ("association_aborted", 5)
    assert here.arrived.empty()
    assert here.final() == []
    assert len(list((here.root / "apart").glob("association_aborted-*/*.dcm"))) == 5


def test_a_line_that_is_cut_is_an_abort(listening, instances):
    here = listening()
    association = call(here.port)
    send(association, instances[:3])
    association.dul.socket.socket.shutdown(socket.SHUT_RDWR)
    assert here.refusal().code == "association_aborted"
    assert here.arrived.empty()


@pytest.mark.filterwarnings("ignore")
def test_uids_like_paths_lead_nowhere(listening, instances, tmp_path):
    here = listening()
    for n, instance in enumerate(instances):
        instance.SOPInstanceUID = instance.file_meta.MediaStorageSOPInstanceUID = f"../../{n}/evil"
        instance.SeriesInstanceUID, instance.PatientName = "/../../outside", "../../../name"
    before = {p for p in tmp_path.rglob("*") if not p.is_relative_to(here.root)}
    association = call(here.port)
    statuses = []
    for instance in instances:
        statuses += send(association, [instance]) if association.is_established else []
    association.release()
    got = here.series() if set(statuses) == {0} else here.refusal()
    assert {p for p in tmp_path.rglob("*") if not p.is_relative_to(here.root)} == before
    assert all(set(p.stem) <= set("0123456789abcdef-") for p in here.root.rglob("*.dcm"))
    assert not hasattr(got, "instances") or not hasattr(got, "name") or set(got.name) <= set("0123456789abcdef")


def test_two_associations_at_once_do_not_mix(listening, instances, tmp_path):
    here = listening()
    others = series(tmp_path / "others", seed=2)
    first, second = call(here.port), call(here.port)
    for one, other in zip(instances, others, strict=True):
        assert send(first, [one]) == send(second, [other]) == [0]
    first.release()
    second.release()
    got = [here.series(), here.series()]
    hashes = {load_ct(s.folder).sha256 for s in got}
    assert len(hashes) == 2
    third = [call(here.port) for _ in range(3)]
    assert [a.is_established for a in third] == [True, True, False]  # more than two at once are too many
    for one in third[:2]:
        one.release()


def test_a_second_series_in_one_association_makes_both_doubtful(listening, instances, tmp_path):
    here = listening()
    others = series(tmp_path / "others", seed=2)
    assert push(here.port, [*instances, others[0], instances[0]]) == [0] * len(instances) + [0xA900, 0xA900]
    refusal = here.refusal()
    assert (refusal.code, refusal.instances) == ("second_series", len(instances))
    assert (here.arrived.empty(), here.final()) == (True, [])
    assert len(list((here.root / "apart").glob("second_series-*/*.dcm"))) == len(instances)


def test_an_instance_sent_twice_counts_once_and_two_under_one_uid_not_at_all(listening, instances):
    here = listening()
    assert push(here.port, [instances[0], *instances]) == [0] * (len(instances) + 1)
    assert here.series().instances == len(instances)
    changed = copy.deepcopy(instances[0])
    changed.PixelData = bytes(len(changed.PixelData))
    assert push(here.port, [*instances, changed])[-1] == 0x0111
    assert here.refusal().code == "duplicate_instance"
    assert here.arrived.empty()


@pytest.mark.parametrize(
    ("limit", "code"),
    [({"most_instances": 5}, "too_much_received"), ({"most_mb": 0.01}, "too_much_received"), ({"most_kept_mb": 0.01}, "no_room")],
)
def test_limits_end_a_series(listening, instances, limit, code):
    here = listening(**limit)
    association = call(here.port)
    for instance in instances:
        answer = association.send_c_store(instance) if association.is_established else None
        if not answer or answer.Status != 0:
            break
    assert answer is None or not answer or answer.Status == 0xA700
    association.release() if association.is_established else None
    assert here.refusal().code == code
    assert here.arrived.empty()
    assert sum(p.stat().st_size for p in here.root.rglob("*") if p.is_file()) < 20_000


def test_a_disk_that_is_nearly_full_is_left_alone(listening, instances):
    here = listening(free_mb=1e12)
    assert set(push(here.port, instances)) == {0xA700}
    refusal = here.refusal()
    assert (refusal.code, refusal.what, refusal.limit_mb) == ("no_room", "disk", 1e12)
    assert list(here.root.rglob("*.dcm")) == []


def test_there_is_room_again_once_the_received_folder_was_cleared(listening, instances):
    size = sum(len(i.PixelData) for i in instances)
    here = listening(most_kept_mb=3 * size / 1e6)
    for _ in range(2):
        push(here.port, instances)
    kept = [here.series(), here.refusal()]
    assert kept[1].what == "kept"
    for place in here.root.iterdir():
        shutil.rmtree(place)  # with the folder of what is under way
    assert push(here.port, instances) == [0] * len(instances)
    assert here.series().instances == len(instances)


def test_an_association_that_nothing_can_be_kept_of_is_told_of_and_aborted(listening, instances):
    here = listening()
    (here.root / "under-way").rmdir()
    (here.root / "under-way").touch()  # as on a disk that does not let a folder be made
    for _ in range(3):  # more than may be open at one time
        association = call(here.port)
        refusal = here.refusal()
        assert (refusal.code, refusal.what) == ("no_room", "disk")
        association.join(DEADLINE_S)
        assert association.is_aborted
    assert here.arrived.empty()


def pour(line):
    """Send until the other end hangs up: how much it took."""
    sent, end = 0, time.monotonic() + DEADLINE_S
    try:
        while time.monotonic() < end:
            sent += line.send(bytes(65_536))
    except ConnectionError:
        return sent
    raise AssertionError("deadline")


def test_lengths_that_a_stranger_declares_are_not_believed(listening, instances):
    here = listening()
    with socket.create_connection(("127.0.0.1", here.port)) as line:
        line.sendall(struct.pack(">BBL", 1, 0, 2**32 - 1))
        line.settimeout(DEADLINE_S)
        assert pour(line) < 20_000_000  # what fits into the buffers of the line
    assert push(here.port, instances) == [0] * len(instances)


def test_whoever_goes_on_after_nothing_leaves_no_trace(listening):
    here = listening()
    for _ in range(3):
        call(here.port).release()
    here.receiver.stop()
    assert [p for p in here.root.rglob("*") if p.name not in ("apart", "under-way")] == []
    here.receiver._ae._servers.clear()


@pytest.mark.parametrize("text", ["", "CARM", "@127.0.0.1", "CARM@", "CARM@host", "A" * 17 + "@::1", "C\\M@127.0.0.1"])
def test_what_is_no_peer_is_refused(text):
    with pytest.raises(ValueError, match=r"AE_TITLE|address"):
        Peer.parse(text)


def test_an_open_port_needs_peers():
    assert ReceptionConfig().dicom_port == 0
    with pytest.raises(ValidationError, match="nobody"):
        ReceptionConfig(dicom_port=11112)
    assert ReceptionConfig(dicom_port=11112, peers=("A B@::1",)).known == (Peer("A B", "::1"),)
