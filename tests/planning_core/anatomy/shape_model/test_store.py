"""Models on disk."""

import io

import attrs
import numpy as np
import pytest

from planning_core.anatomy.shape_model import Region, load_shape_model
from planning_core.anatomy.shape_model.store import read_shape_model, save_shape_model


def test_what_is_written_is_read(tmp_path):
    model = load_shape_model(Region.LUMBAR)
    save_shape_model(model, tmp_path / "a.npz")
    again = read_shape_model(tmp_path / "a.npz")
    for name, value in attrs.asdict(model, recurse=False).items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(getattr(again, name), value)
    assert again.region is model.region
    assert again.rest_mm == model.rest_mm
    np.testing.assert_array_equal(again.pedicles.weights, model.pedicles.weights)


def test_the_same_model_gives_the_same_bytes(tmp_path):
    model = load_shape_model(Region.LUMBAR)
    for name in ("a.npz", "b.npz"):
        save_shape_model(model, tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_another_schema_is_refused():
    file = io.BytesIO()
    np.savez(file, schema=99)
    file.seek(0)
    with pytest.raises(ValueError, match="schema"):
        read_shape_model(file)


def test_a_model_of_arrays_that_do_not_fit_is_refused():
    model = load_shape_model(Region.LUMBAR)
    with pytest.raises(ValueError, match="vertices"):
        attrs.evolve(model, modes=model.modes[:, 1:])
