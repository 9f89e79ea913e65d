"""Devices and patients that are not in the room."""
