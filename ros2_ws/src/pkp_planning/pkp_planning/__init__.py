"""Ingest and planning as actions; the science is planning_core's."""
