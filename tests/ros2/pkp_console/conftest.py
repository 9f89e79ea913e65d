"""The console's application on a case that was planned once, asked without a network; signed in as anybody."""

import json
import os
import shutil
import threading
from pathlib import Path

import pytest

from tests.planning_core.case.conftest import planned  # noqa: F401
from tests.ros2.pkp_console.browser import opened_browser

PORT = 8765
DEADLINE_S = 60.0
HOME = f"http://127.0.0.1:{PORT}"
PINS = {"viewer": "135791", "planner": "246802", "operator": "975310", "second": "864209"}


@pytest.fixture(scope="session")
def web():
    """Skips where the console's libraries are not installed."""
    for name in ("fastapi", "httpx", "argon2"):
        pytest.importorskip(name, reason="the console's libraries are not here: pip install -e .[console,console-test]")


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """Where pictures of the page are kept: OPENPKP_ARTEFACTS, or a folder of the tests' own."""
    folder = Path(os.environ.get("OPENPKP_ARTEFACTS") or tmp_path_factory.mktemp("pictures"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def browser():
    with opened_browser() as opened:
        yield opened


class Hand:
    """One browser: a client with its session's cookie and token."""

    def __init__(self, client, name=None):
        self.client, self.csrf, self.name = client, "", name
        if name is not None:
            answer = client.post("/api/session", json={"name": name, "pin": PINS[name]}, headers={"origin": HOME})
            assert answer.status_code == 200, answer.text
            self.csrf = answer.json()["csrf"]
            self.session = answer.json()["session"]

    def ask(self, method, path, **more):
        headers = {"origin": HOME, "x-csrf-token": self.csrf, **more.pop("headers", {})}
        return self.client.request(method, f"/api{path}", headers=headers, **more)

    def get(self, path):
        return self.ask("GET", path)

    def post(self, path, body=None):
        return self.ask("POST", path, json=body or {})

    def ended(self, job):
        """A job as the page sees it when its thread, which lives in this process, has ended."""
        for thread in threading.enumerate():
            if thread.name == f"job-{job['id']}":
                thread.join(DEADLINE_S)
        now = next(j for j in self.get("/jobs").json() if j["id"] == job["id"])
        assert now["state"] not in ("waiting", "running"), "deadline"
        return now


class Console:
    """An application with its desk, and as many browsers as a test wants."""

    def __init__(self, app, desk):
        self.app, self.desk = app, desk

    def hand(self, name=None):
        from starlette.testclient import TestClient

        return Hand(TestClient(self.app, base_url=HOME, raise_server_exceptions=False), name)


class NoPlanner:
    """Stands for the planner: notes what it is asked and refuses or answers as told."""

    def __init__(self):
        self.asked, self.refusal = [], None

    def plan(self, job, told, cancelled):
        self.asked.append(job)
        told("segment", 0.1)
        if self.refusal is not None:
            raise self.refusal
        return "f" * 64


class HereJudge:
    """Judges in this process, on what the session planned."""

    def __init__(self, bench):
        self._bench, self.alive, self.used = bench, True, 0.0

    def wait_ready(self):
        pass

    def ask(self, move):
        return self._bench.answer(move)

    def end(self):
        self.alive = False


@pytest.fixture(scope="session")
def case_id():
    return "case-" + "a1" * 5


@pytest.fixture(scope="session")
def filled(tmp_path_factory, planned, case_id):  # noqa: F811
    """The planned case's folder, written once: each test gets a copy."""
    from pkp_console.view_files import write_view_files

    from planning_core.case import audit
    from planning_core.case.exports import write_surfaces
    from planning_core.case.folder import Case

    subject, plan = planned
    case = Case(tmp_path_factory.mktemp("filled") / case_id)
    case.write("plan.json", plan.to_json().encode())
    case.write("input/ct.nii", b"not looked at here")
    case.write("input/source.json", json.dumps({"name": "ct.nii", "series": None}).encode())
    write_view_files(case, subject.ct)
    write_surfaces(case, {"L1_body": subject.surfaces["L1_body"]})
    audit.record(case.path, "planned", plan_hash=plan.plan_hash)
    return case.path


@pytest.fixture(scope="session")
def prepared_level(planned):  # noqa: F811
    from planning_core.anatomy.levels import VertebraLevel
    from planning_core.trajectory.planner import prepared

    subject, _ = planned
    return prepared(subject.spine, VertebraLevel.L1, None, subject.ct)


@pytest.fixture
def console(web, tmp_path, filled, case_id, planned, prepared_level):  # noqa: F811
    from argon2 import PasswordHasher
    from pkp_console.app import make_app
    from pkp_console.config import ConsoleConfig
    from pkp_console.guard import Desk
    from pkp_console.judging import Bench, Judges
    from pkp_console.live import LiveStore
    from pkp_console.room import EmptyRoom
    from pkp_console.users import PLACE, Role, Users

    from planning_core.anatomy.levels import VertebraLevel
    from planning_core.case.folder import Case

    case = Case(Path(shutil.copytree(filled, tmp_path / "cases" / case_id)))
    config = ConsoleConfig(
        cases=tmp_path / "cases", runs=tmp_path / "runs", upload_bytes=200_000, unpacked_bytes=1_000_000, upload_files=50
    )
    users = Users(config.cases / PLACE, PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    for name, role in (
        ("viewer", Role.VIEWER),
        ("planner", Role.PLANNER),
        ("operator", Role.OPERATOR),
        ("second", Role.OPERATOR),
    ):
        users.change_pin(name, users.set_one_time(name, role), PINS[name])
    desk = Desk.of(config, users, LiveStore(), NoPlanner(), EmptyRoom())
    bench = Bench(case, planned[1].plan_hash, VertebraLevel.L1, *prepared_level)
    judges = Judges(1, lambda wanted: desk.store.case(wanted), lambda ground: HereJudge(bench))
    import attrs

    desk = attrs.evolve(desk, judges=judges)
    return Console(make_app(desk, PORT), desk)
