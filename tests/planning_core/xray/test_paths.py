import attrs
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.vertebra import Side, Spine
from planning_core.trajectory.breach import breach_probability
from planning_core.trajectory.config import TrajectoryConfig
from planning_core.trajectory.measures import Lines
from planning_core.trajectory.plan import ErrorBudget, PathKind
from planning_core.trajectory.planner import NoSafePathError, plan_trajectories, prepared
from planning_core.xray.clicks import Clicks
from planning_core.xray.drawn_walls import DrawnWalls
from planning_core.xray.paths import axis_gap_mm, cross_checks, plan_on_reconstruction
from planning_core.xray.rebuilt import rebuilt_vertebra
from tests.planning_core.xray.rebuilding import clicks_on, rebuilt, views

L1 = VertebraLevel.L1
BUDGET = ErrorBudget(0.5, 0.12, 0.35, 0.0, 1.0)


@pytest.fixture(scope="module")
def planned():
    found = rebuilt()
    return found, plan_on_reconstruction(found)


def straight(plan):
    return {p.side: p for p in plan.trajectories.paths if p.kind is PathKind.TRANSPEDICULAR}


def test_both_paths_run_through_the_models_pedicles_in_the_views_frame(planned):
    found, plan = planned
    assert plan.frame == "carm"
    paths = straight(plan)
    assert set(paths) == set(Side)
    for side, path in paths.items():
        assert axis_gap_mm(found.shape, side, path.entry_lps_mm, path.target_lps_mm) < 2.5
        assert path.clearance_mm > 1
        assert path.resolution_mm == pytest.approx(plan.wall_sd_mm)
    assert paths[Side.LEFT].target_lps_mm[0] > paths[Side.RIGHT].target_lps_mm[0]


def test_what_the_pictures_leave_open_makes_a_breach_likelier(planned):
    _, plan = planned
    path = straight(plan)[Side.LEFT]
    corridor = prepared(Spine({L1: plan.vertebra}, {}), L1)[1][Side.LEFT]
    entry, target = corridor.from_frame(corridor.to_ct.inverse().apply(path.waypoints_lps_mm))
    lines = Lines((0.6 * entry + 0.4 * target)[None], target[None])
    shares = []
    for spread in (0.2, 0.6, 2.0):
        found = rebuilt(spread=spread)
        judge = DrawnWalls.of(found.shape, found.draws(24, 1))
        shares.append(judge(corridor, lines, entry, path.diameter_mm / 2, True, BUDGET, 960, 1).value)
    assert shares[0] < shares[1] < shares[2]


@pytest.mark.slow
def test_the_same_reconstruction_gives_the_same_plan(planned):
    found, plan = planned
    again = plan_on_reconstruction(found)
    for one, other in zip(plan.trajectories.paths, again.trajectories.paths, strict=True):
        assert np.array_equal(one.waypoints_lps_mm, other.waypoints_lps_mm)
        assert one.p_breach == other.p_breach


@pytest.mark.slow
def test_a_turned_vertebra_has_its_paths_turned_with_it(planned):
    _, plan = planned
    turn = Rotation.from_euler("zyx", [8, -5, 12], degrees=True).as_matrix()
    turned = plan_on_reconstruction(rebuilt(frame="ct_lps", turn=turn, place=(-50.0, 80.0, -200.0)))
    assert turned.frame == "ct_lps"
    there = turned.vertebra.ct_lps_from_vertebra.inverse()
    here = plan.vertebra.ct_lps_from_vertebra.inverse()
    for side, path in straight(plan).items():
        other = straight(turned)[side]
        assert there.apply(other.waypoints_lps_mm) == pytest.approx(here.apply(path.waypoints_lps_mm), abs=1e-6)


def test_over_draws_without_spread_a_breach_is_as_likely_as_on_a_ct():
    found = rebuilt(VertebraLevel.T10)
    vertebra = rebuilt_vertebra(found.shape, found.level, 0.3)
    judge = attrs.evolve(DrawnWalls.of(found.shape, np.repeat(found.shape.vertices[None], 3, axis=0)), rest_mm=0.0)
    setting, beside = prepared(Spine({found.level: vertebra}, {}), found.level)
    for corridor in beside.values():
        gate = corridor.centre
        lines = Lines(gate[None], (gate + [-8.0, -30.0, 0.0])[None])
        entry = gate - 15 * lines.direction[0]
        for radius in (1.6, 2.4):
            drawn = judge(corridor, lines, entry, radius, True, BUDGET, 3000, 1)
            known = breach_probability(corridor, lines, entry, radius, True, BUDGET, 3000, 1)
            assert drawn.value == pytest.approx(known.value, abs=0.12)
    assert setting.judge is breach_probability


def test_clicks_that_agree_raise_no_doubt():
    found, some = rebuilt(), views()
    checks = cross_checks(found, some, clicks_on(found, some))
    assert len(checks) == 3
    assert all(check.apart_mm < 0.01 and not check.doubt for check in checks)


def test_a_click_on_the_neighbour_is_a_doubt():
    found = rebuilt()
    some = views()
    shifted = Clicks([pixels + [50.0, 0.0] for pixels in clicks_on(found, some).pixels])
    doubts = [check.doubt for check in cross_checks(found, some, shifted)]
    assert all("as clicked lies" in doubt for doubt in doubts)


def test_clicks_on_different_heights_are_a_doubt_about_the_clicks():
    found = rebuilt()
    some = views()
    one, other = clicks_on(found, some).pixels
    (check,) = cross_checks(found, some, Clicks([one[:1], other[:1] + [25.0, 0.0]]))
    assert "miss each other" in check.doubt


def test_no_path_leads_past_a_pedicle_where_two_pictures_show_nothing():
    timid = TrajectoryConfig(wanted_clearance_mm=6.0, breach_samples=100)  # no pedicle is wide enough for that
    plan = plan_on_reconstruction(rebuilt(), timid)
    on_ct = plan_trajectories(Spine({L1: plan.vertebra}, {}), L1, config=timid)
    assert sum(path.kind is PathKind.EXTRAPEDICULAR for path in on_ct.paths) == 2
    assert {path.kind for path in plan.trajectories.paths} == set(PathKind) - {PathKind.EXTRAPEDICULAR}
    assert sum("extrapedicular: not offered from X-rays" in str(why) for why in plan.trajectories.refused) == 2


def test_where_only_ways_past_the_pedicles_are_left_there_is_no_path():
    wide = TrajectoryConfig(cannulas=("8G",), least_clearance_mm=4.0, breach_samples=100)
    with pytest.raises(NoSafePathError, match="no safe path on either side") as refused:
        plan_on_reconstruction(rebuilt(), wide)
    assert refused.value.exit_status == 4
    assert 0.0 < refused.value.best_clearance_mm < 4.0
    assert sum("not offered from X-rays" in why for why in refused.value.refused) == 2
