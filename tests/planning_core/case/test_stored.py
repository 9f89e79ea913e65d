from collections.abc import Mapping
from enum import Enum

import attrs
import numpy as np
import pytest
import trimesh
from hypothesis import given
from hypothesis import strategies as st

from planning_core.case.stored import packed, unpacked
from planning_core.geometry.arrays import FloatArray, LabelArray


class Side(Enum):
    LEFT = "left"
    RIGHT = "right"


@attrs.frozen
class Inner:
    number: float
    count: int
    sure: bool
    note: str | None


@attrs.frozen(eq=False)
class Outer:
    sides: Mapping[Side, Inner]
    names: tuple[str, ...]
    shape: tuple[int, int, int]
    points: FloatArray
    labels: LabelArray
    surface: trimesh.Trimesh


inners = st.builds(
    Inner, st.floats(allow_nan=False, allow_infinity=False), st.integers(), st.booleans(), st.none() | st.text(max_size=5)
)


@given(st.dictionaries(st.sampled_from(Side), inners), st.lists(st.text(max_size=5)), st.integers(0, 2**32 - 1))
def test_what_was_packed_comes_back_to_the_last_bit(sides, names, seed):
    rng = np.random.default_rng(seed)
    mesh = trimesh.creation.box()
    mesh.vertices = mesh.vertices + rng.normal(size=(8, 3))
    value = Outer(sides, tuple(names), (1, 2, 3), rng.normal(size=(4, 3)), rng.integers(0, 255, (2, 3, 4), np.uint8), mesh)
    back = unpacked(Outer, packed(value))
    assert (back.sides, back.names, back.shape) == (value.sides, value.names, value.shape)
    for name in ("points", "labels"):
        np.testing.assert_array_equal(getattr(back, name), getattr(value, name))
    np.testing.assert_array_equal(back.surface.vertices, mesh.vertices)
    np.testing.assert_array_equal(back.surface.faces, mesh.faces)


def test_numbers_of_numpy_become_plain_ones():
    back = unpacked(Inner, packed(Inner(np.float64(0.1), np.int64(3), np.bool_(True), None)))
    assert back == Inner(0.1, 3, True, None)
    assert type(back.sure) is bool


def test_an_empty_mesh_stays_empty():
    @attrs.frozen(eq=False)
    class Healthy:
        defect: trimesh.Trimesh

    Healthy.__annotations__["defect"] = trimesh.Trimesh
    assert unpacked(Healthy, packed(Healthy(trimesh.Trimesh()))).defect.is_empty


@pytest.mark.parametrize("wrong", [{"number": "one"}, {"count": 1.5}, {"sure": 1}, {"note": 4}])
def test_a_value_of_another_type_is_refused(wrong):
    other = attrs.evolve(Inner(1.0, 2, True, "x"), **wrong)
    with pytest.raises(TypeError):
        unpacked(Inner, packed(other))


def test_what_cannot_be_stored_is_said():
    with pytest.raises(TypeError, match="complex"):
        packed(Inner(1j, 2, True, None))
