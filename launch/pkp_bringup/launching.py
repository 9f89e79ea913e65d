"""The same bring-up as a launch description, where ROS has launch and launch_ros.

Simulated devices are started where ``sim_folder`` names a room that was made ready (``python -m pkp_bringup.setting``).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from pkp_bringup.nodes import Kind, SimulatedRoom, bring_up


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
        made: list[Any] = []
        before = None
        given = context.launch_configurations
        room = SimulatedRoom.read(Path(given["sim_folder"])) if given["sim_folder"] else None
        if room is not None:
            made.append(SetEnvironmentVariable("OPENPKP_SIM", str(room.folder)))
        for spec in bring_up(kind, Path(given["run_folder"]).resolve(), (), room):
            if spec.arguments is not None:
                words = [sys.executable, "-m", f"{spec.package}.{spec.module}", *spec.arguments]
                made.append(ExecuteProcess(cmd=words, name=spec.name, output="screen"))
                continue
            kind_of = LifecycleNode if spec.lifecycle else Node
            node = kind_of(
                name=spec.name, namespace="", package=spec.package, executable=spec.module, parameters=[spec.parameters]
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

    folders = [DeclareLaunchArgument("run_folder", default_value="run"), DeclareLaunchArgument("sim_folder", default_value="")]
    return LaunchDescription([*folders, OpaqueFunction(function=actions)])
