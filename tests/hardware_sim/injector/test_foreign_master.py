"""A Modbus master that is not ours, and a process that can be pulled, killed and spoilt."""

import os
import stat

import minimalmodbus
import pytest
import serial

from hardware_sim.injector.slave import crc16
from planning_core.devices.injector_map import BY_NAME, INPUT_WORDS, MAP_VERSION, Table, unpack
from tests.hardware_sim.injector.process import InjectorProcess, wait_for


@pytest.fixture(scope="module")
def injector(tmp_path_factory):
    process = InjectorProcess(tmp_path_factory.mktemp("foreign")).start()
    yield process
    process.end()


@pytest.fixture
def master(injector):
    port = minimalmodbus.Instrument(str(injector.link), 1)
    port.serial.baudrate, port.serial.timeout = 115200, 0.4
    port.clear_buffers_before_each_transaction = True
    yield port
    port.serial.close()


def test_minimalmodbus_reads_every_input_register(master):
    values = unpack(Table.INPUT, 0, master.read_registers(0, INPUT_WORDS, functioncode=4))
    assert values["map_version"] == MAP_VERSION
    assert values["state"] == 0
    assert values["serial_number"] == 900001
    assert values["temperature"] == pytest.approx(22, abs=1)


def test_minimalmodbus_writes_and_reads_back_a_limit(master):
    register = BY_NAME["pressure_limit"]
    master.write_register(register.address, register.encode(1500)[0], functioncode=6)
    assert register.decode([master.read_register(register.address, functioncode=3)]) == 1500
    master.write_registers(BY_NAME["volume_limit"].address, list(BY_NAME["volume_limit"].encode(2.5)))
    assert master.read_long(BY_NAME["volume_limit"].address, functioncode=3) == 25000


def test_a_foreign_master_gets_the_norms_exceptions(master):
    with pytest.raises(minimalmodbus.IllegalRequestError):
        master.read_register(900, functioncode=4)
    with pytest.raises(minimalmodbus.IllegalRequestError):
        master.write_register(BY_NAME["run"].address, 7, functioncode=6)
    with pytest.raises(minimalmodbus.SlaveReportedException):
        master.write_register(BY_NAME["run"].address, 1, functioncode=6)


@pytest.mark.parametrize(
    ("telegram", "answer"),
    [
        (b"\x01\x04\x00\x00\x00\x01\x31\xca", b"\x01\x04\x02\x00\x01\x78\xf0"),  # worked out by hand from the norm
        (b"\x01\x04\x00\x00\x00\x01\x31\xcb", b""),
        (b"\x02\x04\x00\x00\x00\x01" + crc16(b"\x02\x04\x00\x00\x00\x01"), b""),
        (b"\x01\x2b\x0e\x01\x00" + crc16(b"\x01\x2b\x0e\x01\x00"), b"\x01\xab\x01" + crc16(b"\x01\xab\x01")),
        (bytes(range(200)) * 3, b""),
    ],
)
def test_raw_telegrams_are_answered_or_dropped(injector, telegram, answer):
    with serial.Serial(str(injector.link), 115200, timeout=2 if answer else 0.2) as port:
        port.write(telegram)
        assert port.read(len(answer) or 1) == answer


def test_a_good_telegram_after_garbage_is_answered(injector):
    with serial.Serial(str(injector.link), 115200, timeout=0.05) as port:

        def answered():
            port.write(b"\x01\x10\x00")
            port.read(1)  # silence: the torn telegram ends here
            port.write(b"\x01\x04\x00\x00\x00\x01\x31\xca")
            return port.read(7) == b"\x01\x04\x02\x00\x01\x78\xf0"

        wait_for(answered)


def test_channels_are_open_to_this_user_only_and_answer_nonsense_by_name(injector):
    for name in ("control", "truth"):
        assert stat.S_IMODE(os.stat(f"{injector.link}.{name}").st_mode) & 0o077 == 0
    assert injector.control(trouble="gremlins")["error"] == "UnknownTroubleError"
    assert injector.control(trouble="leak", value="much")["error"] == "UnknownTroubleError"
    assert injector.control(batch="glue")["error"] == "UnknownTroubleError"
    assert injector.control(hello=1)["error"] == "InputError"
    assert "error" in injector._ask("control", [1, 2])


def test_the_port_vanishes_with_the_line_and_comes_back(injector):
    injector.control(line="cut")
    assert not injector.link.exists()
    injector.control(line="up")
    with serial.Serial(str(injector.link), 115200, timeout=2) as port:
        port.write(b"\x01\x04\x00\x00\x00\x01\x31\xca")
        assert port.read(7)
