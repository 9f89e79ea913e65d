"""The socket: who may open it, and that only the newest counts."""

import asyncio
import json

import pytest

from tests.ros2.pkp_console.conftest import HOME


def opened(hand, protocols=None, **headers):
    protocols = ["pkp.live", f"csrf.{hand.csrf}"] if protocols is None else protocols
    cookie = f"pkp_session={hand.client.cookies.get('pkp_session', '')}"  # the client keeps it for its own host name only
    mine = {"host": HOME.removeprefix("http://"), "origin": HOME, "cookie": cookie}
    return hand.client.websocket_connect("/api/live", protocols, headers={**mine, **headers})


def drained(socket):
    """Read until it closes; a thousand snapshots come in some minutes."""
    for _ in range(1000):
        socket.receive_text()


def sign_out(hand, socket):
    """The server ends the socket with the session."""
    from starlette.websockets import WebSocketDisconnect

    hand.ask("DELETE", "/session")
    socket.send_text('{"beat": 2}')
    with pytest.raises(WebSocketDisconnect):
        drained(socket)


def test_a_page_gets_a_snapshot_and_then_only_what_is_newest(console):
    hand = console.hand("operator")
    with opened(hand) as socket:
        first = json.loads(socket.receive_text())
        assert first["mine"] is True
        assert first["room"] == {"ros": False, "supervised": False}
        assert first["topics"] == {}
        for n in range(500):
            console.desk.live.put("phase", {"n": n})
        seen = []
        while not seen or seen[-1]["value"]["n"] != 499:
            topics = json.loads(socket.receive_text())["topics"]
            seen += [topics["phase"]] if topics else []
        assert len(seen) < 10  # never one message per value
        assert seen[-1]["count"] == 500
        assert seen[-1]["age_ms"] >= 0
        socket.send_text(json.dumps({"beat": 1}))
        sign_out(hand, socket)


@pytest.mark.parametrize(
    ("protocols", "headers"),
    [
        (["pkp.live"], {}),
        (["pkp.live", "csrf.wrong"], {}),
        (None, {"origin": "http://evil.example"}),
        (None, {"host": "evil.example"}),
    ],
)
def test_a_foreign_handshake_is_refused(console, protocols, headers):
    from starlette.websockets import WebSocketDisconnect

    hand = console.hand("viewer")
    with pytest.raises(WebSocketDisconnect), opened(hand, protocols, **headers) as socket:
        socket.receive_text()


def test_without_a_session_there_is_no_socket(console):
    from starlette.websockets import WebSocketDisconnect

    with pytest.raises(WebSocketDisconnect), opened(console.hand()) as socket:
        socket.receive_text()


def test_signing_out_ends_the_socket(console):
    hand = console.hand("viewer")
    with opened(hand) as socket:
        socket.receive_text()
        sign_out(hand, socket)


def test_a_reader_waits_no_longer_than_it_must(web):
    from pkp_console.live import LiveStore

    async def run():
        live = LiveStore()
        waiting = asyncio.create_task(live.changed(0, 30.0))
        await asyncio.sleep(0)
        await asyncio.to_thread(live.put, "a", {"x": 1})
        await asyncio.wait_for(waiting, 5.0)
        await live.changed(0, 30.0)  # already newer
        return json.loads(live.as_json())["a"]["value"]

    assert asyncio.run(run()) == {"x": 1}


def test_a_snapshot_is_made_once_for_all_pages_and_a_slow_one_gets_the_newest(web):
    from pkp_console.broadcast import Broadcast
    from pkp_console.live import LiveStore

    async def run():
        live, made = LiveStore(), []

        def make():
            made.append(len(made))
            return f"{live.value('a')}"

        broadcast = Broadcast(live, make, 1e9)  # making one outlasts a period: those who stand beside still get it
        live.put("a", {"n": 0})
        seen, _ = await broadcast.newer(0)
        for n in range(1, 6):
            waiting = [asyncio.create_task(broadcast.newer(seen)) for _ in range(5)]
            await asyncio.sleep(0)
            await asyncio.to_thread(live.put, "a", {"n": n})
            answers = await asyncio.gather(*waiting)
            assert len(set(answers)) == 1  # all five got one and the same
            seen, text = answers[0]
            assert text == str({"n": n})
        assert len(made) == seen  # never more than were given out
        assert (await broadcast.newer(seen - 3))[0] >= seen  # three behind, none of which it is given
        return True

    assert asyncio.run(run())
