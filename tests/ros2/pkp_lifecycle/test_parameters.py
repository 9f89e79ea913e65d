import pytest
from pkp_lifecycle.parameters import ParameterRefusedError, checked
from pydantic import BaseModel, ConfigDict, Field


class Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    folder: str = Field(min_length=1)
    rate_hz: float = Field(50.0, ge=20, le=200, description="how often")


def test_values_and_defaults():
    assert checked("n", Config, {"folder": "/x", "use_sim_time": False}) == Config(folder="/x")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"folder": "/x", "rate_hz": 5.0}, ("rate_hz", "5.0", "from 20 to 200", "how often")),
        ({"folder": "/x", "rate_hz": float("nan")}, ("rate_hz", "from 20 to 200")),
        ({"folder": "/x", "rate_hz": "fast"}, ("rate_hz", "fast")),
        ({}, ("folder", "missing")),
        ({"folder": "/x", "rat_hz": 50.0}, ("rat_hz", "folder, rate_hz")),
    ],
)
def test_what_is_wrong_is_named_with_its_range(given, words):
    with pytest.raises(ParameterRefusedError) as caught:
        checked("n", Config, given)
    for word in words:
        assert word in caught.value.message
