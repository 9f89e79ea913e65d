import numpy as np
import pytest
from pydantic import ValidationError

from planning_core.geometry import Grid
from planning_core.imaging.drr.acquisition import FLUOROSCOPY, Acquisition, Materials, acquire, transmitted
from planning_core.imaging.drr.attenuation import BONE_CM2_G, WATER_CM2_G
from planning_core.imaging.drr.projector import line_integrals
from planning_core.imaging.volume import CtVolume
from planning_core.xray.geometry import PinholeView

pytest.importorskip("numba")


@pytest.fixture(scope="module")
def ct():
    """A block of water with a rod of bone along z."""
    grid = Grid.centred("ct_lps", (60, 60, 60), 5.0)
    x, y, _ = grid.axes()
    hu = np.zeros(grid.shape, np.int16)
    hu[np.broadcast_to(x**2 + y**2 < 15**2, grid.shape)] = 1200
    return CtVolume(hu, grid, "")


@pytest.fixture(scope="module")
def view():
    return PinholeView.isocentric(0, 0, 1000, 600, (60, 80), (4.0, 4.0), frame="ct_lps")


def test_one_energy_gives_the_line_integrals_themselves(ct, view):
    plain = Acquisition()
    patient = Materials.of(ct, plain)
    assert acquire(patient, view, plain).pixels == pytest.approx(line_integrals(patient.volumes[0], view), abs=2e-5)


def test_two_energies_attenuate_as_the_law_says():
    paths = [np.array([[50.0]], np.float32), np.array([[30.0]], np.float32)]
    expected = sum(share * np.exp(-5.0 * WATER_CM2_G[kev] - 3.0 * BONE_CM2_G[kev]) for kev, share in ((40, 0.3), (80, 0.7)))
    assert transmitted(paths, Acquisition(spectrum=((40, 0.3), (80, 0.7)))).item() == pytest.approx(expected, rel=1e-5)


def test_a_spectrum_hardens_on_its_way():
    both = Acquisition(spectrum=((40, 0.5), (80, 0.5)))
    paths = [np.array([[40.0]], np.float32), np.array([[20.0]], np.float32)]
    once, twice = (-np.log(transmitted([n * p for p in paths], both)).item() for n in (1, 2))
    assert once < twice < 1.95 * once


def test_the_same_seed_gives_the_same_picture_and_another_another(ct, view):
    patient = Materials.of(ct, FLUOROSCOPY)
    one, same = (acquire(patient, view, FLUOROSCOPY).pixels for _ in range(2))
    other = acquire(patient, view, FLUOROSCOPY.model_copy(update={"seed": 2})).pixels
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_noise_is_that_of_counted_quanta(ct, view):
    noisy = Acquisition(photons_mm2=5000.0)
    patient = Materials.of(ct, noisy)
    apart = acquire(patient, view, noisy).pixels - acquire(patient, view, Acquisition()).pixels
    beside = acquire(patient, view, Acquisition()).pixels < 1e-6
    assert apart[beside].std() == pytest.approx(1 / np.sqrt(5000 * 16), rel=0.1)


def test_scatter_lowers_contrast(ct, view):
    plain, scattered = Acquisition(), Acquisition(scatter_to_primary=0.8)
    patient = Materials.of(ct, plain)
    bone = [acquire(patient, view, a).pixels for a in (plain, scattered)]
    assert np.ptp(bone[1]) < np.ptp(bone[0])


def test_behind_the_collimator_nothing_is_valid(ct, view):
    narrow = Acquisition(collimator_mm=(-40.0, 60.0, -20.0, 30.0))
    image = acquire(Materials.of(ct, narrow), view, narrow)
    rows, columns = np.nonzero(image.valid)
    assert (rows.min() - 29.5) * 4 >= -20
    assert (columns.max() - 39.5) * 4 <= 60
    assert image.pixels[~image.valid].min() > 5
    assert image.valid.sum() == 13 * 25  # pixels' middles from -18 to 30 and from -38 to 58 mm


def test_shares_that_are_no_spectrum_are_refused():
    with pytest.raises(ValidationError, match="add up"):
        Acquisition(spectrum=((40, 0.5), (80, 0.4)))
