"""``./pkp up --sim --auto``: one whole procedure in the simulated room, and one JSON object about it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from pkp_control.planned_path import entry_depth_mm
from pkp_lifecycle.node import KEPT
from pkp_msgs import msg
from pkp_supervisor.report import write_report
from rclpy.node import Node

from pkp_simulation.operator import Operator, Spin
from pkp_simulation.procedure import Done, Hands, Subject, carry_out
from pkp_simulation.witness import TipError, Witness
from planning_core.case.plan import Plan
from planning_core.errors import PkpError
