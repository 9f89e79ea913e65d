"""The shipped atlas of attenuation and how vertebrae stand."""

import numpy as np
import pytest

from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.shape_model import load_shape_model
from planning_core.xray.atlas import BoneAtlas, load_bone_atlas


def test_what_is_written_is_read_and_the_same_bytes(tmp_path):
    atlas = load_bone_atlas()
    for name in ("a.npz", "b.npz"):
        atlas.save(tmp_path / name)
    again = BoneAtlas.load(tmp_path / "a.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    np.testing.assert_array_equal(again.samples, atlas.samples)
    np.testing.assert_array_equal(again.points, atlas.points)
    assert again.levels == atlas.levels
    assert again.spine.patients == atlas.spine.patients


def test_a_patient_left_out_has_no_part():
    atlas = load_bone_atlas()
    for patient in set(atlas.patients):
        rest = atlas.without(patient)
        assert patient not in rest.patients
        assert patient not in rest.spine.patients
        assert len(rest.samples) == len(rest.levels) == sum(p != patient for p in atlas.patients)
        assert np.abs(rest.hu(VertebraLevel.L2) - atlas.hu(VertebraLevel.L2)).max() > 1


def test_left_is_as_right():
    atlas = load_bone_atlas()
    hu = atlas.hu(VertebraLevel.T9)
    np.testing.assert_array_equal(hu, hu[atlas.mirror])
    np.testing.assert_allclose(atlas.points[atlas.mirror], atlas.points * [-1, 1, 1], atol=1e-9)


def test_cortex_attenuates_more_than_what_it_encloses():
    atlas, level = load_bone_atlas(), VertebraLevel.L2
    bone = atlas.carried(load_shape_model(level), level)
    radius = np.linalg.norm(bone.mean - [0, 0, 0], axis=1)
    assert (bone.mass > 0).all()
    assert radius.min() < 3  # the body's middle is filled
    assert 3e4 < bone.mass.sum() < 3e7


def test_points_move_with_the_shape():
    atlas, level = load_bone_atlas(), VertebraLevel.L2
    model = load_shape_model(level)
    bone = atlas.carried(model, level)
    weights = np.zeros(model.mode_count)
    weights[0] = 2.0
    moved = bone.points(weights, 1.0, np.zeros(3)) - bone.mean
    surface = model.vertices(weights) - model.mean
    assert np.linalg.norm(moved, axis=1).max() < 1.5 * np.linalg.norm(surface, axis=1).max()
    assert bone.points(np.zeros(model.mode_count), 1.1, np.zeros(3)) == pytest.approx(1.1 * bone.mean, rel=1e-5, abs=1e-3)


def test_spines_are_bent_as_spines_are():
    habit = load_bone_atlas().spine
    tilts = {name: np.degrees(np.arcsin(habit.turn(VertebraLevel(name))[1, 2])) for name in ("T4", "L1", "L5")}
    assert tilts["T4"] < -10  # kyphosis leans it forward, lordosis L5
    assert tilts["L1"] > 5
    assert tilts["L5"] < -15
    for step in (-1, 1):
        _, place = habit.neighbour(VertebraLevel.L2, step)
        assert 25 < -step * place[2] < 45
        assert place[0] == 0
