"""Needle paths, their clearance, grade and breach probability."""
