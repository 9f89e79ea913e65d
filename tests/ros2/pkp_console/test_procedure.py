"""Decisions and goals by way of the server: who may, at which epoch, and what the room is asked."""

import contextlib
import json
from concurrent.futures import CancelledError

import attrs
import pytest

from tests.ros2.pkp_console.test_live import opened


class NotedRoom:
    """Notes what it is asked and answers as told."""

    ros, supervised, description = True, True, "<robot name='x'/>"

    def __init__(self):
        from pkp_console.hold import HoldSwitch

        self.asked, self.hold = [], HoldSwitch()
        self.answer = {"accepted": True, "error_code": "", "error_msg": "", "phase": 5}

    def decide(self, what, **facts):
        self.asked.append((what, facts))
        return self.answer

    def begin(self, goal, by, **facts):
        self.asked.append((goal, {"by": by, **facts}))
        return {"kind": goal, "state": "running"}

    def call_off(self):
        return {"state": "running"}

    def acknowledge_alarm(self, code, by):
        self.asked.append((code, by))
        return code == "stopped"

    def stop(self, source, reason):
        return {"epoch": 1}

    def end(self):
        pass


@pytest.fixture
def room(console, planned, case_id):
    noted = NotedRoom()
    object.__setattr__(console.desk, "room", noted)
    plan = {"case_path": str(console.desk.store.case(case_id).path), "plan_hash": planned[1].plan_hash, "level": "L1"}
    console.desk.live.put("safety", {"epoch": 4, "stop_latched": False})
    console.desk.live.put("phase", {"phase": 5, "side": "left", "plan": {**plan, "sides": ["left", "right"]}})
    return noted


def test_only_the_operator_who_has_the_console_decides(console, room):
    question = {"to": "verify", "epoch": 4}
    assert console.hand("planner").post("/room/advance", question).status_code == 403
    first, second = console.hand("operator"), console.hand("second")
    assert second.post("/room/advance", question).json()["code"] == "read_only"
    assert first.post("/room/advance", question).status_code == 200
    assert room.asked == [("advance", {"operator_id": "operator", "phase": 6, "epoch": 4})]


def test_the_supervisors_refusal_is_told_in_its_words(console, room):
    room.answer = {"accepted": False, "error_code": "conditions_not_met", "error_msg": "waits for x", "waits_for": ["x"]}
    answer = console.hand("operator").post("/room/advance", {"to": "insert", "epoch": 4})
    assert answer.status_code == 409
    assert (answer.json()["refused_code"], answer.json()["waits_for"]) == ("conditions_not_met", ["x"])


def test_decisions_carry_the_plan_in_hand(console, room, planned):
    hand = console.hand("operator")
    hand.post("/room/acknowledge", {"epoch": 4})
    hand.post("/room/rearm", {"epoch": 4})
    hand.post("/room/confirm_insertion", {"epoch": 4, "side": "left"})
    (_, seen), (_, armed), (_, put) = room.asked
    assert seen == {"operator_id": "operator", "epoch": 4}
    assert (armed["plan_hash"], put["plan_hash"], put["side"]) == (planned[1].plan_hash, planned[1].plan_hash, "left")
    assert put["epoch"] == 4


@pytest.mark.parametrize("goal", ["register", "check"])
def test_goals_without_a_side(console, room, goal, planned):
    assert console.hand("operator").post(f"/room/goals/{goal}", {"epoch": 4}).status_code == 202
    name, facts = room.asked[0]
    assert (name, facts["by"], facts["plan"].plan_hash) == (goal, "operator", planned[1].plan_hash)


def test_a_click_from_before_a_stop_does_nothing(console, room):
    hand = console.hand("operator")
    late = {"epoch": 3, "side": "left"}
    for path, more in (("approach", {}), ("withdraw", {}), ("inject", {"volume_ml": 2.0, "mixed_ago_s": 240.0})):
        assert hand.post(f"/room/goals/{path}", {**late, **more}).json()["refused_code"] == "old_epoch"
    assert room.asked == []


@pytest.mark.parametrize(
    "body",
    [
        {"volume_ml": 20, "mixed_ago_s": 240},
        {"volume_ml": -1, "mixed_ago_s": 240},
        {"volume_ml": 2, "mixed_ago_s": -1},
        {"volume_ml": 2, "mixed_ago_s": 240, "side": "middle"},
        {"volume_ml": 2, "mixed_ago_s": 240, "flow": 1},
    ],
)
def test_an_injection_out_of_its_limits_is_not_asked_for(console, room, body):
    answer = console.hand("operator").post("/room/goals/inject", {"epoch": 4, "side": "left", **body})
    assert answer.status_code == 422
    assert room.asked == []


def test_an_injection_is_asked_for_as_it_was_said(console, room):
    body = {"epoch": 4, "side": "left", "volume_ml": 2.25, "mixed_ago_s": 200.0}
    assert console.hand("operator").post("/room/goals/inject", body).status_code == 202
    _, facts = room.asked[0]
    assert (facts["volume_ml"], facts["mixed_ago_s"], facts["side"], facts["epoch"]) == (2.25, 200.0, "left", 4)


def test_a_ct_and_a_plan_are_named_by_case(console, room, case_id, planned):
    hand = console.hand("operator")
    assert hand.post("/room/goals/ingest", {"case_id": case_id}).status_code == 202
    assert hand.post("/room/goals/open_plan", {"case_id": case_id, "plan_hash": planned[1].plan_hash}).status_code == 202
    assert hand.post("/room/goals/open_plan", {"case_id": "../x"}).status_code == 404
    (_, ct), (_, plan) = room.asked
    folder = console.desk.store.case(case_id).path
    assert ct["source"] == str(folder / "input/ct.nii")
    assert (plan["case_path"], plan["level"]) == (str(folder), "L1")


def test_a_revision_that_is_taken_becomes_the_newest(console, room, case_id, planned):
    from planning_core.case.revisions import keep, newest

    case = console.desk.store.case(case_id)
    other = planned[1].model_copy(update={"warnings": ("another",), "plan_hash": ""}).sealed()
    keep(case, planned[1])
    keep(case, other)
    judge = console.desk.judges.of(case_id)
    hand = console.hand("operator")
    assert hand.post("/room/goals/open_plan", {"case_id": case_id, "plan_hash": other.plan_hash}).status_code == 202
    assert newest(case.path).plan_hash == other.plan_hash
    assert console.desk.store.events(case)[-1]["event"] == "chosen"
    assert not judge.alive  # it stands on the plan before


def test_without_a_room_the_refusal_says_so(console):
    hand = console.hand("operator")
    assert hand.post("/room/advance", {"to": "ingest", "epoch": 0}).json()["code"] == "no_supervisor"
    assert hand.post("/room/goals/register", {"epoch": 0}).json()["code"] == "nothing_heard"
    assert hand.get("/room/description").status_code == 404
    assert hand.get("/room/plan").json()["code"] == "nothing_heard"


def test_the_operator_says_by_what_the_patient_is_found(console, room):
    hand = console.hand("operator")
    assert hand.post("/room/goals/register", {"epoch": 4, "method": "guess"}).status_code == 422
    assert hand.post("/room/goals/register", {"epoch": 4, "method": "surface"}).status_code == 202
    assert hand.post("/room/goals/register", {"epoch": 4}).status_code == 202
    assert [facts["method"] for _, facts in room.asked] == ["surface", "plate"]


def test_alarms_are_acknowledged_by_anybody_who_is_signed_in(console, room):
    hand = console.hand("viewer")
    assert hand.post("/room/alarms/acknowledge", {"code": "stopped"}).status_code == 200
    assert hand.post("/room/alarms/acknowledge", {"code": "else"}).status_code == 404
    assert room.asked[0] == ("stopped", "viewer")


def test_what_the_page_reads_of_the_procedure(console, room, planned, case_id):
    hand = console.hand("viewer")
    flow = hand.get("/room/workflow").json()
    assert {"from": 5, "to": 6, "needs": []} in flow["table"]
    assert flow["phases"][8] == "inject"
    held = hand.get("/room/plan").json()
    assert (held["case_id"], held["plan"]["plan_hash"]) == (case_id, planned[1].plan_hash)
    assert hand.get("/room/description").text == room.description


def word(at, grip=1, **more):
    return json.dumps({"hold": {"grip": grip, "side": "left", "epoch": 4, "at": at, **more}})


def spoken(socket, done):
    """Read until a snapshot satisfies."""
    for _ in range(200):
        shown = json.loads(socket.receive_text())
        if done(shown):
            return shown
    raise AssertionError("it never came")


def test_presses_hold_the_switch_and_the_end_of_the_socket_lets_go(console, room):
    hand = console.hand("operator")
    with contextlib.suppress(CancelledError), opened(hand) as socket:  # the client ends the server's side with its own
        at = json.loads(socket.receive_text())["at"]
        socket.send_text(word(at))
        spoken(socket, lambda s: room.hold.word() is not None)
        assert room.hold.word().side == "left"
    assert room.hold.held_by() is None


def test_the_switch_remembers_a_grip_while_its_session_lives_and_no_longer(console, room):
    hand = console.hand("operator")
    for _ in range(2):
        with contextlib.suppress(CancelledError), opened(hand) as socket:
            at = json.loads(socket.receive_text())["at"]
            socket.send_text(word(at))
            spoken(socket, lambda s: room.hold._over or room.hold.word() is not None)
        assert set(room.hold._over) == {hand.session}  # the page may come back with it
    with contextlib.suppress(CancelledError), opened(console.hand("second")) as socket:
        hand.ask("DELETE", "/session")
        socket.receive_text()
    assert room.hold._over == {}


def test_a_second_operators_press_does_not_count(console, room):
    console.hand("operator")
    with contextlib.suppress(CancelledError), opened(console.hand("second")) as socket:
        at = json.loads(socket.receive_text())["at"]
        socket.send_text(word(at))
        spoken(socket, lambda s: True)
        assert room.hold.word() is None


@pytest.mark.parametrize("text", ["{", "[]", '{"hold": 1}', '{"hold": {"grip": 1}}', '{"else": 1}', '{"beat": 1e400}'])
def test_a_word_that_is_not_understood_ends_the_socket(console, room, text):
    from starlette.websockets import WebSocketDisconnect

    with opened(console.hand("operator")) as socket:
        socket.receive_text()
        socket.send_text(text)
        with pytest.raises(WebSocketDisconnect):
            spoken(socket, lambda s: False)


def test_handing_over_takes_the_switch_along(console, room):
    first, second = console.hand("operator"), console.hand("second")
    with contextlib.suppress(CancelledError), opened(first) as socket:
        at = json.loads(socket.receive_text())["at"]
        socket.send_text(word(at))
        spoken(socket, lambda s: room.hold.word() is not None)
        first.post("/seat/hand_over", {"to": second.session})
        at = spoken(socket, lambda s: not s["mine"])["at"]
        socket.send_text(word(at))
        spoken(socket, lambda s: room.hold.held_by() is None)
        assert not attrs.asdict(room.hold.word() or _let_go())["pressed"]


def _let_go():
    from pkp_console.hold import Word

    return Word("", "", 0, False)
