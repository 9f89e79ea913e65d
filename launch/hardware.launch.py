"""All nodes with the devices of a room, for an installed ROS: ros2 launch pkp_bringup hardware.launch.py run_folder:=…"""

from pkp_bringup.launching import description


def generate_launch_description():
    """What ros2 launch asks for."""
    return description("hardware")
