import hashlib
import json

import pytest

from planning_core.case.plan import SCHEMA_VERSION, TamperedPlanError
from planning_core.case.sealed import OtherSchemaError, UnreadablePlanError, read_sealed
from tests.ros2.small_plan import path, sealed_plan

PLAN = sealed_plan(path("left", (25, 45, 0), (8, 2, -5)))
STORED = json.loads(PLAN.to_json())


def resealed(**changed):
    """The stored plan with other content, its hash as another version of the software would have written it."""
    content = {k: v for k, v in {**STORED, **changed}.items() if v is not None or k not in changed}
    content.pop("plan_hash")
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return json.dumps({**content, "plan_hash": hashlib.sha256(text.encode()).hexdigest()}).encode()


def test_a_sealed_plan_is_read():
    assert read_sealed(PLAN.to_json().encode()) == PLAN


def test_a_plan_of_an_earlier_schema_is_named_and_sends_back_to_planning():
    with pytest.raises(OtherSchemaError) as refusal:
        read_sealed(resealed(schema_version=SCHEMA_VERSION - 1, gone="a field that there is no more", seed=None))
    assert refusal.value.code == "other_plan_schema"
    assert (refusal.value.made, refusal.value.reads) == (SCHEMA_VERSION - 1, SCHEMA_VERSION)
    assert refusal.value.message.startswith(f"made by an earlier version (schema {SCHEMA_VERSION - 1}")
    assert refusal.value.message.endswith("plan again")


def test_a_plan_of_a_later_schema_is_not_called_old():
    with pytest.raises(OtherSchemaError, match="made by a later version"):
        read_sealed(resealed(schema_version=SCHEMA_VERSION + 1, new=1))


@pytest.mark.parametrize("version", [SCHEMA_VERSION - 1, SCHEMA_VERSION])
def test_a_plan_that_was_changed_is_tampered_with_whatever_its_schema(version):
    changed = json.loads(resealed(schema_version=version))
    with pytest.raises(TamperedPlanError):
        read_sealed(json.dumps({**changed, "recommended_ml": 9.0}).encode())


def test_a_plan_of_this_schema_with_a_field_missing_is_unreadable():
    with pytest.raises(UnreadablePlanError, match="seed"):
        read_sealed(resealed(seed=None))


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b"{}", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"schema_version": 1}', b'{"schema_version": true}'),
        *(
            b'{"schema_version": 2}',
            b'{"schema_version": 1, "plan_hash": 5}',
            b'{"schema_version": 1, "plan_hash": "", "n": NaN}',
        ),
    ],
)
def test_what_is_no_plan_is_unreadable(text):
    with pytest.raises(UnreadablePlanError):
        read_sealed(text)
