"""The nodes with the arm in Gazebo (ros_gz_sim, gz_ros2_control): ros2 launch pkp_bringup gazebo.launch.py sim_folder:=…

Tracker and injector stay the simulated ones on their serial lines; the arm is the same node on the same ros2_control interface.
"""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import Command, LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from pkp_bringup.launching import description


def generate_launch_description():
    """What ros2 launch asks for."""
    described = Path(get_package_share_directory("pkp_description"))
    gazebo = Path(get_package_share_directory("ros_gz_sim")) / "launch/gz_sim.launch.py"
    controllers = described / "gazebo/controllers.yaml"
    arguments = [f"{described / 'room.urdf.xacro'} arm:=", LaunchConfiguration("arm"), f" gazebo_controllers:={controllers}"]
    room = ParameterValue(Command(["xacro ", *arguments]), value_type=str)
    made = description("gazebo")
    for action in (
        DeclareLaunchArgument("arm", default_value="ur5"),
        IncludeLaunchDescription(
            PythonLaunchDescriptionSource(str(gazebo)),
            launch_arguments={"gz_args": f"-r {described / 'gazebo/room.sdf'}"}.items(),
        ),
        Node(
            package="robot_state_publisher",
            executable="robot_state_publisher",
            parameters=[{"robot_description": room}],
            remappings=[("/tf", "/gazebo/tf"), ("/tf_static", "/gazebo/tf_static")],  # the frames are the arm node's to say
        ),
        Node(package="ros_gz_sim", executable="create", arguments=["-topic", "robot_description", "-name", "room"]),
        Node(package="controller_manager", executable="spawner", arguments=["joint_state_broadcaster"]),
        Node(package="controller_manager", executable="spawner", arguments=["forward_position_controller"]),
    ):
        made.add_action(action)
    return made
