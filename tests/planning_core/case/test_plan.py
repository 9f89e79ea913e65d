import hashlib
import json

from planning_core.case.plan import SCHEMA_VERSION, Plan
from tests.ros2.small_plan import path, sealed_plan

FIELDS_SHA256 = {2: "b4a296e11620a638fcb4d9ce4d1079e056a88fee9f30b3990b2208c60cc21455"}
"""By schema version: the hash over every field's name and type, those of the configuration among them."""
WORDS = {"title", "description", "default", "required"}
BOUNDS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
"""A plan that breaks a bound of today is refused by the field's name: it is not read as something else."""


def bare(schema):
    """A JSON schema without what changes nothing for those who read a plan."""
    if isinstance(schema, dict):
        return {k: bare(v) for k, v in schema.items() if k not in WORDS | BOUNDS}
    return [bare(v) for v in schema] if isinstance(schema, list) else schema


def test_another_field_means_another_schema_version():
    fields = json.dumps(bare(Plan.model_json_schema()), sort_keys=True)
    assert {SCHEMA_VERSION: hashlib.sha256(fields.encode()).hexdigest()} == FIELDS_SHA256, "raise SCHEMA_VERSION, then note this"


def test_the_first_of_several_paths_of_a_side_is_meant():
    best, other = path("left", (25, 45, 0), (8, 2, -5)), path("left", (28, 45, 0), (9, 2, -5), kind="extrapedicular")
    right = path("right", (-25, 45, 0), (-8, 2, -5))
    assert sealed_plan(best, right, other, right).by_side == {"left": best, "right": right}
    assert list(sealed_plan(right, best, other).by_side) == ["right", "left"]
