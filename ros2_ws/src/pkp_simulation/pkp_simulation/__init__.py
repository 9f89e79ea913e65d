"""Simulated devices that speak ROS themselves, as a vendor's driver would."""
