import hashlib
import json

from planning_core.case.plan import SCHEMA_VERSION, Plan
from tests.ros2.small_plan import path, sealed_plan

FIELDS_SHA256 = {2: "7902a74cd123be1e39c601cfb29ea057cd6ad30e3235a4472ec27bb61a758242"}
"""By schema version: the hash over every field's name and type, those of the configuration among them."""
WORDS = {"title", "description", "default", "required"}


def bare(schema):
    """A JSON schema without what changes nothing for those who read a plan."""
    if isinstance(schema, dict):
        return {k: bare(v) for k, v in schema.items() if k not in WORDS}
    return [bare(v) for v in schema] if isinstance(schema, list) else schema


def test_another_field_means_another_schema_version():
    fields = json.dumps(bare(Plan.model_json_schema()), sort_keys=True)
    assert {SCHEMA_VERSION: hashlib.sha256(fields.encode()).hexdigest()} == FIELDS_SHA256, "raise SCHEMA_VERSION, then note this"


def test_the_first_of_several_paths_of_a_side_is_meant():
    best, other = path("left", (25, 45, 0), (8, 2, -5)), path("left", (28, 45, 0), (9, 2, -5), kind="extrapedicular")
    right = path("right", (-25, 45, 0), (-8, 2, -5))
    assert sealed_plan(best, right, other, right).by_side == {"left": best, "right": right}
    assert list(sealed_plan(right, best, other).by_side) == ["right", "left"]
