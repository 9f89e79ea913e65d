"""Nothing foreign comes in: Host, Origin, token, size; and every answer has its headers."""

import pytest

from tests.ros2.pkp_console.conftest import HOME, PINS

SIGN_IN = {"name": "viewer", "pin": PINS["viewer"]}


def code(answer):
    return answer.status_code, answer.json()["code"]


@pytest.mark.parametrize("host", ["evil.example:8765", "127.0.0.1", "127.0.0.1:1", "", "localhost:8765.evil"])
def test_another_host_is_refused_even_for_reading(console, host):
    assert code(console.hand().client.get("/", headers={"host": host})) == (403, "foreign_request")


@pytest.mark.parametrize("origin", [None, "null", "http://evil.example", "https://127.0.0.1:8765", HOME + ".evil", HOME + "/"])
def test_a_change_needs_the_pages_own_origin(console, origin):
    headers = {} if origin is None else {"origin": origin}
    answer = console.hand().client.post("/api/session", json=SIGN_IN, headers=headers)
    assert code(answer) == (403, "foreign_request")


def test_a_change_needs_the_sessions_token(console):
    hand, other = console.hand("planner"), console.hand("viewer")
    assert code(hand.ask("POST", "/imports", json={"kind": "nii"}, headers={"x-csrf-token": ""})) == (403, "foreign_request")
    answer = hand.ask("POST", "/imports", json={"kind": "nii"}, headers={"x-csrf-token": other.csrf})
    assert code(answer) == (403, "foreign_request")
    assert hand.post("/imports", {"kind": "nii"}).status_code == 201


def test_bodies_have_a_limit_whatever_they_say_of_their_length(console):
    hand = console.hand("planner")
    assert code(hand.ask("POST", "/imports", content=b"x" * 70_000)) == (413, "too_large")

    def pieces():
        for _ in range(70):
            yield b"x" * 1000

    assert code(hand.ask("POST", "/imports", content=pieces())) == (413, "too_large")
    answer = hand.ask("POST", "/imports", content=b"", headers={"content-length": "-1"})
    assert answer.status_code in (400, 413)


def test_every_answer_forbids_frames_inline_scripts_and_sniffing(console):
    hand = console.hand("viewer")
    for answer in (hand.get("/cases"), hand.get("/none"), console.hand().client.get("/"), hand.post("/seat/take")):
        policy = answer.headers["content-security-policy"]
        script = next(p for p in policy.split("; ") if p.startswith("script-src"))
        assert "unsafe-inline" not in policy
        assert "'unsafe-eval'" not in script
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_refusals_are_named_json_and_hold_no_traceback(console):
    hand = console.hand("planner")
    for method, path, body in (
        ("GET", "/cases/none", None),
        ("GET", "/nowhere", None),
        ("PUT", "/cases", None),
        ("POST", "/imports", b"{"),
        ("POST", "/imports", b'{"kind": "exe"}'),
        ("POST", "/imports", b'{"kind": "nii", "path": "/etc"}'),
        ("POST", "/imports", b"\xff\xfe"),
        ("POST", "/cases/none/plan", b'{"level": "L1", "at": [NaN, 0, 0]}'),
    ):
        answer = hand.ask(method, path, content=body, headers={"content-type": "application/json"})
        assert 400 <= answer.status_code < 500, (path, answer.text)
        facts = answer.json()
        assert facts["code"]
        assert facts["message"]
        assert "Traceback" not in answer.text


def test_a_mistake_of_ours_is_answered_by_name_only(console, monkeypatch):
    monkeypatch.setattr(type(console.desk.store), "ids", lambda self: 1 / 0)
    answer = console.hand("viewer").get("/cases")
    assert code(answer) == (500, "internal")
    assert "ZeroDivision" not in answer.text
