"""The way from the skin."""

import numpy as np

from planning_core.geometry import Grid
from planning_core.imaging.volume import CtVolume
from planning_core.trajectory.skin import way_in

FORWARDS = np.array([0.0, -1.0, 0.0])
ENTRY = np.array([20.0, 40.0, 10.0])


def _ct(layers: list[tuple[float, int]]) -> CtVolume:
    """HU by depth behind y = 0: (thickness mm, HU)."""
    rows = np.concatenate([np.full(int(thickness), hu) for thickness, hu in layers]).astype(np.int16)
    return CtVolume(
        np.broadcast_to(rows[None, :, None], (20, len(rows), 40)), Grid((20, len(rows), 40), [1, 1, 1], [0, 0, 0]), "0" * 64
    )


def test_skin_is_where_the_air_begins() -> None:
    way = way_in(_ct([(90, 50), (40, -1000)]), ENTRY, FORWARDS, -400.0)
    assert way.skin_mm is not None
    assert abs(way.skin_mm - 50) <= 1
    assert not way.through_air


def test_no_skin_inside_the_scan_is_none() -> None:
    assert way_in(_ct([(130, 50)]), ENTRY, FORWARDS, -400.0).skin_mm is None


def test_the_tables_shell_is_not_tissue() -> None:
    way = way_in(_ct([(90, 50), (20, -1000), (3, 100), (20, -900)]), ENTRY, FORWARDS, -400.0)
    assert way.skin_mm is not None
    assert not way.through_air


def test_lung_on_the_way_is_seen() -> None:
    assert way_in(_ct([(55, 50), (25, -850), (25, 40), (30, -1000)]), ENTRY, FORWARDS, -400.0).through_air
