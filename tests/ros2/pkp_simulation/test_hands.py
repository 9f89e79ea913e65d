"""Whoever reaches for a simulated device waits until it is there, and says so when it is not."""

import socket
import threading

import pytest


@pytest.fixture
def hands():
    return pytest.importorskip("pkp_simulation.hands", reason="no ROS 2 here")


def test_a_device_that_comes_up_late_is_waited_for(hands, tmp_path):
    made = []

    def late():
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(tmp_path / "carm.control"))
        server.listen()
        made.append(server)
        connection, _ = server.accept()
        made.append(connection)
        if connection.recv(1000):
            connection.sendall(b'{"ok": true}\n')

    threading.Timer(0.2, late).start()
    caller = hands.LineCaller(tmp_path / "carm.control")
    caller.tell(scan=True)
    caller.answer()
    caller.close()
    for end in made:
        end.close()


def test_a_device_that_does_not_come_is_named(hands, tmp_path):
    with pytest.raises(hands.HandRefusedError, match=r"carm: not there after 0\.1 s"):
        hands.LineCaller(tmp_path / "carm.control", there_s=0.1)
