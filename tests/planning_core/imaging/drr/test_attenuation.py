import numpy as np
import pytest

from planning_core.geometry import Grid
from planning_core.imaging.drr.attenuation import (
    BONE_CM2_G,
    CT_KEV,
    WATER_CM2_G,
    AttenuationVolume,
    attenuation,
    mass_attenuation,
    materials,
)
from planning_core.imaging.volume import CtVolume


def ct_of(hu):
    values = np.array(hu, np.int16).reshape(1, 1, -1)
    return CtVolume(values, Grid(values.shape, (1, 1, 1), (0, 0, 0)), "")


def test_air_lets_all_through_and_water_weakens_as_tabled():
    mu = attenuation(ct_of([-1024, -1000, 0, 1000]), kev=60).mu.ravel()
    assert mu == pytest.approx([0, 0, 0.02059, 2 * 0.02059], rel=1e-4)


def test_between_the_tables_energies_lies_between_their_values():
    assert 0.1837 < mass_attenuation(WATER_CM2_G, 70) < 0.2059
    with pytest.raises(ValueError, match="150 keV"):
        mass_attenuation(WATER_CM2_G, 200)


@pytest.mark.parametrize("hu", [-900, -100, 0, 60, 100, 400, 1000])
def test_water_and_bone_together_give_the_hounsfield_units_they_came_from(hu):
    water, bone = (volume.mu.item() for volume in materials(ct_of([hu])))
    mu = water * mass_attenuation(WATER_CM2_G, CT_KEV) + bone * mass_attenuation(BONE_CM2_G, CT_KEV)
    assert 1000 * (mu / mass_attenuation(WATER_CM2_G, CT_KEV) - 1) == pytest.approx(hu, abs=1)
    assert (bone > 0) == (hu > 100)


def test_values_are_kept_with_their_rows_spread_over_the_cache():
    values = np.arange(2 * 3 * 512, dtype=np.float32).reshape(2, 3, 512)
    volume = AttenuationVolume(values, Grid(values.shape, (1, 1, 1), (0, 0, 0)))
    flat, steps, size = volume.in_memory()
    assert np.array_equal(volume.mu, values)
    assert size.tolist() == [512, 3, 2]
    assert flat[1 * steps[2] + 2 * steps[1] + 7 * steps[0]] == values[1, 2, 7]
    assert steps[1] // 16 % 2 == 1


def test_a_volume_that_is_not_on_its_grid_is_refused():
    with pytest.raises(ValueError, match="grid"):
        AttenuationVolume(np.zeros((2, 2, 2)), Grid((2, 2, 3), (1, 1, 1), (0, 0, 0)))
