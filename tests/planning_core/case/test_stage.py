import json

import attrs
import numpy as np
import pytest

from planning_core.anatomy.label_file import from_labels
from planning_core.anatomy.segmentation import SpineSegmentation
from planning_core.case.folder import Case
from planning_core.case.stage import (
    code_sha256,
    kept,
    kept_segmentation,
    load_stage,
    save_stage,
    segmentation_code_sha256,
    stage_key,
    stage_path,
)
from planning_core.geometry import Grid

STAGE = "segmentation"


@pytest.fixture
def segmentation():
    labels = np.zeros((60, 30, 30), np.uint8)
    labels[10:25, 5:25, 5:25], labels[0:6, 5:25, 5:25] = 20, 21
    return from_labels(labels, Grid(labels.shape, [2, 2, 2], [1, 2, 3]))


def load(case, key="key"):
    return load_stage(case, STAGE, key, SpineSegmentation)


def test_a_stored_segmentation_comes_back_the_same(tmp_path, segmentation):
    save_stage(Case(tmp_path), STAGE, "key", segmentation)
    back = load(Case(tmp_path))
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
    save_stage(Case(tmp_path), STAGE, "key", segmentation)
    (tmp_path / "stages" / "segmentation-newer.npz").write_bytes(b"cut off")
    back = kept_segmentation(Case(tmp_path))
    assert back is not None
    np.testing.assert_array_equal(back.labels, segmentation.labels)


def test_a_stage_is_made_once(tmp_path, segmentation):
    case, made = Case(tmp_path), []

    def make():
        made.append(1)
        return segmentation

    first, second = (kept(case, STAGE, "key", SpineSegmentation, make) for _ in range(2))
    assert len(made) == 1
    np.testing.assert_array_equal(first.labels, second.labels)


def test_another_key_finds_nothing(tmp_path, segmentation):
    save_stage(Case(tmp_path), STAGE, "key", segmentation)
    assert load(Case(tmp_path), "other") is None


@pytest.mark.parametrize("part", [0.0, 0.5, 0.999])
def test_a_stored_segmentation_cut_off_anywhere_is_made_again(tmp_path, segmentation, part):
    case = Case(tmp_path)
    save_stage(case, STAGE, "key", segmentation)
    place = stage_path(case, STAGE, "key")
    whole = place.read_bytes()
    place.write_bytes(whole[: int(part * len(whole))])
    assert load(case) is None
    assert not place.exists()


def test_a_flipped_byte_is_seen(tmp_path, segmentation):
    case = Case(tmp_path)
    save_stage(case, STAGE, "key", segmentation)
    place = stage_path(case, STAGE, "key")
    content = bytearray(place.read_bytes())
    content[len(content) // 2] ^= 0xFF
    place.write_bytes(content)
    assert load(case) is None


@pytest.mark.parametrize("tree", [[], {"labels": 3}, {"labels": {"array": "none", "shape": [1]}}, "text", None])
def test_a_stored_stage_of_another_form_is_made_again(tmp_path, segmentation, tree):
    case = Case(tmp_path)
    path = stage_path(case, STAGE, "key")
    path.parent.mkdir()
    np.savez(path, tree=np.frombuffer(json.dumps(tree).encode(), np.uint8))
    assert load(case) is None


def test_objects_in_a_stored_stage_are_not_brought_to_life(tmp_path):
    case = Case(tmp_path)
    path = stage_path(case, STAGE, "key")
    path.parent.mkdir()
    np.savez(path, tree=np.array([attrs.NOTHING], dtype=object))
    assert load(case) is None


def test_every_part_counts_in_a_key():
    assert len({stage_key("a", "b"), stage_key("a", "c"), stage_key("ab"), stage_key("b", "a")}) == 4


def test_the_code_has_one_hash():
    assert code_sha256() == code_sha256() != segmentation_code_sha256()
    assert len(code_sha256()) == len(segmentation_code_sha256()) == 64
