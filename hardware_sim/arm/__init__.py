"""A simulated arm whose true geometry is not the one on paper. No ROS: whoever wraps it steps its clock."""

from hardware_sim.arm.config import ArmConfig
from hardware_sim.arm.device import ArmFault, ArmMode, JointState, SimulatedArm
from hardware_sim.arm.geometry import NOMINAL, TrueGeometry

__all__ = ["NOMINAL", "ArmConfig", "ArmFault", "ArmMode", "JointState", "SimulatedArm", "TrueGeometry"]
