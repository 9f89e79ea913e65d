"""Our driver (pymodbus) against our device (another process, its own framing) over a real pseudo-terminal."""

import contextlib
import time

import pytest
from pkp_control.injection_config import InjectionConfig
from pkp_control.injection_cycle import InjectionCycle
from pkp_control.injection_journal import InjectionJournal
from pkp_control.injection_types import InjectionOrder, InjectionRefusedError, Phase, Stop
from pkp_control.injector_client import ClientConfig, InjectorClient, InjectorError, InjectorLineError, SerialLine

from planning_core.cement.curing import CURING, CementClock
from planning_core.devices.injector_map import DeviceState, Fault
from tests.hardware_sim.injector.process import InjectorProcess, wait_for

SPEED = 5.0
PATIENT = ClientConfig(timeout_s=0.2, oldest_s=0.4)  # this machine may be busy; the device's watchdog is what is tested
CONFIG = InjectionConfig(blind_s=0.5, watchdog_s=0.5, start_ml=0.05)


class Bedside:
    """Process, driver and controller, and an operator with a switch."""

    def __init__(self, folder):
        self.folder = folder
        self.process = InjectorProcess(folder, "--speed", str(SPEED)).start()
        self.control()

    def control(self):
        self.line = SerialLine(str(self.process.link), PATIENT.timeout_s)
        self.client = InjectorClient(self.line, time.monotonic, PATIENT)
        self.cycle = InjectionCycle(self.client, InjectionJournal(self.folder / "journal"), time.monotonic, CONFIG)

    def begin(self, planned):
        self.cycle.arm(InjectionOrder("left", planned, "plan"), CementClock.start(time.monotonic() - 240, CURING["high"]))
        self.cycle.cycle(False)

    def until(self, *phases, seconds=20.0, permitted=True):
        return wait_for(lambda: self.cycle.cycle(permitted).phase in phases, seconds)

    def still(self):
        """Nothing moves and nothing flows over a good many cycles with the switch held."""
        wait_for(lambda: self.process.truth()["out_ml_s"] == 0)
        before = self.process.truth()
        for _ in range(20):
            self.cycle.cycle(True)
        after = self.process.truth()
        return (before["pushed_ml"], before["delivered_ml"]) == (after["pushed_ml"], after["delivered_ml"])


@pytest.fixture
def bedside(tmp_path):
    beside = Bedside(tmp_path)
    yield beside
    beside.client.close()
    beside.process.end()


def flowing(bedside, planned=1.0):
    bedside.begin(planned)
    wait_for(lambda: bedside.cycle.cycle(True) and bedside.process.truth()["delivered_ml"] > 0.05)
    assert bedside.cycle.state.phase is Phase.INJECTING


def test_the_plan_is_given_over_the_wire(bedside):
    bedside.begin(0.4)
    bedside.until(Phase.DONE, Phase.STOPPED)
    assert bedside.cycle.state.phase is Phase.DONE
    assert bedside.process.truth()["delivered_ml"] == pytest.approx(0.4, abs=0.05)
    assert bedside.still()


def test_a_stop_is_at_the_device_within_100_milliseconds(bedside):
    flowing(bedside)
    known = time.monotonic()
    bedside.cycle.cycle(True, Stop.ORDERED)
    told = time.monotonic() - known
    wait_for(lambda: bedside.process.truth()["out_ml_s"] == 0)
    assert told < 0.1
    assert bedside.still()


def test_a_line_pulled_out_and_put_back_starts_nothing_and_loses_nothing(bedside):
    flowing(bedside)
    bedside.process.control(line="cut")
    bedside.until(Phase.STOPPED)
    assert bedside.cycle.state.stop is Stop.LINE
    assert isinstance(bedside.cycle.trouble, InjectorLineError)
    wait_for(lambda: bedside.process.truth()["out_ml_s"] == 0)
    bedside.process.control(line="up")
    wait_for(lambda: bedside.cycle.cycle(True) and bedside.cycle.trouble is None)
    assert bedside.cycle.state.last.faults == Fault.LINE_QUIET
    assert bedside.still()
    delivered = bedside.process.truth()["delivered_ml"]
    assert bedside.cycle.state.given("left").given_ml == pytest.approx(delivered, abs=0.03)
    with pytest.raises(InjectionRefusedError):
        bedside.begin(1.0)


def test_a_silent_line_is_a_line_error_and_the_device_stops_itself(bedside):
    flowing(bedside)
    bedside.process.control(line="silent")
    with pytest.raises(InjectorLineError):
        bedside.client.read()
    wait_for(lambda: bedside.process.truth()["out_ml_s"] == 0)
    bedside.until(Phase.STOPPED)
    bedside.process.control(line="up")
    assert bedside.still()


def test_the_device_killed_and_started_again_remembers_and_stays_still(bedside):
    flowing(bedside)
    bedside.process.kill()
    bedside.until(Phase.STOPPED)
    bedside.process.start()
    wait_for(lambda: bedside.cycle.cycle(True) and bedside.cycle.trouble is None)
    state = bedside.cycle.state
    assert state.last.state is DeviceState.DISABLED
    assert state.given("left").given_ml == pytest.approx(bedside.process.truth()["delivered_ml"], abs=0.03)
    assert bedside.still()


def test_the_controller_restarted_knows_where_it_was(bedside):
    flowing(bedside)
    bedside.client.close()
    bedside.control()
    assert bedside.cycle.state.phase is Phase.STOPPED
    assert bedside.still()
    delivered = bedside.process.truth()["delivered_ml"]
    assert bedside.cycle.state.given("left").given_ml == pytest.approx(delivered, abs=0.03)
    bedside.cycle.acknowledge("Dr. Grey")
    bedside.begin(0.3 + delivered)
    bedside.until(Phase.DONE, Phase.STOPPED)
    assert bedside.process.truth()["delivered_ml"] == pytest.approx(0.3 + delivered, abs=0.05)


@pytest.mark.parametrize(("word", "value"), [("e_stop", 1), ("gauge_kpa", 4000), ("stuck", 1), ("volume_drift_ml_s", 0.3)])
def test_troubles_made_at_run_time_stop_it(bedside, word, value):
    flowing(bedside)
    bedside.process.control(trouble=word, value=value)
    bedside.until(Phase.STOPPED)
    assert bedside.still()
    with contextlib.suppress(InjectorError):
        bedside.client.read()


def test_a_port_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(InjectorLineError):
        SerialLine(str(tmp_path / "nothing"), 0.1).read_input(0, 1)
