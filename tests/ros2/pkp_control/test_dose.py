import pytest
from hypothesis import given
from hypothesis import strategies as st
from pkp_control.dose import DoseRefusedError, checked_dose, share_ml
from pkp_control.injection_config import InjectionConfig, LimitRefusedError, limited

SIDES = st.sampled_from([("left",), ("left", "right"), ("right", "left")])


@given(volume=st.floats(0.1, 10.0), sides=SIDES)
def test_the_shares_are_the_plan_and_equal(volume, sides):
    shares = [share_ml(volume, sides, side) for side in sides]
    assert sum(shares) == pytest.approx(volume)
    assert len(set(shares)) == 1


@given(volume=st.floats(0.1, 10.0), wanted=st.floats(allow_nan=True, allow_infinity=True), sides=SIDES)
def test_no_side_gets_more_than_its_share(volume, wanted, sides):
    try:
        dose = checked_dose(wanted, volume, sides, sides[0])
    except DoseRefusedError:
        assert not 0 < wanted <= volume / len(sides)
    else:
        assert 0 < dose <= volume / len(sides)


def test_a_side_that_the_plan_does_not_have_gets_nothing():
    for sides in ((), ("left",), ("right", "right")):  # not there, or there twice
        with pytest.raises(DoseRefusedError):
            share_ml(2.0, sides, "right")


@given(flow=st.just(0.0) | st.floats(0.004, 1.0), pressure=st.just(0.0) | st.floats(10.0, 9000.0))
def test_an_order_can_only_lower_limits(flow, pressure):
    own = InjectionConfig()
    lowered = limited(own, flow, pressure)
    assert lowered.flow_ml_s <= own.flow_ml_s
    assert lowered.pressure_stop_kpa <= own.pressure_stop_kpa
    assert not pressure or lowered.pressure_stop_kpa <= pressure


@pytest.mark.parametrize("bad", [(-0.01, 0.0), (1e-5, 0.0), (float("nan"), 0.0), (0.0, float("inf")), (0.0, 1.0)])
def test_what_is_no_limit_is_refused(bad):
    with pytest.raises(LimitRefusedError):
        limited(InjectionConfig(), *bad)
