"""The science of OpenPKP: from a spine CT to millilitres of cement and needle paths. Never imports rclpy."""

__version__ = "0.1.0"
