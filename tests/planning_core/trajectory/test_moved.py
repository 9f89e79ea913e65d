import numpy as np
import pytest

from planning_core.anatomy.levels import VertebraLevel
from planning_core.case.plan import path_record
from planning_core.trajectory.moved import CurvedPathError, NoWayThroughError, judge_moved
from planning_core.trajectory.plan import PathKind
from planning_core.trajectory.planner import prepared
from tests.planning_core.case.conftest import planned  # noqa: F401

L1 = VertebraLevel.L1


@pytest.fixture(scope="module")
def ground(planned):  # noqa: F811
    subject, _ = planned
    setting, corridors = prepared(subject.spine, L1, None, subject.ct)
    return subject.trajectories.paths, setting, corridors


def straight(paths):
    return [p for p in paths if p.kind is not PathKind.CURVED]


def judged(ground, path, entry, target):
    _, setting, corridors = ground
    return judge_moved(setting, corridors[path.side], path.kind, path.diameter_mm, entry, target)


def test_a_path_that_was_not_moved_keeps_its_numbers(ground):
    for path in straight(ground[0]):
        again = judged(ground, path, path.entry_lps_mm, path.target_lps_mm)
        assert again.objections == ()
        was, now = path_record(path).model_dump(), path_record(again.trajectory).model_dump()
        assert was.pop("p_breach") == pytest.approx(now.pop("p_breach"), abs=2e-3)
        for name in ("clearance_mm", "canal_mm", "tip_margin_mm", "depth_mm", "convergence_deg"):
            assert was[name] == pytest.approx(now[name], abs=0.02), (path.kind, name)
        assert was["grade"] == now["grade"]
        np.testing.assert_allclose(was["entry_mm"], now["entry_mm"], atol=0.02)


def test_an_entry_dragged_along_the_axis_is_the_same_path(ground):
    path = straight(ground[0])[0]
    way = path.entry_lps_mm - path.target_lps_mm
    again = judged(ground, path, path.target_lps_mm + 1.4 * way, path.target_lps_mm)
    np.testing.assert_allclose(again.trajectory.entry_lps_mm, path.entry_lps_mm, atol=0.02)
    assert again.trajectory.clearance_mm == pytest.approx(path.clearance_mm, abs=0.02)


def test_a_path_through_the_canal_is_objected_to(ground):
    path = straight(ground[0])[0]
    towards = -np.sign(path.entry_lps_mm[0] - ground[2][path.side].to_lps(np.zeros(3))[0])
    moved = judged(ground, path, path.entry_lps_mm + [14 * towards, 0, 0], path.target_lps_mm + [10 * towards, 0, 0])
    assert any("canal" in o or "pedicle" in o for o in moved.objections)
    if moved.trajectory is not None:
        assert moved.trajectory.p_breach > 0.9


def test_backwards_short_and_nowhere_are_refused_by_name(ground):
    path = straight(ground[0])[0]
    for entry, target in (
        (path.target_lps_mm, path.entry_lps_mm),
        (path.entry_lps_mm, path.entry_lps_mm),
        (path.entry_lps_mm, path.entry_lps_mm + [0, -4.0, 0]),
        (path.entry_lps_mm, np.array([np.nan, 0, 0])),
    ):
        with pytest.raises(NoWayThroughError) as refused:
            judged(ground, path, entry, target)
        assert len(refused.value.entry_mm) == 3


def test_a_curved_path_is_not_moved_by_hand(ground):
    _, setting, corridors = ground
    side = next(iter(corridors))
    with pytest.raises(CurvedPathError):
        judge_moved(setting, corridors[side], PathKind.CURVED, 3.2, np.zeros(3), np.ones(3))
