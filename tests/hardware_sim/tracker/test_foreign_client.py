"""ndicapi, an open client by other hands, reads the simulated tracker end to end over its serial line."""

import numpy as np
import pytest

from hardware_sim.tracker.scene import PATIENT_REF, PROBE_TIP, still
from tests.hardware_sim.tracker.rom import rom
from tests.hardware_sim.tracker.running import running_tracker

ndicapy = pytest.importorskip("ndicapy", reason="the foreign client ndicapi is not installed", exc_type=ImportError)

TRANSFORMS = 0x0001
STRAYS = 0x1000


@pytest.fixture(scope="module")
def tracker():
    with running_tracker("--seed", "5") as running:
        yield running


@pytest.fixture(scope="module")
def client(tracker, tmp_path_factory):
    assert ndicapy.ndiProbe(str(tracker.link)) == ndicapy.NDI_OKAY
    device = ndicapy.ndiOpen(str(tracker.link))
    assert ndicapy.ndiCommand(device, "INIT:") == "OKAY"
    assert ndicapy.ndiCommand(device, "COMM:50000") == "OKAY"
    yield device
    ndicapy.ndiCommand(device, "TSTOP:")
    ndicapy.ndiClose(device)


@pytest.fixture(scope="module")
def handles(client, tmp_path_factory):
    """Both tools loaded from .rom files, initialised, enabled; tracking started."""
    folder = tmp_path_factory.mktemp("rom")
    found = {}
    for tool in (PATIENT_REF, PROBE_TIP):
        path = folder / f"{tool.name}.rom"
        path.write_bytes(rom(tool.markers_mm, part=tool.name))
        handle = int(ndicapy.ndiCommand(client, "PHRQ:*********1****"), 16)
        ndicapy.ndiPVWRFromFile(client, handle, str(path))
        assert ndicapy.ndiGetError(client) == ndicapy.NDI_OKAY
        assert ndicapy.ndiCommand(client, f"PINIT:{handle:02X}") == "OKAY"
        assert ndicapy.ndiCommand(client, f"PENA:{handle:02X}D") == "OKAY"
        found[tool.name] = bytes([handle])  # as the client's getters take it
    assert ndicapy.ndiCommand(client, "PHSR:04")[:2] == "02"
    assert ndicapy.ndiCommand(client, "TSTART:80") == "OKAY"
    return found


def test_it_reads_who_we_are(client):
    assert "Spectra" in ndicapy.ndiCommand(client, "VER:4")
    assert ndicapy.ndiCommand(client, "BEEP:1") == "1"


def test_it_is_told_by_number_what_is_refused(client):
    with pytest.raises(OSError, match="0x01"):
        ndicapy.ndiCommand(client, "NOSUCH:")


@pytest.mark.parametrize("kind", ["BX", "TX"])
def test_it_reads_the_true_poses(client, handles, kind):
    getattr(ndicapy, f"ndi{kind}")(client, TRANSFORMS)
    truth = still()(0.0).poses
    for name, handle in handles.items():
        pose = getattr(ndicapy, f"ndiGet{kind}Transform")(client, handle)
        assert not isinstance(pose, str), f"{name} is {pose}"
        assert np.linalg.norm(np.array(pose[4:7]) - truth[name].translation_mm) < 1.5
        assert abs(pose[0]) > 0.999
        assert 0.0 <= pose[7] < 0.5


def test_its_frames_count_on(client, handles):
    numbers = []
    while len(set(numbers)) < 3:
        ndicapy.ndiBX(client, TRANSFORMS)
        numbers.append(ndicapy.ndiGetBXFrame(client, handles["patient_ref"]))
        assert len(numbers) < 1000
    assert numbers == sorted(numbers)


def test_it_sees_a_missing_tool_and_strays(client, handles, tracker):
    tracker.fault("stray 10 20 -1500")
    tracker.fault("dropout patient_ref on")  # last: the frame that lacks the tool has the stray
    for _ in range(200):
        ndicapy.ndiBX(client, TRANSFORMS | STRAYS)
        if ndicapy.ndiGetBXTransform(client, handles["patient_ref"]) == "MISSING":
            break
    else:
        pytest.fail("the dropout was never reported")
    assert ndicapy.ndiGetBXNumberOfPassiveStrays(client) == 1
    assert ndicapy.ndiGetBXPassiveStray(client, 0) == pytest.approx((10.0, 20.0, -1500.0))
    tracker.fault("clear")
