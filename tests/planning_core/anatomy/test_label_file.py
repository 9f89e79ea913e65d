import attrs
import highdicom as hd
import numpy as np
import pytest
import SimpleITK as sitk

from planning_core.anatomy.label_file import (
    BrokenLabelError,
    LabelFileSegmenter,
    LabelGridError,
    from_labels,
)
from planning_core.anatomy.label_scheme import LabelSchemeError, NotLabelsError
from planning_core.anatomy.levels import UnknownLevelError, VertebraLevel
from planning_core.anatomy.segmentation import NoVertebraThereError
from planning_core.case.dicom_seg import write_dicom_seg
from planning_core.case.exports import as_image
from planning_core.case.folder import Case
from planning_core.geometry import Grid
from planning_core.imaging.ingest import load_ct
from planning_core.imaging.refusals import UnreadableFileError
from planning_core.imaging.volume import CtVolume
from tests.data import HEALTHY_MASK, THORACIC_MASK, TOTALSEG_CT, TOTALSEG_MASK, VERSE012_CT, VERSE012_MASK, shared_data


def blocks(*numbers):
    """Labels from foot to head, 28 mm apart."""
    array = np.zeros((18 + 14 * len(numbers), 30, 30), np.uint8)
    for n, number in enumerate(numbers):
        array[8 + 14 * n : 18 + 14 * n, 5:25, 5:25] = number
    return array, Grid(array.shape, [2, 2, 2], [0, 0, 0])


def levels(*numbers, scheme=None):
    return [v.value for v in from_labels(*blocks(*numbers), scheme).levels]


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ((22, 21, 20), "L1 L2 L3"),
        ((21, 20, 28, 19, 18), "T11 T12 T13 L1 L2"),
        ((20,), "L1"),
        ((29, 30, 31), "L1 L2 L3"),
        ((27, 28, 29), "L3 L4 L5"),
        ((26, 27, 28), "L4 L5"),
        ((28,), "L4"),
        ((33, 28, 10, 11), None),
        ((28, 10, 11, 12, 13, 14), "L4"),
        ((20, 21, 22, 31), "L1"),
    ],
)
def test_the_scheme_is_told_by_ids_and_places(numbers, expected):
    if expected is None:
        with pytest.raises(NotLabelsError):  # five levels in 28 mm
            levels(*numbers)
    else:
        assert levels(*numbers) == expected.split()


def test_ids_that_fit_both_schemes_are_not_guessed():
    with pytest.raises(LabelSchemeError) as caught:
        from_labels(*blocks(27, 24, 23))
    assert caught.value.as_verse == ["L4", "L5"]
    assert caught.value.as_totalsegmentator == ["L5"]
    assert levels(27, 24, 23, scheme="verse") == ["L4", "L5"]


def test_a_thirteenth_rib_needs_its_neighbours_to_be_verse():
    with pytest.raises(LabelSchemeError):
        levels(20, 28, 19)
    assert levels(20, 28, 19, scheme="verse") == ["T12", "T13", "L1"]


@pytest.mark.parametrize("numbers", [(20, 21, 22), (8, 24), (24, 25)])
def test_numbers_that_do_not_follow_from_head_to_foot_are_no_spine(numbers):
    """Among them TotalSegmentator's first version, which counted the lumbar spine 18–22 upwards."""
    with pytest.raises(NotLabelsError) as caught:
        levels(*numbers)
    assert "verse" in caught.value.why


def test_the_operators_scheme_must_exist_and_fit():
    with pytest.raises(LabelSchemeError):
        levels(22, 21, 20, scheme="nonsense")
    with pytest.raises(NotLabelsError):
        levels(22, 21, 20, scheme="totalsegmentator")


def test_a_picture_is_no_label_map():
    array, grid = blocks(1)
    with pytest.raises(NotLabelsError):
        from_labels(array + np.random.default_rng(0).normal(0, 1, array.shape), grid)


def test_one_name_for_two_vertebrae_is_refused():
    with pytest.raises(BrokenLabelError) as caught:
        levels(22, 21, 20, 20)
    assert caught.value.level == "L1"
    assert caught.value.loose_ml == pytest.approx(32)


def test_loose_crumbs_are_left_out_and_said():
    array, grid = blocks(22, 21, 20)
    array[-4:-1, 1:4, 1:4] = 20
    segmentation = from_labels(array, grid)
    assert segmentation.labels[-2, 2, 2] == 0
    assert "L1: 0.22 ml" in segmentation.notes[0]


@pytest.mark.parametrize("face", [np.s_[40:, :, :], np.s_[:, 12:, :], np.s_[:, :, 12:]])
def test_a_vertebra_cut_by_any_side_of_the_image_is_not_complete(face):
    array, grid = blocks(22, 21, 20)
    cut = array[face]
    segmentation = from_labels(cut, attrs.evolve(grid, shape=cut.shape))
    assert segmentation.partial
    assert "cut" in segmentation.partial[0].reason


def test_labels_cropped_and_flipped_against_the_ct_land_on_their_voxels():
    array, grid = blocks(22, 21, 20)
    ct = CtVolume(np.zeros(array.shape, np.int16), grid, "0" * 64)
    flipped = array[4:, ::-1, :].transpose(0, 2, 1)
    direction = np.column_stack([-grid.direction[:, 1], grid.direction[:, 0], grid.direction[:, 2]])
    other = Grid(flipped.shape, [2, 2, 2], grid.points([4, array.shape[1] - 1, 0]), direction)
    from planning_core.anatomy.label_file import _laid

    np.testing.assert_array_equal(_laid(flipped, other, ct.grid), array)


def test_labels_beyond_the_ct_are_refused_with_their_volume():
    array, grid = blocks(22, 21, 20)
    from planning_core.anatomy.label_file import _laid

    with pytest.raises(LabelGridError) as caught:
        _laid(array, grid, attrs.evolve(grid, shape=(30, 30, 30)))
    assert caught.value.outside_ml > 30


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


def test_an_anchor_beside_every_label_confirms_nothing(tmp_path):
    array, grid = blocks(22, 21, 20)
    sitk.WriteImage(as_image(array, grid), str(tmp_path / "labels.nii.gz"))
    segmenter = LabelFileSegmenter(tmp_path / "labels.nii.gz")
    inside = grid.points([40, 15, 15])  # L1 lies above: the map is read from foot to head
    assert segmenter.read((VertebraLevel.L1, inside)).levels == (VertebraLevel.L1, VertebraLevel.L2, VertebraLevel.L3)
    for level, index, away in (
        (VertebraLevel.L1, (40, 15, 27), 6.0),
        (VertebraLevel.L3, (40, 15, 27), np.hypot(6.0, 46.0)),
        (VertebraLevel.T9, (40, 15, 27), 6.0),
        (VertebraLevel.L1, (40, 15, 54), 60.0),
    ):
        with pytest.raises(NoVertebraThereError) as refused:
            segmenter.read((level, grid.points(index)))
        assert refused.value.nearest_mm == pytest.approx(away)
        assert f"{away:.0f} mm away" in refused.value.message
        assert refused.value.point_mm == pytest.approx(grid.points(index))


@pytest.fixture(scope="module")
def seg_file(tmp_path_factory):
    """Three vertebrae as our own DICOM SEG, on an oblique grid."""
    array, grid = blocks(22, 21, 20)
    turn = np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]])
    segmentation = from_labels(array, attrs.evolve(grid, direction=turn, origin_mm=np.array([5.0, -7, 11])))
    case = Case(tmp_path_factory.mktemp("seg") / "case")
    with case.writing():
        return write_dicom_seg(case, segmentation, "0" * 64), segmentation


def test_a_dicom_seg_comes_back_as_it_was_written(seg_file):
    path, written = seg_file
    read = LabelFileSegmenter(path).segment(CtVolume(np.zeros(written.labels.shape, np.int16), written.grid, "0" * 64))
    np.testing.assert_array_equal(read.labels, written.labels)
    assert read.levels == written.levels


@pytest.mark.parametrize(
    ("label", "level"),
    [("L1", "L1"), ("vertebrae_L1", "L1"), ("Th1", "T1"), ("L1 vertebra", "L1"), ("L1/L2 disc", None), ("L1 nerve root", None)],
)
def test_segments_without_a_code_are_read_by_their_whole_name(label, level):
    from planning_core.anatomy.label_seg import _level

    item = hd.seg.SegmentDescription.__new__(hd.seg.SegmentDescription)
    super(hd.seg.SegmentDescription, item).__init__()
    item.SegmentLabel = label
    assert _level(item) is (None if level is None else VertebraLevel(level))


def test_a_text_file_is_no_label_file(tmp_path):
    path = tmp_path / "labels.dcm"
    path.write_text("hello")
    with pytest.raises(UnreadableFileError):
        LabelFileSegmenter(path).read()
