"""Users, PINs, sessions, and one operator at a time."""

import json
import os
import stat

import pytest

from tests.ros2.pkp_console.conftest import HOME, PINS


def sign_in(console, name, pin):
    return console.hand().client.post("/api/session", json={"name": name, "pin": pin}, headers={"origin": HOME})


def test_first_users_have_one_time_pins_that_must_be_changed(web, tmp_path, console):
    from pkp_console.users import Users

    users = Users(tmp_path / "fresh" / "users.json")
    pins = users.make_first()
    assert sorted(pins) == ["operator", "planner", "viewer"]
    assert len(set(pins.values())) == 3
    assert all(len(p) == 8 and p.isdigit() for p in pins.values())
    text = (tmp_path / "fresh" / "users.json").read_text()
    assert not any(p in text for p in pins.values())
    assert all(u["pin_hash"].startswith("$argon2id$") for u in json.loads(text).values())
    assert stat.S_IMODE(os.stat(tmp_path / "fresh" / "users.json").st_mode) == 0o600

    pin = console.desk.users.set_one_time("viewer")
    PINS["viewer"], kept = pin, PINS["viewer"]
    try:
        hand = console.hand("viewer")
    finally:
        PINS["viewer"] = kept
    assert hand.get("/cases").json()["code"] == "pin_must_change"
    for bad in (pin, "1", "111111", "12121212"):
        assert hand.post("/session/pin", {"old": pin, "new": bad}).json()["code"] == "bad_pin", bad
    assert hand.post("/session/pin", {"old": pin, "new": kept}).json()["one_time"] is False
    assert hand.get("/cases").status_code == 200


def test_a_damaged_users_file_lets_nobody_in(console):
    place = console.desk.store.root / ".console" / "users.json"
    place.write_text('{"operator": {}}')
    answer = sign_in(console, "operator", PINS["operator"])
    assert answer.json()["code"] == "users_file"


def test_the_cookie_is_out_of_scripts_and_other_sites_reach(console):
    cookie = sign_in(console, "viewer", PINS["viewer"]).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


def test_wrong_name_and_wrong_pin_look_the_same_and_are_braked(console):
    one, two = sign_in(console, "viewer", "000000"), sign_in(console, "nobody", "000000")
    assert one.json() == two.json()
    assert one.status_code == 401
    for _ in range(4):
        sign_in(console, "viewer", "000000")
    answer = sign_in(console, "viewer", PINS["viewer"])
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_tries")
    assert 0 < answer.json()["wait_s"] <= 60
    assert sign_in(console, "planner", PINS["planner"]).status_code == 200


def test_the_brake_lets_go_after_its_window(web):
    from pkp_console.refusals import TooManyTriesError
    from pkp_console.sessions import Brake

    now = [0.0]
    brake = Brake(2, 10.0, lambda: now[0])
    for _ in range(2):
        brake.failed("a")
    with pytest.raises(TooManyTriesError):
        brake.check("a")
    now[0] = 10.1
    brake.check("a")
    for n in range(10):  # many names, one guess each
        brake.failed(f"name{n}")
    with pytest.raises(TooManyTriesError):
        brake.check("fresh")


def test_a_session_ends_by_signing_out_by_silence_and_in_time(web, console):
    from pkp_console.refusals import NotSignedInError
    from pkp_console.sessions import Sessions
    from pkp_console.users import Role

    hand = console.hand("viewer")
    assert hand.ask("DELETE", "/session").status_code == 200
    assert hand.get("/cases").json()["code"] == "not_signed_in"
    now = [0.0]
    sessions = Sessions(10.0, 25.0, lambda: now[0])
    token = sessions.begin("a", Role.VIEWER, False).token
    for second in (9.0, 18.0, 24.0):
        now[0] = second
        sessions.find(token)
    now[0] = 25.1
    with pytest.raises(NotSignedInError):
        sessions.find(token)
    quiet = sessions.begin("a", Role.VIEWER, False).token
    now[0] = 35.0
    sessions.find(quiet, touch=False)  # the page is alive, nobody asks for anything
    now[0] = 35.2
    with pytest.raises(NotSignedInError):
        sessions.find(quiet)


def test_a_changed_pin_signs_the_others_out(console):
    one, two = console.hand("viewer"), console.hand("viewer")
    assert one.post("/session/pin", {"old": PINS["viewer"], "new": "902144"}).status_code == 200
    assert two.get("/cases").status_code == 401
    assert one.get("/cases").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "least"),
    [
        ("POST", "/imports", "planner"),
        ("PUT", "/imports/0000000000000000/parts/1", "planner"),
        ("POST", "/imports/0000000000000000/finish", "planner"),
        ("DELETE", "/imports/0000000000000000", "planner"),
        ("POST", "/cases/none/plan", "planner"),
        ("POST", "/cases/none/judge", "planner"),
        ("DELETE", "/jobs/none", "planner"),
        ("POST", "/seat/take", "operator"),
    ],
)
def test_roles(console, method, path, least):
    bodies = {"/imports": {"kind": "nii"}}
    order = ["viewer", "planner", "operator"]
    assert console.hand().ask(method, path, json={}).status_code == 401
    for role in order:
        answer = console.hand(role).ask(method, path, json=bodies.get(path, {}))
        refused = answer.status_code == 403 and answer.json()["code"] == "not_allowed"
        assert refused == (order.index(role) < order.index(least)), (role, answer.text)


def test_a_second_operator_reads_only_until_handed_over(console, case_id):
    first, second = console.hand("operator"), console.hand("second")
    assert first.post(f"/cases/{case_id}/plan").status_code == 202
    refused = second.post(f"/cases/{case_id}/plan")
    assert (refused.status_code, refused.json()["code"], refused.json()["held_by"]) == (409, "read_only", "operator")
    assert second.get("/cases").status_code == 200
    assert second.post("/seat/take").json()["taken"] is False
    assert second.post("/seat/hand_over", {"to": second.session}).json()["code"] == "read_only"
    assert first.post("/seat/hand_over", {"to": "nobody"}).json()["code"] == "read_only"
    assert first.post("/seat/hand_over", {"to": second.session}).json()["holder"]["name"] == "second"
    assert first.post("/imports", {"kind": "nii"}).json()["code"] == "read_only"
    assert second.post("/imports", {"kind": "nii"}).status_code == 201
    second.ask("DELETE", "/session")
    assert first.post("/seat/take").json()["taken"] is True


def test_a_silent_operator_can_be_relieved(web):
    from pkp_console.sessions import Seat, Sessions
    from pkp_console.users import Role

    now = [0.0]
    sessions = Sessions(1e3, 1e3, lambda: now[0])
    seat = Seat(sessions, 15.0, lambda: now[0])
    one, two = (sessions.begin(name, Role.OPERATOR, False) for name in ("one", "two"))
    planner = sessions.begin("p", Role.PLANNER, False)
    assert seat.take(one)
    now[0] = 14.0
    assert not seat.take(two)
    sessions.find(one.token, touch=False)  # its page beats
    now[0] = 20.0
    assert not seat.take(two)
    now[0] = 29.1
    assert seat.take(two)
    assert not seat.take(planner)
    assert seat.holder() is two


def test_stop_is_for_everybody_and_says_when_there_is_nobody_to_ask(console):
    for name in ("viewer", "planner", "operator", "second"):
        answer = console.hand(name).post("/stop")
        assert (answer.status_code, answer.json()["code"]) == (503, "no_supervisor")
    assert console.hand().post("/stop").status_code == 401
