"""ROS parameters from a frozen pydantic model: one out of range, of the wrong type or misspelt ends the node at its start."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from planning_core.errors import InputError

Model = TypeVar("Model", bound=BaseModel)
ROS_OWN = ("use_sim_time", "start_type_description_service", "qos_overrides")


class ParameterRefusedError(InputError):
    """A parameter that cannot be used. Carries ``node``, ``parameter`` and ``value``."""

    code = "parameter_refused"


def checked(node: str, model: type[Model], given: dict[str, Any]) -> Model:
    """The model with the values given.

    Raises:
        ParameterRefusedError: names the first parameter that is wrong, its value and its range.
    """
    for name in given:
        if name.split(".")[0] not in ROS_OWN and name not in model.model_fields:
            known = ", ".join(model.model_fields)
            raise ParameterRefusedError(
                f"{node} has no parameter {name}; it has: {known}", node=node, parameter=name, value=given[name]
            )
    values = {name: value for name, value in given.items() if name in model.model_fields}
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]) or "?"
        given_as = "is missing" if first["type"] == "missing" else f"= {first['input']!r}: {first['msg'].lower()}"
        raise ParameterRefusedError(
            f"parameter {name} of {node} {given_as}{allowed(model, name)}",
            node=node,
            parameter=name,
            value=first["input"] if isinstance(first["input"], int | float | str) else str(first["input"]),
        ) from error


def allowed(model: type[BaseModel], name: str) -> str:
    """The range of a parameter in words, with what it is for; empty where it has none."""
    schema = model.model_json_schema()["properties"].get(name.split(".")[0], {})
    bounds = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
    words = [f"{word} {schema[key]:g}" for key, word in bounds.items() if key in schema]
    parts = [" ".join(words), schema.get("description", "")]
    said = "; ".join(p for p in parts if p)
    return f" ({said})" if said else ""
