import numpy as np
import pytest

from planning_core.anatomy.label_file import LabelFileSegmenter, LabelGridError, LabelSchemeError, NotLabelsError, from_labels
from planning_core.anatomy.levels import UnknownLevelError, VertebraLevel
from planning_core.geometry import Grid
from planning_core.imaging.ingest import load_ct
from tests.data import HEALTHY_MASK, THORACIC_MASK, TOTALSEG_CT, TOTALSEG_MASK, VERSE012_CT, VERSE012_MASK, shared_data


def blocks(*numbers):
    array = np.zeros((60, 30, 30), np.uint8)
    for n, number in enumerate(numbers):
        array[8 + 14 * n : 18 + 14 * n, 5:25, 5:25] = number
    return array, Grid(array.shape, [2, 2, 2], [0, 0, 0])


def test_verse_ids_are_told_by_their_range():
    assert [v.value for v in from_labels(*blocks(22, 21, 20)).levels] == ["L1", "L2", "L3"]


def test_totalsegmentator_ids_are_told_by_organs_or_high_numbers():
    assert [v.value for v in from_labels(*blocks(29, 30, 31)).levels] == ["L1", "L2", "L3"]


def test_ids_that_fit_both_schemes_are_not_guessed():
    with pytest.raises(LabelSchemeError) as caught:
        from_labels(*blocks(27, 24, 23))
    assert "L5" in caught.value.as_totalsegmentator
    assert [v.value for v in from_labels(*blocks(27, 24, 23), scheme="verse").levels] == ["L4", "L5"]


def test_a_picture_is_no_label_map():
    array, grid = blocks(1)
    with pytest.raises(NotLabelsError):
        from_labels(array + np.random.default_rng(0).normal(0, 1, array.shape), grid)


@pytest.mark.parametrize(
    ("name", "complete", "cut"),
    [
        (VERSE012_MASK, "T10 T11 T12 L1 L2 L3", ""),
        (TOTALSEG_MASK, "L1 L2 L3 L4 L5", "T12 T11"),
        (THORACIC_MASK, "T1 T2 T3 T4 T5 T6 T7 T8 T9 T10 T11 T12 L1", "L2 L3"),
        (HEALTHY_MASK, "T1 T3 T4 T6 T7 T8 T9 T10 T11 T12 L1 L2 L3 L4 L5", ""),
    ],
)
def test_real_masks_give_their_complete_levels_and_name_the_cut_ones(modelled, name, complete, cut):
    segmentation, _ = modelled(name)
    assert [v.value for v in segmentation.levels] == complete.split()
    assert {p.level.value for p in segmentation.partial} >= set(cut.split())


def test_labels_that_lie_elsewhere_than_the_ct_are_refused():
    ct = load_ct(shared_data(TOTALSEG_CT))
    with pytest.raises(LabelGridError):
        LabelFileSegmenter(shared_data(VERSE012_MASK)).segment(ct)


def test_an_anchor_that_contradicts_the_labels_is_refused():
    ct = load_ct(shared_data(VERSE012_CT))
    segmenter = LabelFileSegmenter(shared_data(VERSE012_MASK))
    assert segmenter.segment(ct, (VertebraLevel.L1, np.array([48.0, 74, 122]))).numbering.confidence == 1
    with pytest.raises(UnknownLevelError):
        segmenter.segment(ct, (VertebraLevel.L2, np.array([48.0, 74, 122])))
