"""Optical tracker and registration of OpenPKP; modules without rclpy, and thin nodes on top of them."""
