"""What the operator sees with noise."""

import numpy as np
import pytest

pytest.importorskip("pkp_msgs.msg", reason="ROS 2 with the built workspace is not here; ./pkp test prepares it")
from pkp_simulation.operator import motion_mm

NOISE_MM = (0.025, 0.02, 0.07)
"""Of a tracked tool, one sighting, by axis: that of the simulated camera."""


@pytest.mark.parametrize("rate_hz", [10, 60, 250])
@pytest.mark.parametrize("seed", range(5))
def test_a_held_breath_is_still_and_a_breathing_one_is_not_however_often_it_is_seen(rate_hz, seed):
    stamps_s = np.arange(0.0, 1.5, 1.0 / rate_hz)
    noise = np.random.default_rng(seed).normal(0.0, NOISE_MM, (len(stamps_s), 3))
    assert motion_mm(stamps_s, noise) < 0.15
    for phase in np.linspace(0.0, 2.0 * np.pi, 8):
        breath = 2.5 * np.sin(2.0 * np.pi * 0.25 * stamps_s + phase)
        assert motion_mm(stamps_s, noise + breath[:, None] * [0.0, 0.0, 1.0]) > 0.5


def test_a_gap_in_the_sightings_is_no_motion():
    stamps_s = np.r_[np.linspace(0.0, 0.3, 20), np.linspace(1.2, 1.5, 20)]
    assert motion_mm(stamps_s, np.ones((40, 3))) == 0.0
