"""Parameters of nodes from a file, as ROS writes them: a hospital's own ports, peers, tools, arm and cement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from planning_core.errors import InputError

if TYPE_CHECKING:
    from pkp_bringup.nodes import NodeSpec

ROS = "ros__parameters"
Parameters = Mapping[str, Mapping[str, Any]]
"""By a node's name: its parameters by theirs."""


class ParameterFileError(InputError):
    """A file of parameters that cannot be used. Carries ``file`` and what is wrong with it."""

    code = "parameter_file"


def read_parameters(path: Path) -> Parameters:
    """A file like ``tracker: {ros__parameters: {port: /dev/ttyS0}}``; each node checks its own values.

    Raises:
        ParameterFileError: not there, no YAML, or not so.
    """
    import yaml

    try:
        said = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ParameterFileError(f"{path.name} cannot be read: {error}", file=str(path)) from error
    if not isinstance(said, dict) or not all(isinstance(v, dict) and isinstance(v.get(ROS), dict) for v in said.values()):
        raise ParameterFileError(f"{path.name} does not hold `<node>: {{{ROS}: {{…}}}}` alone", file=str(path))
    return {str(name).removeprefix("/"): dict(of[ROS]) for name, of in said.items()}


def with_parameters(specs: Iterable[NodeSpec], given: Parameters) -> tuple[NodeSpec, ...]:
    """The nodes with theirs in place of the bring-up's.

    Raises:
        ParameterFileError: for a node that this bring-up does not have.
    """
    specs = tuple(specs)
    nodes = {spec.name for spec in specs if spec.arguments is None}
    strangers = sorted(set(given) - nodes)
    if strangers:
        raise ParameterFileError(
            f"parameters for {', '.join(strangers)}: there are {', '.join(sorted(nodes))}", unknown=strangers, known=sorted(nodes)
        )
    return tuple(attrs.evolve(spec, parameters={**spec.parameters, **given.get(spec.name, {})}) for spec in specs)
