"""Paths in a vertebra whose answer is known, and in a real fracture."""

from functools import cache

import attrs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planning_core.anatomy.label_file import LabelFileSegmenter
from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.modelling import model_spine
from planning_core.anatomy.vertebra import Side, Spine
from planning_core.trajectory import planner
from planning_core.trajectory.config import CANNULA_DIAMETER_MM, TrajectoryConfig
from planning_core.trajectory.corridor import corridors
from planning_core.trajectory.cost import Task
from planning_core.trajectory.measures import Lines
from planning_core.trajectory.plan import BreachGrade, PathKind, Trajectory, TrajectoryPlan
from planning_core.trajectory.planner import NoSafePathError, plan_trajectories
from planning_core.trajectory.search import Found
from tests.data import VERSE012_MASK, shared_data
from tests.planning_core.trajectory.tubes import CANAL_RADIUS_MM, LEVEL, WALL_MM, Tube, axis, spine, vertebra

WORKING = TrajectoryConfig(cannulas=("11G working",), breach_samples=200)
tubes = st.builds(Tube, st.floats(2.8, 5.0), st.floats(0.0, 6.0), st.floats(0.0, 15.0))


@cache
def _plan(left: Tube, right: Tube, cannula: str = "11G working") -> TrajectoryPlan:
    return plan_trajectories(spine(vertebra(left, right)), LEVEL, None, None, _config(cannula))


def _config(cannula: str) -> TrajectoryConfig:
    return WORKING.model_copy(update={"cannulas": (cannula,)})


def _path(plan: TrajectoryPlan, side: Side, kind: PathKind = PathKind.TRANSPEDICULAR) -> Trajectory:
    return next(p for p in plan.paths if p.side is side and p.kind is kind)


def _in_frame(path: Trajectory) -> np.ndarray:
    return vertebra().ct_lps_from_vertebra.inverse().apply(path.waypoints_lps_mm)


@pytest.mark.parametrize("radius", [3.0, 3.5, 4.0])
def test_the_path_runs_through_the_middle_of_a_tube(radius: float) -> None:
    tube = Tube(radius, convergence_deg=8.0)
    path = _path(_plan(tube, tube), Side.LEFT)
    # the field is linear between samples 1 mm apart, which blunts its ridge by up to half a millimetre
    assert radius - 1.6 - 0.6 < path.clearance_mm < radius - 1.6 + 0.05
    entry, tip = _in_frame(path)
    centre, way = axis(Side.LEFT, tube)
    direction = (tip - entry) / np.linalg.norm(tip - entry)
    nearest = entry + ((centre - entry) @ direction) * direction
    assert np.linalg.norm(nearest - centre) < 0.9
    assert direction @ way > np.cos(np.radians(12.0))


def test_left_is_the_patients_left() -> None:
    plan = _plan(Tube(), Tube())
    assert _in_frame(_path(plan, Side.LEFT))[:, 0].min() > 0
    assert _in_frame(_path(plan, Side.RIGHT))[:, 0].max() < 0


def test_tips_lie_in_the_anterior_third_with_bone_all_round() -> None:
    for side in Side:
        path = _path(_plan(Tube(), Tube()), side)
        tip = _in_frame(path)[-1]
        assert -15.0 + 3.0 < tip[1] < -5.0
        assert path.endplate_mm > 3.0
        assert path.anterior_mm >= 3.0


def test_entry_lies_on_the_bone_behind_the_canal() -> None:
    entry = _in_frame(_path(_plan(Tube(), Tube()), Side.LEFT))[0]
    assert abs(float(vertebra().whole.at(entry))) < 0.2
    assert entry[1] > 34.0


@settings(max_examples=3, deadline=None, derandomize=True)
@given(tubes, tubes)
def test_mirrored_anatomy_gives_mirrored_paths(left: Tube, right: Tube) -> None:
    plan, mirrored = _plan(left, right), _plan(right, left)
    for side, other in ((Side.LEFT, Side.RIGHT), (Side.RIGHT, Side.LEFT)):
        here, there = _path(plan, side), _path(mirrored, other)
        np.testing.assert_allclose(_in_frame(here), _in_frame(there) * [-1, 1, 1], atol=1e-6)
        assert here.clearance_mm == pytest.approx(there.clearance_mm, abs=1e-6)
        assert here.p_breach == there.p_breach


def test_a_larger_cannula_never_has_more_room() -> None:
    names = sorted(("13G", "11G working", "8G"), key=CANNULA_DIAMETER_MM.__getitem__)
    clearances = [_path(_plan(Tube(3.8), Tube(3.8), name), Side.LEFT).clearance_mm for name in names]
    assert all(a > b for a, b in zip(clearances, clearances[1:], strict=False))


def test_the_same_input_gives_the_same_bytes() -> None:
    once, again = (plan_trajectories(spine(vertebra()), LEVEL, None, None, WORKING) for _ in range(2))
    for a, b in zip(once.paths, again.paths, strict=True):
        assert a.waypoints_lps_mm.tobytes() == b.waypoints_lps_mm.tobytes()
        assert attrs.astuple(a.margins) == attrs.astuple(b.margins)
        assert (a.p_breach, a.clearance_mm, a.canal_mm) == (b.p_breach, b.clearance_mm, b.canal_mm)


def test_both_transpedicular_paths_come_first() -> None:
    plan = _plan(Tube(), Tube())
    assert [p.kind for p in plan.paths[:2]] == [PathKind.TRANSPEDICULAR] * 2
    assert [p.side for p in plan.paths[:2]] == [Side.LEFT, Side.RIGHT]


def test_a_crossing_path_reaches_the_midline_and_a_curved_one_the_other_half() -> None:
    plan = _plan(Tube(4.5, convergence_deg=12.0), Tube(4.5, convergence_deg=12.0))
    crossing = _in_frame(_path(plan, Side.LEFT, PathKind.CROSSING))
    curved = _in_frame(_path(plan, Side.LEFT, PathKind.CURVED))
    assert crossing[0, 0] > 0 >= crossing[-1, 0]
    assert len(curved) == 3
    assert curved[1, 0] > 0 > curved[-1, 0]


def test_no_path_touches_the_canal() -> None:
    for path in _plan(Tube(3.0), Tube(4.5)).paths:
        way = _in_frame(path)
        steps = np.vstack([a + np.linspace(0, 1, 200)[:, None] * (b - a) for a, b in zip(way[:-1], way[1:], strict=True)])
        gap = np.hypot(steps[:, 0], steps[:, 1] - 23.0) - 8.0 - path.diameter_mm / 2
        assert gap.min() > 0
        assert path.canal_mm == pytest.approx(gap.min(), abs=0.4)


def test_a_narrow_pedicle_is_left_to_the_extrapedicular_way_and_refused_by_name() -> None:
    plan = _plan(Tube(1.0), Tube(4.0))
    assert not [p for p in plan.paths if p.side is Side.LEFT and p.kind is PathKind.TRANSPEDICULAR]
    assert any(str(r).startswith("left transpedicular") and "clearance" in r.why for r in plan.refused)
    beside = _path(plan, Side.LEFT, PathKind.EXTRAPEDICULAR)
    assert beside.canal_mm >= TrajectoryConfig().least_canal_extrapedicular_mm - 1e-6
    assert _path(plan, Side.RIGHT).grade is BreachGrade.A
    assert not [p for p in plan.paths if p.side is Side.RIGHT and p.kind is PathKind.EXTRAPEDICULAR]


def test_a_kind_that_is_not_offered_is_refused_with_its_reason_and_the_numbers_of_what_was_tried() -> None:
    without = {PathKind.EXTRAPEDICULAR: "nobody has looked there"}
    plan = plan_trajectories(spine(vertebra(Tube(1.0), Tube(4.0))), LEVEL, None, None, WORKING, without=without)
    assert {path.side for path in plan.paths} == {Side.RIGHT}
    assert "left extrapedicular: nobody has looked there" in map(str, plan.refused)
    with pytest.raises(NoSafePathError, match="mm of bone beside the cannula") as refusal:
        plan_trajectories(spine(vertebra(Tube(1.0), Tube(1.0))), LEVEL, None, None, WORKING, without=without)
    assert -2.0 < refusal.value.best_clearance_mm < 0.0
    assert sum("nobody has looked there" in why for why in refusal.value.refused) == 2


def test_a_slimmer_cannula_is_taken_where_the_first_is_too_wide() -> None:
    plan = plan_trajectories(spine(vertebra(Tube(2.6), Tube(4.0))), LEVEL, None, None, TrajectoryConfig(breach_samples=200))
    assert _path(plan, Side.LEFT).diameter_mm == CANNULA_DIAMETER_MM["13G"]
    assert _path(plan, Side.RIGHT).diameter_mm == CANNULA_DIAMETER_MM["11G working"]


def test_no_safe_path_says_how_near_it_came() -> None:
    flat = vertebra(Tube(1.0), Tube(1.0), body_half_height_mm=2.0)
    with pytest.raises(NoSafePathError) as refusal:
        plan_trajectories(spine(flat), LEVEL, None, None, WORKING)
    assert refusal.value.exit_status == 4
    assert refusal.value.level == "L2"
    assert len(refusal.value.refused) >= 4


@cache
def _verse012() -> Spine:
    levels = [VertebraLevel.T12, VertebraLevel.L1, VertebraLevel.L2]
    return model_spine(LabelFileSegmenter(shared_data(VERSE012_MASK)).read(), None, levels)


def test_both_pedicles_of_a_real_fracture_are_passed_in_grade_a() -> None:
    plan = plan_trajectories(_verse012(), VertebraLevel.L1, None, None, WORKING)
    for side in Side:
        path = _path(plan, side)
        assert path.grade is BreachGrade.A
        assert path.clearance_mm >= 1.0
        assert path.canal_mm >= 1.0
        assert path.resolution_mm == pytest.approx(1.5, abs=0.05)


def test_where_the_best_line_fails_a_close_look_the_next_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = planner.search

    def search(task: Task) -> Found | None:
        """The cheapest line ends in the canal, which no coarse sample saw."""
        found = honest(task)
        if found is None:
            return None
        gate, tip = found.lines.gate, found.lines.tip
        bad = Lines(np.vstack([[0.0, 23.0, 0.0], gate]), np.vstack([[0.0, -8.0, 0.0], tip]))
        return Found(bad, np.concatenate([[-1.0], found.cost]))

    monkeypatch.setattr(planner, "search", search)
    plan = plan_trajectories(spine(vertebra(Tube(3.5), Tube(3.5))), LEVEL, None, None, WORKING)
    assert _path(plan, Side.LEFT).clearance_mm > 1.0
    assert _path(plan, Side.LEFT).canal_mm > 1.0


@pytest.mark.parametrize("radius", [2.8, 3.1])
def test_bone_beside_the_cannula_is_worth_more_than_the_target(radius: float) -> None:
    # the tube points straight on, the aim lies well inside of it
    tube = Tube(radius, convergence_deg=0.0)
    best = _path(_plan(tube, tube), Side.LEFT)
    assert best.clearance_mm > radius - 1.6 - 0.45


def test_thick_slices_keep_the_path_further_from_the_walls_they_blur() -> None:
    thin = vertebra(Tube(3.5), Tube(3.5))
    thick = attrs.evolve(thin, voxel_mm=[1.0, 1.0, 3.0])
    point = np.array([[CANAL_RADIUS_MM + 5.5, WALL_MM + 4.0, 4.0 + 1.5]])
    sharp, blurred = (corridors(v, ())[Side.LEFT] for v in (thin, thick))
    assert blurred.depth(point) == pytest.approx(sharp.depth(point))
    assert blurred.least_sure_depth(point[None])[0] < sharp.least_sure_depth(point[None])[0] - 0.5


@pytest.mark.parametrize("side", list(Side))
def test_a_path_keeps_to_the_middle_of_where_the_pedicle_may_stand(side: Side) -> None:
    known, away = spine(vertebra(Tube(3.5), Tube(3.5))), np.array([1.0 if side is Side.LEFT else -1.0, 0.0, 0.5])
    back = known.vertebrae[LEVEL].ct_lps_from_vertebra.inverse()
    paths = {}
    for name, offsets in (("sure", {}), ("unsure", {side: np.array([away - [0.7, 0, 0], away + [0.7, 0, 0]])})):
        plan = plan_trajectories(known, LEVEL, None, None, WORKING, offsets_mm=offsets)
        paths[name] = {s: _path(plan, s) for s in Side}
    for s in Side:
        at = [back.apply(p[s].entry_lps_mm + 0.5 * (p[s].target_lps_mm - p[s].entry_lps_mm)) for p in paths.values()]
        moved = (at[1] - at[0])[[0, 2]]
        assert moved == pytest.approx(away[[0, 2]] if s is side else [0.0, 0.0], abs=0.5)
    # what is said of the path is said of where the pedicle most likely stands
    assert paths["unsure"][side].clearance_mm == pytest.approx(paths["sure"][side].clearance_mm, abs=0.4)
