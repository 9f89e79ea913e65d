"""The simulated camera's bench scenes, with the project's own plate for the arm's tool."""

import attrs
import numpy as np

from hardware_sim.tracker.scene import PhysicalTool, ScriptedScene, breathing
from planning_core.registration import load_plate


def breathing_with_plate() -> ScriptedScene:
    scene = breathing()
    plate = PhysicalTool("robot_ref", np.array(load_plate().markers_mm))
    return attrs.evolve(scene, tools={**scene.tools, "robot_ref": plate})
