import subprocess
import sys

import numpy as np
import pytest

from planning_core.anatomy.label_file import from_labels
from planning_core.case.folder import Case, CaseInUseError
from planning_core.geometry import Grid


def test_a_writer_that_fails_leaves_what_was_there(tmp_path):
    case = Case(tmp_path)
    case.write("plan.json", b"first")

    def fail(place):
        place.write_bytes(b"half")
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        case.write_with("plan.json", fail)
    assert (tmp_path / "plan.json").read_bytes() == b"first"
    assert [p.name for p in tmp_path.iterdir()] == ["plan.json"]


def test_two_processes_do_not_write_one_case(tmp_path):
    other = (
        "import sys; from pathlib import Path; from planning_core.case.folder import Case, CaseInUseError\n"
        "try:\n    with Case(Path(sys.argv[1])).writing(): print('wrote')\nexcept CaseInUseError: print('refused')"
    )
    with Case(tmp_path).writing():
        run = subprocess.run([sys.executable, "-c", other, str(tmp_path)], capture_output=True, text=True, check=True)
        assert run.stdout.strip() == "refused"
        with pytest.raises(CaseInUseError), Case(tmp_path).writing():
            pass
    run = subprocess.run([sys.executable, "-c", other, str(tmp_path)], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "wrote"


def test_a_stored_segmentation_comes_back_the_same(tmp_path):
    labels = np.zeros((60, 30, 30), np.uint8)
    labels[10:25, 5:25, 5:25], labels[0:6, 5:25, 5:25] = 20, 21
    segmentation = from_labels(labels, Grid(labels.shape, [2, 2, 2], [1, 2, 3]))
    Case(tmp_path).save_segmentation("key", segmentation)
    back = Case(tmp_path).load_segmentation("key")
    assert back is not None
    np.testing.assert_array_equal(back.labels, segmentation.labels)
    assert back.levels == segmentation.levels
    assert [p.reason for p in back.partial] == [p.reason for p in segmentation.partial]
    for level, field in segmentation.boundaries.items():
        np.testing.assert_array_equal(back.boundaries[level].values, field.values)
    assert Case(tmp_path).load_segmentation("other") is None
