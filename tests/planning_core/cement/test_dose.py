import pytest
from hypothesis import given
from hypothesis import strategies as st

from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.vertebra import BoneQuality
from planning_core.cement.config import CementConfig
from planning_core.cement.dose import level_range, liquid, recommend
from planning_core.cement.plan import VolumeInterval
from planning_core.cement.products import PRODUCTS, CementProduct, UnknownProductError, find_product

volumes = st.floats(0, 30)
levels = st.sampled_from(list(VertebraLevel))
products = st.sampled_from(list(PRODUCTS.values()))


@st.composite
def intervals(draw):
    low, value, high = sorted(draw(st.tuples(volumes, volumes, volumes)))
    return VolumeInterval(value, low, high)


@given(intervals(), products)
def test_shrinking_cement_needs_more_liquid_than_the_volume_it_fills(deficit, product):
    result = liquid(deficit, product)
    assert result.value_ml * (1 + product.expansion) == pytest.approx(deficit.value_ml)
    assert result.value_ml >= deficit.value_ml


@given(intervals())
def test_expanding_cement_needs_less(deficit):
    swelling = CementProduct("made up", "high", 0.05, "assumed")
    assert liquid(deficit, swelling).value_ml <= deficit.value_ml


@given(intervals(), st.floats(5, 60), levels, products)
def test_a_dose_is_never_negative_nor_above_any_limit(deficit, body, level, product):
    config = CementConfig()
    dose, said = recommend(deficit, body, level, None, product, config)
    set_ml = dose.value_ml * (1 + product.expansion)
    assert 0 <= dose.low_ml <= dose.value_ml <= dose.high_ml
    assert set_ml <= config.share_of_deficit * deficit.value_ml + 1e-9
    assert set_ml <= config.share_of_body * body + 1e-9
    assert set_ml <= level_range(level, config)[1] + 1e-9
    assert said


@given(intervals(), intervals(), st.floats(5, 60), levels)
def test_a_larger_deficit_never_gets_less_cement(one, other, body, level):
    small, large = sorted((one, other), key=lambda i: i.value_ml)
    product, config = PRODUCTS["Kyphon HV-R"], CementConfig()
    assert (
        recommend(small, body, level, None, product, config)[0].value_ml
        <= recommend(large, body, level, None, product, config)[0].value_ml
    )


def test_a_cleft_makes_the_dose_smaller_and_is_said():
    deficit, product, config = VolumeInterval(6, 5, 7), PRODUCTS["Kyphon HV-R"], CementConfig()
    plain, _ = recommend(deficit, 30, VertebraLevel.L1, BoneQuality(90, 40, 20, 0.0, 300), product, config)
    cleft, said = recommend(deficit, 30, VertebraLevel.L1, BoneQuality(90, 40, 20, 0.8, 300), product, config)
    assert cleft.value_ml < plain.value_ml
    assert any("cleft" in sentence for sentence in said)


def test_an_unknown_product_is_refused_with_those_known():
    with pytest.raises(UnknownProductError) as caught:
        find_product("glue")
    assert "Kyphon HV-R" in caught.value.known


def test_every_product_says_where_its_coefficient_comes_from():
    assert all(p.source for p in PRODUCTS.values())
    assert {p.viscosity for p in PRODUCTS.values()} == {"high", "medium", "low"}


@given(st.tuples(volumes, volumes, volumes))
def test_an_interval_that_is_none_is_refused(values):
    low, value, high = values
    if not low <= value <= high:
        with pytest.raises(ValueError, match="not an interval"):
            VolumeInterval(value, low, high)
