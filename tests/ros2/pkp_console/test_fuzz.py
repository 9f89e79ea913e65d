"""Every route under random requests: refusals have names, nothing is a mistake of ours."""

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.ros2.pkp_console.conftest import HOME

OWN_SESSION = ("/api/session", "/api/session/pin")
"""Signing in and out and changing the PIN would end the test's own session."""


@pytest.mark.slow
def test_no_request_makes_a_500(console, case_id, planned):
    schemathesis = pytest.importorskip("schemathesis")
    hand = console.hand("operator")
    kept = {"x-csrf-token": hand.csrf, "origin": HOME}
    facts = console.app.openapi()
    for path in OWN_SESSION:
        facts["paths"].pop(path)
    schema = schemathesis.openapi.from_dict(facts)
    seen = {}

    def ask(case):
        if "case_id" in (case.path_parameters or {}) and len(seen) % 2:
            case.path_parameters["case_id"] = case_id
        if isinstance(case.body, dict) and "plan_hash" in case.body and len(seen) % 3:
            case.body["plan_hash"] = planned[1].plan_hash
        given = case.as_transport_kwargs(base_url=HOME)
        answer = hand.client.request(**{**given, "headers": {"content-type": "application/json", **kept}})
        known = (case.method, case.path)
        seen[known] = seen.get(known, frozenset()) | {answer.status_code}
        named = answer.status_code < 400 or answer.json()["code"]
        assert named
        assert answer.status_code < 500 or answer.json()["code"] == "no_supervisor", answer.text

    limits = {"max_examples": 40, "deadline": None, "database": None, "derandomize": True, "phases": [Phase.generate]}
    for found in schema.get_all_operations():
        test = given(case=found.ok().as_strategy())(ask)
        settings(**limits, suppress_health_check=list(HealthCheck))(test)()
    assert len(seen) >= 20, sorted(seen)
