import pytest
from pkp_control.arm_config import ArmConfig
from pkp_lifecycle.parameters import ParameterRefusedError, checked


@pytest.mark.parametrize("name", ["base_xyz", "base_rpy", "patient_xyz", "patient_size"])
@pytest.mark.parametrize("value", ["a b c", "0 0", "0 0 nan", "0 0 1e3"])
def test_a_place_that_is_none_is_refused_with_its_name(name, value):
    with pytest.raises(ParameterRefusedError, match=f"{name} of arm.*three numbers"):
        checked("arm", ArmConfig, {name: value})


def test_a_patient_has_a_size():
    with pytest.raises(ParameterRefusedError, match="above 0"):
        checked("arm", ArmConfig, {"patient_size": "0.6 0 0.2"})
    assert checked("arm", ArmConfig, {"base_xyz": ""}).base_xyz == ""
