import functools

import numpy as np
import pytest

from benchmarks.compression import compress
from planning_core.anatomy.label_file import LabelFileSegmenter
from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.modelling import model_spine
from planning_core.cement.plan import Verdict
from planning_core.cement.planner import plan_cement
from tests.data import THORACIC_MASK, VERSE005_MASK, VERSE012_MASK, shared_data

L1 = VertebraLevel.L1


@functools.cache
def labelled(name):
    return LabelFileSegmenter(shared_data(name)).read()


@functools.cache
def spine(name, *levels):
    return model_spine(labelled(name), None, [VertebraLevel(v) for v in levels] or None)


@functools.cache
def fractured():
    return plan_cement(spine(VERSE012_MASK), L1)


def test_the_fractured_l1_lacks_a_third_of_its_body():
    plan = fractured()
    assert 8 < plan.deficit.value_ml < 18
    assert plan.deficit.low_ml < plan.deficit.value_ml < plan.deficit.high_ml
    assert plan.collapsed_body_ml < plan.ideal_body_ml
    assert plan.template == "two neighbours"


def test_the_dose_is_not_the_deficit():
    plan = fractured()
    assert 3 < plan.recommended.value_ml < 6.5
    assert any("rules" in sentence for sentence in plan.policy)


def test_the_defect_is_a_closed_solid_of_the_stated_volume_between_the_endplates():
    plan = fractured()
    assert plan.defect.is_watertight
    assert plan.defect.volume / 1000 == pytest.approx(plan.deficit.value_ml, rel=1e-6)
    local = spine(VERSE012_MASK).vertebrae[L1].ct_lps_from_vertebra.inverse().apply(plan.defect.vertices)
    assert np.abs(local[:, 2]).max() < 30


def test_a_verdict_always_comes_with_reasons():
    assert fractured().reasons
    assert fractured().verdict in (Verdict.ACCEPT, Verdict.REVIEW)


def test_a_healthy_level_gets_no_cement_and_says_so():
    plan = plan_cement(spine(THORACIC_MASK, "T10", "T11", "T12", "L1"), VertebraLevel.T11)
    assert plan.recommended.value_ml == 0
    assert "no collapse" in plan.reasons[0]


def test_the_same_spine_gives_the_same_plan():
    again = plan_cement(spine(VERSE012_MASK), L1)
    assert again.deficit == fractured().deficit
    np.testing.assert_array_equal(again.defect.vertices, fractured().defect.vertices)


def test_a_lone_vertebra_is_planned_from_the_shape_model_and_sent_to_review():
    plan = plan_cement(spine(VERSE012_MASK, "L1"), L1)
    assert plan.template == "shape model"
    assert plan.verdict is not Verdict.ACCEPT


@pytest.mark.parametrize("kind", ["wedge", "biconcave", "crush"])
def test_a_deeper_compression_is_a_larger_deficit(kind):
    healthy, native = spine(THORACIC_MASK, "T10", "T11", "T12", "L1"), labelled(THORACIC_MASK).grid
    found = [compress(healthy, VertebraLevel.T11, kind, loss, native) for loss in (0.2, 0.45)]
    deficits = [plan_cement(one.spine, VertebraLevel.T11).deficit for one in found]
    assert deficits[1].value_ml > deficits[0].value_ml + 1
    for one, deficit in zip(found, deficits, strict=True):
        assert deficit.low_ml <= one.truth_ml <= deficit.high_ml


@pytest.mark.parametrize("grow", [-0.5, 0.5])
def test_a_mask_half_a_voxel_off_is_sent_to_review(grow):
    healthy, native = spine(VERSE005_MASK, "L1", "L2", "L3", "L4"), labelled(VERSE005_MASK).grid
    broken = compress(healthy, VertebraLevel.L3, "wedge", 0.3, native, grow)
    assert plan_cement(broken.spine, VertebraLevel.L3).verdict is not Verdict.ACCEPT


def test_a_fractured_neighbour_is_passed_over():
    healthy, native = spine(VERSE005_MASK), labelled(VERSE005_MASK).grid
    first = compress(healthy, VertebraLevel.L4, "wedge", 0.4, native)
    plan = plan_cement(compress(first.spine, VertebraLevel.L3, "wedge", 0.35, native).spine, VertebraLevel.L3)
    assert VertebraLevel.L4 not in plan.neighbours
    assert plan.verdict is Verdict.REVIEW
