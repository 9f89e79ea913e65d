"""A room in one process, played by a script: every topic, service and action that the console touches, and no device.

The workflow is the supervisor's own table; poses, delivery and breath are made up. For tests and measurements of the console.
"""
