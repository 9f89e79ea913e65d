"""Simulated devices and all nodes, for an installed ROS: ros2 launch pkp_bringup sim.launch.py sim_folder:=…"""

from pkp_bringup.launching import description


def generate_launch_description():
    """What ros2 launch asks for."""
    return description("sim")
