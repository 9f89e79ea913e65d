import numpy as np
import pytest

from planning_core.anatomy.label_file import from_labels
from planning_core.case.folder import Case
from planning_core.case.stage import code_sha256, kept_segmentation, load_segmentation, save_segmentation, stage_key, stage_path
from planning_core.geometry import Grid


@pytest.fixture
def segmentation():
    labels = np.zeros((60, 30, 30), np.uint8)
    labels[10:25, 5:25, 5:25], labels[0:6, 5:25, 5:25] = 20, 21
    return from_labels(labels, Grid(labels.shape, [2, 2, 2], [1, 2, 3]))


def test_a_stored_segmentation_comes_back_the_same(tmp_path, segmentation):
    save_segmentation(Case(tmp_path), "key", segmentation)
    back = load_segmentation(Case(tmp_path), "key")
    assert back is not None
    np.testing.assert_array_equal(back.labels, segmentation.labels)
    np.testing.assert_array_equal(back.grid.origin_mm, segmentation.grid.origin_mm)
    assert back.levels == segmentation.levels
    assert back.numbering == segmentation.numbering
    assert [p.reason for p in back.partial] == [p.reason for p in segmentation.partial]
    for level, field in segmentation.boundaries.items():
        np.testing.assert_array_equal(back.boundaries[level].values, field.values)


def test_what_a_case_keeps_is_found_whatever_it_depended_on(tmp_path, segmentation):
    assert kept_segmentation(Case(tmp_path)) is None
    save_segmentation(Case(tmp_path), "key", segmentation)
    (tmp_path / "stages" / "segmentation-newer.npz").write_bytes(b"cut off")
    back = kept_segmentation(Case(tmp_path))
    assert back is not None
    np.testing.assert_array_equal(back.labels, segmentation.labels)


def test_another_key_finds_nothing(tmp_path, segmentation):
    save_segmentation(Case(tmp_path), "key", segmentation)
    assert load_segmentation(Case(tmp_path), "other") is None


@pytest.mark.parametrize("part", [0.0, 0.5, 0.999])
def test_a_stored_segmentation_cut_off_anywhere_is_made_again(tmp_path, segmentation, part):
    case = Case(tmp_path)
    save_segmentation(case, "key", segmentation)
    place = stage_path(case, "key")
    whole = place.read_bytes()
    place.write_bytes(whole[: int(part * len(whole))])
    assert load_segmentation(case, "key") is None
    assert not place.exists()


def test_a_flipped_byte_is_seen(tmp_path, segmentation):
    case = Case(tmp_path)
    save_segmentation(case, "key", segmentation)
    place = stage_path(case, "key")
    content = bytearray(place.read_bytes())
    content[len(content) // 2] ^= 0xFF
    place.write_bytes(content)
    assert load_segmentation(case, "key") is None


def test_every_part_counts_in_a_key():
    assert len({stage_key("a", "b"), stage_key("a", "c"), stage_key("ab"), stage_key("b", "a")}) == 4


def test_the_code_has_one_hash():
    assert code_sha256() == code_sha256()
    assert len(code_sha256()) == 64
