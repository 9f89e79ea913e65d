"""The same bring-up as a launch description, where ROS has launch and launch_ros.

Simulated devices need ``sim_folder``, a room that was made ready (``python -m pkp_bringup.setting``).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from pkp_bringup.domain import loopback
from pkp_bringup.nodes import Kind, SimulatedRoom, bring_up
from pkp_bringup.parameter_file import read_parameters

RANGE = "ROS_AUTOMATIC_DISCOVERY_RANGE"
NO_PAGE = "0"


def description(kind: Kind) -> Any:
    """A LaunchDescription: each lifecycle node is configured and activated when the one before it is active."""
    from launch.actions import (
        DeclareLaunchArgument,
        EmitEvent,
        ExecuteProcess,
        OpaqueFunction,
        RegisterEventHandler,
        SetEnvironmentVariable,
    )
    from launch.events import matches_action
    from launch_ros.actions import LifecycleNode, Node
    from launch_ros.event_handlers import OnStateTransition
    from launch_ros.events.lifecycle import ChangeState
    from lifecycle_msgs.msg import Transition

    from launch import LaunchDescription

    def change(node: Any, transition: int) -> Any:
        return EmitEvent(event=ChangeState(lifecycle_node_matcher=matches_action(node), transition_id=transition))

    def actions(context: Any) -> list[Any]:
        given = context.launch_configurations
        made: list[Any] = [SetEnvironmentVariable(*variable) for variable in _on_this_machine().items()]
        before, room = None, None
        if kind != "hardware":
            room = SimulatedRoom.read(Path(given["sim_folder"]))
            made.append(SetEnvironmentVariable("OPENPKP_SIM", str(room.folder)))
        parameters = (
            {name: dict(of) for name, of in read_parameters(Path(given["parameters"])).items()} if given["parameters"] else {}
        )
        if kind == "gazebo":  # one arm for the world and for those who reckon with it
            for name in ("arm", "verification"):
                parameters[name] = {"model": given["arm"], **parameters.get(name, {})}
        words = None if given["port"] == NO_PAGE else ("--cases", str(Path(given["cases"]).resolve()), "--port", given["port"])
        for spec in bring_up(kind, Path(given["run_folder"]).resolve(), room, words, parameters):
            if spec.arguments is not None:
                words = [sys.executable, "-m", f"{spec.package}.{spec.module}", *spec.arguments]
                made.append(ExecuteProcess(cmd=words, name=spec.name, output="screen"))
                continue
            kind_of = LifecycleNode if spec.lifecycle else Node
            node = kind_of(
                name=spec.name,
                namespace="",
                package=spec.package,
                executable=spec.module,
                parameters=[spec.parameters],
                # in Gazebo the description with the simulated drives is robot_state_publisher's
                remappings=[("/robot_description", "/arm/robot_description")] if kind == "gazebo" and spec.name == "arm" else [],
            )
            made.append(node)
            if not spec.lifecycle:
                continue
            configure, activate = change(node, Transition.TRANSITION_CONFIGURE), change(node, Transition.TRANSITION_ACTIVATE)
            made.append(
                RegisterEventHandler(OnStateTransition(target_lifecycle_node=node, goal_state="inactive", entities=[activate]))
            )
            if before is None:
                made.append(configure)
            else:
                made.append(
                    RegisterEventHandler(
                        OnStateTransition(target_lifecycle_node=before, goal_state="active", entities=[configure])
                    )
                )
            before = node
        return made

    needed = (
        [] if kind == "hardware" else [DeclareLaunchArgument("sim_folder", description="python -m pkp_bringup.setting makes it")]
    )
    arguments = [
        DeclareLaunchArgument("run_folder", default_value="run"),
        DeclareLaunchArgument("parameters", default_value="", description="YAML file of the nodes' parameters"),
        DeclareLaunchArgument("cases", default_value="cases", description="of the operator's page: folder of the case folders"),
        DeclareLaunchArgument("port", default_value="8765", description=f"of the page, on loopback; {NO_PAGE}: no page"),
    ]
    return LaunchDescription([*needed, *arguments, OpaqueFunction(function=actions)])


def _on_this_machine() -> dict[str, str]:
    """Nodes talk on this machine alone, but for a user who has said how far discovery shall look."""
    return {} if RANGE in os.environ else loopback(int(os.environ.get("ROS_DOMAIN_ID", "0")))
