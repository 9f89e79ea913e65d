import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pynetdicom import AE, evt

from hardware_sim.carm.scan import OutOfViewError
from hardware_sim.carm.station import Situation, turn
from hardware_sim.patient.dicom import write_series
from hardware_sim.room import RoomSpec, layout, scan_situation
from planning_core.geometry import Grid, RigidTransform
from planning_core.imaging.ingest import load_ct
from planning_core.imaging.volume import CtVolume
from tests.planning_core.registration.rooms import PLATE

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
DEADLINE_S = 60.0


def trunk():
    """Soft tissue with a bar of dense bone along it; the back 79 mm behind the bone."""
    grid = Grid((50, 66, 60), [3, 3, 3], [-88.5, -115.5, -73.5])
    _, y, _ = np.moveaxis(grid.all_points(), -1, 0)
    x = grid.all_points()[..., 0]
    hu = np.where(y < 76, 40, -1000).astype(np.int16)
    hu[(np.abs(x) < 18) & (np.abs(y) < 18)] = 300
    return CtVolume(hu, grid, "0" * 64)


def spec(seed=1, **more):
    patient = trunk()
    return RoomSpec.of(patient.hu, patient.grid, (0.0, 0.0, 0.0), seed=seed, epoch_s=0.0, **more)


def seen(folder, room, time_s=12.0):
    """A coarse scan of a room that stands still."""
    room.write(folder)
    ct, plate, bead, _ = scan_situation(folder, time_s)
    stands = layout(room)
    there = Situation.of(ct, plate, bead, stands.world_from_carm)
    return there, turn(trunk(), PLATE, there, stands.carm_field_mm, time_s, room.seed, (1.5, 1.5, 1.5))


@pytest.mark.parametrize("seed", [1, 2])
def test_vertebra_plate_and_bead_are_in_view_whole(seed, tmp_path):
    there, made = seen(tmp_path, spec(seed))
    assert made.truth.in_view.all()
    grid, ct = made.scan.grid, made.scan.as_ct()
    assert (ct.at(made.truth.beads_lps_mm) > 1500).all()
    assert ct.at(made.check_bead_lps_mm) > 1500
    vertebra = made.truth.ct_from_patient.apply([[0, 0, 0], [0, -12, 0], [12, 0, 25], [-12, 0, -25]])
    assert ((grid.indices(vertebra) >= 0) & (grid.indices(vertebra) < grid.shape)).all()
    np.testing.assert_allclose(ct.at(vertebra), 300, atol=260)
    ct_from_world = made.truth.ct_from_patient @ there.world_from_patient.inverse()
    np.testing.assert_allclose(made.truth.ct_from_plate.matrix, (ct_from_world @ there.world_from_plate).matrix, atol=1e-9)
    np.testing.assert_allclose(made.check_bead_lps_mm, ct_from_world.apply(there.check_bead_mm), atol=1e-9)
    # a prone patient on this table lies in the images as he lies in his own CT
    np.testing.assert_allclose(made.truth.ct_from_patient.rotation, np.eye(3), atol=0.12)


def test_scans_at_two_times_are_two_series_of_one_patient(tmp_path):
    first, second, again = (seen(tmp_path, spec(), t)[1] for t in (12.0, 99.0, 12.0))
    np.testing.assert_array_equal(first.scan.hu, again.scan.hu)
    assert not np.array_equal(first.scan.hu, second.scan.hu)
    for name, made in (("first", first), ("second", second)):
        made.write_dicom(tmp_path / name)
    one, other = (load_ct(tmp_path / name) for name in ("first", "second"))
    assert one.dicom.series_uid != other.dicom.series_uid
    assert one.hu.shape == other.hu.shape


def test_a_patient_who_left_is_not_scanned(tmp_path):
    there, _ = seen(tmp_path, spec())
    away = RigidTransform.from_parts("world", "ct", there.world_from_patient.rotation, [2000.0, 0, 0])
    gone = Situation.of(away, there.world_from_plate, there.check_bead_mm, there.world_from_carm)
    with pytest.raises(OutOfViewError):
        turn(trunk(), PLATE, gone, (160.0, 130.0), 0.0, 1, (1.5, 1.5, 1.5))


@pytest.fixture
def archive():
    """A foreign receiver: (port, instances, how associations ended)."""
    got, ended = [], []
    ae = AE("OPENPKP")
    ae.add_supported_context(CTImageStorage, ExplicitVRLittleEndian)
    handlers = [
        (evt.EVT_C_STORE, lambda e: got.append(e.dataset) or 0),
        (evt.EVT_RELEASED, lambda e: ended.append("released")),
        (evt.EVT_ABORTED, lambda e: ended.append("aborted")),
    ]
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    yield server.server_address[1], got, ended
    server.shutdown()


def test_the_process_scans_on_demand_and_sends_what_it_saw(archive, tmp_path):
    port, got, _ = archive
    patient = trunk()
    write_series(np.asarray(patient.hu), patient.grid, 1, tmp_path / "ct")
    with tempfile.TemporaryDirectory(prefix="pkp-") as short:  # a socket's path has at most 107 letters
        folder = Path(short)
        spec(ct=tmp_path / "ct").write(folder)
        words = [
            "--room",
            str(folder),
            "--control",
            str(folder / "carm"),
            "--peer",
            f"127.0.0.1:{port}",
            "--ae",
            "CARM",
            "--spacing",
            "1.5",
        ]
        process = subprocess.Popen(
            [sys.executable, "-m", "hardware_sim.carm", *words],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        )
        try:
            assert process.stdout.readline() == "ready\n"
            with socket.socket(socket.AF_UNIX) as line:
                line.settimeout(DEADLINE_S)
                line.connect(str(folder / "carm"))
                talk = line.makefile("rw")

                def ask(message):
                    talk.write(json.dumps(message) + "\n")
                    talk.flush()
                    return json.loads(talk.readline())

                assert ask({"scan": "please"})["error"] == "InputError"
                assert ask({"scan": True, "abort_after": 0})["error"] == "InputError"
                answer = ask({"scan": True})
                truth = json.loads((folder / "carm_truth.json").read_text())
                assert answer == {"ok": True, "instances": truth["instances"]}
                assert len(got) == truth["instances"]
                assert all(truth["in_view"])
                assert len({d.SeriesInstanceUID for d in got}) == 1
                assert ask({"scan": True, "abort_after": 3}) == {"ok": True, "instances": 3}
                assert len({d.SeriesInstanceUID for d in got}) == 2
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(DEADLINE_S) == 0
            process.stdout.close()
        assert not (folder / "carm").exists()
