from planning_core.errors import InputError, PkpError


def test_a_refusal_carries_its_numbers_as_attributes_and_as_a_mapping():
    error = InputError("slices are 7.0 mm apart", spacing_mm=7.0)
    assert error.spacing_mm == 7.0
    assert error.as_dict() == {"error": "InputError", "code": "input", "message": "slices are 7.0 mm apart", "spacing_mm": 7.0}


def test_families_have_their_own_exit_status():
    assert PkpError.exit_status == 1
    assert InputError.exit_status == 2
