"""Whether the arm is where it was sent: a controller that has stopped by itself goes on telling joints, and says no more."""

from __future__ import annotations

from collections import deque

import numpy as np

from pkp_control.kinematics import Joints

LATE_PERIODS = 5
TRAIL_S = 0.08
"""Setpoints of so long ago may be where the arm is now: what a servo lags behind, several times."""


class Lag:
    """Distance of measured joints from all that was lately sent: a servo's own delay is none, a standing arm is.

    Args:
        most_rad: of one joint; more, for ``LATE_PERIODS`` in a row, is too much.
    """

    def __init__(self, most_rad: float) -> None:
        self._most_rad = most_rad
        self._trail = deque[tuple[float, Joints]](maxlen=64)
        self._late = 0

    def sent(self, now_s: float, setpoint: Joints) -> None:
        """One more setpoint (6,) rad."""
        self._trail.append((now_s, setpoint))

    def too_much(self, stamp_s: float, joints: Joints) -> float | None:
        """By how much (6,) rad, measured at ``stamp_s``, are behind where it was too much for too long; once a period."""
        recent = [setpoint for sent_s, setpoint in self._trail if sent_s >= stamp_s - TRAIL_S]
        if not recent:
            return None
        behind = float(np.abs(np.array(recent) - joints).max(axis=1).min())
        self._late = self._late + 1 if behind > self._most_rad else 0
        return behind if self._late >= LATE_PERIODS else None
