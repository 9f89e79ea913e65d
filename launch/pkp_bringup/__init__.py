"""Starts the nodes of a bring-up in order, watches them, and ends them in reverse."""
