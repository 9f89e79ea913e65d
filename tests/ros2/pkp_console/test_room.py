"""The console as a node in a room with a supervisor's service: topics to the page, Stop to the supervisor."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import threading

import pytest

from tests.ros2.pkp_console.conftest import PINS
from tests.ros2.running import need_ros, ros_node, until

pytestmark = pytest.mark.ros


def test_topics_reach_the_socket_and_stop_the_supervisor(web, tmp_path):
    websockets = pytest.importorskip("websockets")
    import httpx

    with ros_node("supervisor_stand_in") as (node, environment):
        import rclpy
        from pkp_console.users import PLACE, Role, Users
        from pkp_lifecycle import names
        from pkp_lifecycle.node import KEPT
        from pkp_msgs.msg import SafetyState
        from pkp_msgs.srv import Stop

        users = Users(tmp_path / PLACE)
        users.change_pin("viewer", users.set_one_time("viewer", Role.VIEWER), PINS["viewer"])
        stopped = []

        def on_stop(request, response):
            stopped.append((request.source, request.reason))
            response.epoch = 7
            return response

        node.create_service(Stop, names.STOP, on_stop)
        safety = node.create_publisher(SafetyState, names.SAFETY, KEPT)
        command = [sys.executable, "-m", "pkp_console.command", "--ros", "--port", "0", "--cases", str(tmp_path)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, **environment}, text=True)
        try:
            address = child.stdout.readline().split()[3].rstrip("/")
            assert address.startswith("http://127.0.0.1:")
            client = httpx.Client(base_url=address, headers={"origin": address})
            csrf = client.post("/api/session", json={"name": "viewer", "pin": PINS["viewer"]}).json()["csrf"]
            newest = {}

            async def listen():
                cookie = f"pkp_session={client.cookies['pkp_session']}"
                protocols = ["pkp.live", f"csrf.{csrf}"]
                where = address.replace("http", "ws") + "/api/live"
                async with websockets.connect(
                    where, subprotocols=protocols, origin=address, additional_headers={"cookie": cookie}
                ) as socket:
                    with contextlib.suppress(websockets.ConnectionClosed):
                        async for text in socket:
                            newest.update(json.loads(text))

            thread = threading.Thread(target=lambda: asyncio.run(listen()), daemon=True)
            thread.start()

            def spin(seconds):
                safety.publish(SafetyState(epoch=5, reason="test"))
                rclpy.spin_once(node, timeout_sec=seconds)

            until(lambda: newest.get("topics", {}).get("safety", {}).get("value", {}).get("epoch") == 5, spin)
            until(lambda: newest["room"] == {"ros": True, "supervised": True}, spin)
            answer = {}
            asking = threading.Thread(
                target=lambda: answer.update(
                    client.post("/api/stop", json={"reason": "x"}, headers={"x-csrf-token": csrf}).json()
                ),
                daemon=True,
            )
            asking.start()
            until(lambda: bool(answer), spin)
            assert answer == {"epoch": 7}
            assert stopped == [("console/viewer", "x")]
        finally:
            child.terminate()
            assert child.wait(20) in (0, -15)


@pytest.mark.parametrize("kind", ["ingest", "open_plan", "register", "check", "approach", "withdraw", "inject"])
def test_how_long_a_goal_may_take_is_left_to_its_node(web, kind):
    need_ros()
    from pkp_console.goals import goal_of
    from pkp_console.room import PlanPlace

    facts = {"source": "/ct", "series": "", "case_path": "/case", "level": "L1", "side": "left", "epoch": 0, "volume_ml": 1.0}
    facts |= {"mixed_ago_s": 240.0, "plan": PlanPlace("/case", "a" * 64, "L1", ("left",)), "method": "surface"}
    _, _, goal = goal_of(kind, facts)
    assert getattr(goal, "method", "") == ("surface" if kind == "register" else "")
    assert goal.timeout == 0.0  # a node rejects a goal that names more time than it gives
