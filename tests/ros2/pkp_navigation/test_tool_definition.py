import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pkp_navigation.tool_definition import ToolDefinitionError, rom_from_file, rom_from_markers

from hardware_sim.tracker.scene import PATIENT_REF, PROBE_TIP, ROBOT_REF
from hardware_sim.tracker.tool_definition import parse_rom

coordinate = st.floats(-200, 200, width=32)
markers = st.lists(st.tuples(coordinate, coordinate, coordinate), min_size=3, max_size=20)


@given(markers)
def test_the_device_reads_the_geometry_that_was_written(markers_mm):
    try:
        image = rom_from_markers("probe_tip", markers_mm)
    except ToolDefinitionError:
        assume(False)
    read = parse_rom(image)
    assert np.array_equal(read.markers_mm, np.array(markers_mm, dtype=np.float32))
    assert (read.part_number, read.minimum_markers, read.maximum_error_mm) == ("probe_tip", 3, 2.0)


@pytest.mark.parametrize("tool", [PATIENT_REF, ROBOT_REF, PROBE_TIP])
def test_the_simulated_tools_are_good_tools(tool):
    assert len(rom_from_markers(tool.name, tool.markers_mm.tolist())) == 752


@pytest.mark.parametrize(
    "markers_mm",
    [
        [],
        [[0, 0, 0], [50, 0, 0]],
        [[0, 0, 0], [50, 0, 0], [120, 0, 0]],
        [[0, 0, 0], [50, 0, 0], [0, 50, 0]],
        [[0, 0, 0], [50, 0, 0], [0, float("nan"), 0]],
        [[0, 0, 0]] * 21,
        [[0, 0], [1, 1], [2, 2]],
    ],
)
def test_markers_that_make_no_single_pose_are_refused(markers_mm):
    with pytest.raises(ToolDefinitionError):
        rom_from_markers("tool", markers_mm)


def test_a_file_is_checked_before_it_is_used(tmp_path):
    good = rom_from_markers("patient_ref", PATIENT_REF.markers_mm.tolist())
    path = tmp_path / "tool.rom"
    path.write_bytes(good)
    assert rom_from_file("patient_ref", path) == good
    for spoiled in (good[:-1], b"XDI" + good[3:], good[:100] + b"\x01" + good[101:], good + bytes(500)):
        path.write_bytes(spoiled)
        with pytest.raises(ToolDefinitionError):
            rom_from_file("patient_ref", path)
    with pytest.raises(ToolDefinitionError, match="cannot be read"):
        rom_from_file("patient_ref", tmp_path / "none.rom")
