import json

import pytest

from planning_core.configuration import ConfigurationError
from planning_core.xray.configuration import load_xray_configuration
from planning_core.xray.request import XrayLevelNotGivenError, XrayRequest


def test_a_level_is_named_by_somebody(tmp_path):
    with pytest.raises(XrayLevelNotGivenError):
        XrayRequest.of([tmp_path / "a.dcm"], None)


def test_configuration_comes_from_a_file_or_is_refused(tmp_path):
    place = tmp_path / "c.json"
    place.write_text(json.dumps({"trajectory": {"wanted_clearance_mm": 2.0}}))
    assert load_xray_configuration(place).trajectory.wanted_clearance_mm == 2.0
    assert load_xray_configuration(None).trajectory.wanted_clearance_mm == 1.0
    for content in ("{", json.dumps({"cement": {}}), json.dumps({"trajectory": {"seed": -1}})):
        place.write_text(content)
        with pytest.raises(ConfigurationError):
            load_xray_configuration(place)
