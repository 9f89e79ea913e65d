"""What a configuration file may not say is refused by the field's name, before anything is planned with it."""

import inspect
import json
import math

import pytest
from pydantic import BaseModel

import planning_core.cement.curing
import planning_core.registration.beside
import planning_core.registration.check_bead
import planning_core.registration.config
import planning_core.registration.place_search
import planning_core.registration.touch
import planning_core.registration.xray_config
import planning_core.xray.calibration
from planning_core.cement.config import LEVEL_SPREAD
from planning_core.command import main
from planning_core.configuration import Configuration, ConfigurationError, load_configuration
from planning_core.xray.configuration import load_xray_configuration
from planning_core.xray.plan import XrayConfiguration

OF_MODULES = (
    planning_core.cement.curing,
    planning_core.registration.beside,
    planning_core.registration.check_bead,
    planning_core.registration.config,
    planning_core.registration.place_search,
    planning_core.registration.touch,
    planning_core.registration.xray_config,
    planning_core.xray.calibration,
)


def within(kind):
    """A configuration's class and those of its parts."""
    parts = [f.annotation for f in kind.model_fields.values() if inspect.isclass(f.annotation)]
    return {kind}.union(*(within(part) for part in parts if issubclass(part, BaseModel)))


CONFIGURATIONS = within(Configuration) | within(XrayConfiguration)
CONFIGURATIONS |= {
    kind
    for module in OF_MODULES
    for kind in vars(module).values()
    if inspect.isclass(kind) and issubclass(kind, BaseModel) and kind.__name__.endswith("Config")
}
NUMBERS = [(kind, name) for kind in CONFIGURATIONS for name, field in kind.model_fields.items() if field.annotation is float]


def written(tmp_path, said):
    place = tmp_path / "configuration.json"
    place.write_text(said if isinstance(said, str) else json.dumps(said))
    return place


@pytest.mark.parametrize(("kind", "name"), sorted(NUMBERS, key=str))
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_number_of_any_configuration_is_endless_or_none(kind, name, value):
    with pytest.raises(ValueError, match=name):
        kind(**{name: value})


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"trajectory": {"least_clearance_mm": -2.0}}, "trajectory.least_clearance_mm"),
        ({"trajectory": {"air_hu": -2000}}, "trajectory.air_hu"),
        ({"trajectory": {"convergence_deg": [30, 0]}}, "trajectory.convergence_deg"),
        ({"trajectory": {"depth_range": [0.4, 0.2]}}, "trajectory.depth_range"),
        ('{"trajectory": {"wanted_clearance_mm": NaN}}', "trajectory.wanted_clearance_mm"),
        ('{"trajectory": {"convergence_deg": [0, Infinity]}}', "trajectory.convergence_deg"),
        ({"anatomy": {"gas_hu": 100}}, "anatomy.gas_hu"),
        ({"anatomy": {"genant_percent": [40, 25, 20]}}, "anatomy.genant_percent"),
        ({"imaging": {"max_spacing_mm": 100}}, "imaging.max_spacing_mm"),
        ({"imaging": {"tilt_tolerance_deg": 90}}, "imaging.tilt_tolerance_deg"),
        ({"cement": {"lumbar_ml": [6, 4]}}, "cement.lumbar_ml"),
        ({"cement": {"thoracic_ml": [-1, 4]}}, "cement.thoracic_ml"),
        ({"cement": {"level_spread": {}}}, "cement.level_spread"),
        ({"cement": {"level_spread": {"one neighbour": 0.04}}}, "cement.level_spread"),
        ({"cement": {"level_spread": {**LEVEL_SPREAD, "guess": 0.1}}}, "cement.level_spread"),
        ({"cement": {"level_spread": {**LEVEL_SPREAD, "shape model": -0.1}}}, "cement.level_spread"),
        ({"cement": None}, "cement"),
        ({"cement": [1]}, "cement"),
        ([], ""),
        (None, ""),
    ],
)
@pytest.mark.parametrize("product", [None, "Kyphon Xpede"])
def test_what_is_no_limit_is_refused_by_name(tmp_path, said, field, product):
    with pytest.raises(ConfigurationError) as refused:
        load_configuration(written(tmp_path, said), product)
    assert any(problem.startswith(field) for problem in refused.value.problems)
    assert refused.value.exit_status == 2


@pytest.mark.parametrize("text", ["", "{", "\udce9", "[" * 100_000, "1" * 5000])
def test_what_is_no_json_is_refused_by_name(tmp_path, text):
    place = tmp_path / "configuration.json"
    place.write_text(text, errors="surrogateescape")
    with pytest.raises(ConfigurationError):
        load_configuration(place)
    with pytest.raises(ConfigurationError):
        load_xray_configuration(place)


def test_a_change_of_one_number_leaves_the_others(tmp_path):
    found = load_configuration(
        written(tmp_path, {"cement": {"level_spread": {**LEVEL_SPREAD, "shape model": 0.06}}}), "kyphon xpede"
    )
    assert found.cement.level_spread["shape model"] == 0.06
    assert found.cement.product == "kyphon xpede"
    assert found.trajectory == Configuration().trajectory


def test_the_command_says_so(tmp_path, capsys):
    said = written(tmp_path, {"cement": None})
    status = main(["plan", "nothing.nii", "--product", "Kyphon HV-R", "--config", str(said), "--json"])
    assert (status, json.loads(capsys.readouterr().out)["code"]) == (2, "configuration")
