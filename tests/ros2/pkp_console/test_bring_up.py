"""The console as a member of a bring-up: started last, answering, ended first."""

import pytest

from tests.ros2.running import ros_node, until

pytestmark = pytest.mark.ros


@pytest.mark.slow
def test_the_console_is_started_and_ended_with_the_room(web, tmp_path):
    import httpx

    with ros_node() as (node, environment):
        from pkp_bringup.nodes import bring_up
        from pkp_bringup.room import Room
        from pkp_console.command import free_port
        from pkp_console.users import PLACE, Users

        cases, port = tmp_path / "cases", free_port(0)
        Users(cases / PLACE).make_first()
        spec = bring_up("sim", tmp_path / "run", console=("--cases", str(cases), "--port", str(port)))[-1]
        assert (spec.name, spec.lifecycle) == ("console", False)
        room = Room((spec,), tmp_path / "run", node, environment, lambda words: None)
        try:
            room.start()

            def answers():
                try:
                    return httpx.get(f"http://127.0.0.1:{port}/").status_code == 200
                except httpx.TransportError:
                    return False

            until(answers, lambda seconds: room.clients.spin(seconds))
            assert httpx.get(f"http://127.0.0.1:{port}/api/cases").status_code == 401
        finally:
            room.end()
        assert not room.children[0].running


def test_without_the_word_there_is_no_console(web, tmp_path):
    from pkp_bringup.nodes import bring_up

    assert "console" not in [spec.name for spec in bring_up("sim", tmp_path)]


def test_a_port_that_is_taken_is_not_given_out(web):
    import socket

    from pkp_console.command import free_port

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert free_port(taken.getsockname()[1]) != taken.getsockname()[1]
