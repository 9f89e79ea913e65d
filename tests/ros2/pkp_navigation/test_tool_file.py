import json

import numpy as np
import pytest
from pkp_navigation.tool_definition import ToolDefinitionError
from pkp_navigation.tool_file import TOOLS, load_tool, tool_config

from hardware_sim.tracker.scene import PATIENT_REF, PROBE_TIP
from planning_core.registration import load_plate


@pytest.mark.parametrize(
    ("name", "markers"),
    [("patient_ref", PATIENT_REF.markers_mm), ("probe_tip", PROBE_TIP.markers_mm), ("robot_ref", load_plate().markers_mm)],
)
def test_the_tools_that_ship_are_those_of_the_simulated_room_and_of_the_plate(name, markers):
    file = load_tool(name)
    np.testing.assert_array_equal(file.markers, markers)
    assert tool_config(file).name == name


def test_a_file_of_another_tool_a_misspelt_limit_and_a_missing_file_are_refused_by_name(tmp_path):
    content = json.loads((TOOLS / "patient_ref.json").read_text())
    place = tmp_path / "tool.json"
    place.write_text(json.dumps(content))
    assert load_tool("patient_ref", str(place)).name == "patient_ref"
    with pytest.raises(ToolDefinitionError, match="of patient_ref, not of probe_tip"):
        load_tool("probe_tip", str(place))
    place.write_text(json.dumps({**content, "limits": {"max_speed": 1.0}}))
    with pytest.raises(ToolDefinitionError, match="max_speed"):
        tool_config(load_tool("patient_ref", str(place)))
    with pytest.raises(ToolDefinitionError, match=r"none\.json"):
        load_tool("patient_ref", str(tmp_path / "none.json"))


def test_a_manufacturers_file_is_looked_for_beside_the_tool_file(tmp_path):
    content = json.loads((TOOLS / "patient_ref.json").read_text())
    (tmp_path / "tool.json").write_text(json.dumps({**content, "rom_file": "8700449.rom"}))
    config = tool_config(load_tool("patient_ref", str(tmp_path / "tool.json")))
    assert (config.rom_file, config.markers_mm) == (tmp_path / "8700449.rom", ())
