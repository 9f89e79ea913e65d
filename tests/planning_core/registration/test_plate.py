import json

import attrs
import numpy as np
import pytest

from planning_core.registration.plate import BUILT_IN, checked_plate, load_plate, save_plate
from planning_core.registration.refusals import AmbiguousPlateError, PlateFileError


def changed(tmp_path, **fields):
    path = tmp_path / "plate.json"
    path.write_text(json.dumps(json.loads(BUILT_IN.read_text()) | fields))
    return path


def test_a_plate_is_read_as_it_was_written(tmp_path):
    plate = load_plate()
    save_plate(plate, tmp_path / "again.json")
    again = load_plate(tmp_path / "again.json")
    np.testing.assert_array_equal(again.beads_mm, plate.beads_mm)
    np.testing.assert_array_equal(again.markers_mm, plate.markers_mm)
    assert not plate.beads_mm.flags.writeable


def test_a_flat_pattern_is_its_own_mirror_image_and_refused():
    plate = load_plate()
    with pytest.raises(AmbiguousPlateError) as caught:
        checked_plate(attrs.evolve(plate, beads_mm=plate.beads_mm * [1, 1, 0]))
    assert caught.value.mirrored


def test_a_regular_pattern_is_refused():
    grid = np.array([[20.0 * i, 20.0 * j, 7.0 * ((i + 2 * j) % 3)] for i in range(3) for j in range(3)])
    with pytest.raises(AmbiguousPlateError):
        checked_plate(attrs.evolve(load_plate(), beads_mm=grid))


@pytest.mark.parametrize(
    "fields",
    [
        {"version": 2},
        {"bead_diameter_mm": -3},
        {"beads_mm": [[0, 0, 0]] * 3},
        {"beads_mm": [[0, 0, 0], [4, 0, 0], [30, 0, 0], [0, 40, 5], [20, 50, 10], [60, 20, 0]]},
        {"beads_mm": [[0, 0, float("nan")]] * 6},
        {"markers_mm": [[0, 0, 0], [40, 0, 0], [90, 0, 0]]},
        {"colour": "red"},
    ],
)
def test_a_file_that_is_no_plate_is_refused_with_its_problems(tmp_path, fields):
    with pytest.raises(PlateFileError) as caught:
        load_plate(changed(tmp_path, **fields))
    assert caught.value.problems


def test_a_file_that_is_no_json_is_refused(tmp_path):
    (tmp_path / "plate.json").write_text("{")
    with pytest.raises(PlateFileError):
        load_plate(tmp_path / "plate.json")
