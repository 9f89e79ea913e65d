"""What each process of a bring-up may say and hear: a policy for SROS2, written from one table.

``python -m pkp_bringup.permissions > policy.xml`` prints it; docs/safety.md says what to do with it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import attrs
from pkp_lifecycle import names

from pkp_bringup.nodes import bring_up

TF, TF_STATIC = "/tf", "/tf_static"
DECISIONS = (names.APPROVE, names.ACKNOWLEDGE, names.REARM, names.CONFIRM_INSERTION, names.ADVANCE)
PLANNING = (names.RECONSTRUCT, names.RECONSTRUCT_XRAYS, names.PLAN_CASE, names.PLAN_CEMENT, names.PLAN_TRAJECTORY)
EVERY_NODE = ("/rosout", "/parameter_events")
OWN_SERVICES = ("change_state", "get_state", "get_available_states", "get_available_transitions", "get_transition_graph")
OWN_OF_EVERY_NODE = (
    "get_type_description",
    *("describe_parameters", "get_parameter_types", "get_parameters", "list_parameters", "set_parameters"),
    "set_parameters_atomically",
)


@attrs.frozen
class Access:
    """Topics, services and actions by absolute name; ``hears`` of the recorder is everything.

    Args:
        says, hears: topics. serves, calls: services. carries_out, asks_for: actions. beats: it is one of our lifecycle nodes.
    """

    says: tuple[str, ...] = ()
    hears: tuple[str, ...] = ()
    serves: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()
    carries_out: tuple[str, ...] = ()
    asks_for: tuple[str, ...] = ()
    beats: bool = True


ACCESS: Mapping[str, Access] = {
    "recorder": Access(says=(names.RECORDER,), hears=("*",)),
    "ct_ingest": Access(says=(names.CT, names.RECEIVED), carries_out=(names.INGEST_CT,)),
    "planner": Access(says=(names.PLAN,), carries_out=PLANNING),
    "tracker": Access(says=(names.TOOLS, TF), hears=(names.SAFETY,)),
    "registration": Access(
        says=(names.REGISTRATION, TF_STATIC), hears=(names.RECEIVED, names.CT, names.TOOLS), carries_out=(names.REGISTER,)
    ),
    "arm": Access(
        says=(
            *(names.JOINT_COMMANDS, names.ARM_STATE, names.ARM_MEASURED_JS, names.ARM_MEASURED_CP, names.ARM_SETPOINT_CP),
            *(names.ROBOT_DESCRIPTION, TF, TF_STATIC),
        ),
        hears=(names.JOINT_STATES, names.TOOLS, names.STATE_COMMAND, names.REGISTRATION),
        calls=(names.STOP,),
        carries_out=(names.APPROACH,),
    ),
    "verification": Access(says=(names.VERIFICATION,), hears=(names.TOOLS, names.REGISTRATION, names.STATE_COMMAND)),
    "injector": Access(
        says=(names.INJECTOR, names.INJECTOR_STATE),
        hears=(names.STATE_COMMAND, names.HOLD_TO_RUN),
        calls=(names.STOP,),
        carries_out=(names.INJECT,),
    ),
    "supervisor": Access(
        says=(names.STATE_COMMAND, names.PHASE, names.SAFETY),
        hears=(
            *(names.HEARTBEAT, names.STATE_COMMAND, names.CT, names.PLAN, names.REGISTRATION, names.VERIFICATION),
            *(names.INJECTOR, names.ARM_STATE, names.INJECTOR_STATE),
        ),
        serves=(names.STOP, *DECISIONS),
    ),
    "console": Access(
        says=(names.HOLD_TO_RUN,),
        hears=(
            *(names.PHASE, names.SAFETY, names.VERIFICATION, names.INJECTOR, names.REGISTRATION, names.ARM_STATE),
            *(names.INJECTOR_STATE, names.RECORDER, names.CT, names.RECEIVED, names.PLAN, names.TOOLS, names.ROBOT_DESCRIPTION),
            *(TF, TF_STATIC),
        ),
        calls=(names.STOP, *DECISIONS),
        asks_for=(names.INGEST_CT, *PLANNING, names.REGISTER, names.APPROACH, names.INJECT),
        beats=False,
    ),
    "pkp_up": Access(calls=("*/change_state", "*/get_state"), beats=False),
    "arm_sim": Access(
        says=(names.JOINT_STATES, names.SIM_TRUTH_TF),
        hears=(names.JOINT_COMMANDS,),
        carries_out=(names.FOLLOW_TRAJECTORY,),
        beats=False,
    ),
}
"""In the simulated room ``arm_sim`` stands for the arm's own controller, which has the vendor's policy on hardware."""


def own_services(node: str, lifecycle: bool = True) -> tuple[str, ...]:
    """What rclpy itself serves in a process, for its node and the one beside it (pkp_lifecycle/polled.py)."""
    names_of_it = (*(OWN_SERVICES if lifecycle else ()), *OWN_OF_EVERY_NODE)
    return (*(f"/{node}/{name}" for name in names_of_it), f"/{node}_loop/get_type_description")


def policy(access: Mapping[str, Access] = ACCESS) -> str:
    """The table as a policy for ``ros2 security generate_artifacts``: an enclave for each process."""
    root = ElementTree.Element("policy", version="0.2.0")
    enclaves = ElementTree.SubElement(root, "enclaves")
    for node, may in access.items():
        profiles = ElementTree.SubElement(ElementTree.SubElement(enclaves, "enclave", path=f"/{node}"), "profiles")
        profile = ElementTree.SubElement(profiles, "profile", ns="/", node=node)
        beat = (names.HEARTBEAT, f"/{node}/transition_event") if may.beats else ()
        for group, kind, mode, which in (
            ("topics", "topic", "publish", (*EVERY_NODE, *beat, *may.says)),
            ("topics", "topic", "subscribe", may.hears),
            ("services", "service", "reply", (*own_services(node, may.beats), *may.serves)),
            ("services", "service", "request", may.calls),
            ("actions", "action", "execute", may.carries_out),
            ("actions", "action", "call", may.asks_for),
        ):
            if which:
                part = ElementTree.SubElement(profile, group, {mode: "ALLOW"})
                for name in which:
                    ElementTree.SubElement(part, kind).text = name
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def without_row() -> list[str]:
    """Processes of the hardware's bring-up that the table forgets."""
    return [spec.name for spec in bring_up("hardware", Path("run")) if spec.name not in ACCESS]


def main() -> int:
    """Print the policy."""
    sys.stdout.write(policy())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
