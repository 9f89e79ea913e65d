"""Between planning_core (mm, ml) and messages (SI). Nothing else converts."""

from __future__ import annotations

M_PER_MM = 1e-3
M3_PER_ML = 1e-6
PA_PER_KPA = 1e3


def metres(mm: float) -> float:
    """Millimetres to metres."""
    return mm * M_PER_MM


def millimetres(m: float) -> float:
    """Metres to millimetres."""
    return m / M_PER_MM


def cubic_metres(ml: float) -> float:
    """Millilitres to cubic metres."""
    return ml * M3_PER_ML


def millilitres(m3: float) -> float:
    """Cubic metres to millilitres."""
    return m3 / M3_PER_ML
