"""A small CT as arrays and as a DICOM series, for the ingest tests."""

import numpy as np
import pytest

from hardware_sim.patient.dicom import write_series
from planning_core.geometry import Grid


@pytest.fixture(scope="session")
def small_ct():
    rng = np.random.default_rng(0)
    grid = Grid((14, 20, 18), [0.8, 0.8, 1.5], [-7.0, 12.0, 100.0])
    hu = rng.normal(40, 20, grid.shape)
    hu[:, :4] = -1000
    hu[4:10, 8:14, 6:12] = 700
    return hu.astype(np.int16), grid


@pytest.fixture
def series(tmp_path, small_ct):
    folder = tmp_path / "series"
    write_series(*small_ct, 5, folder)
    return folder
