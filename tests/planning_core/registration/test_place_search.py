"""What the correlation over all places may never say."""

import numpy as np
import pytest

from planning_core.registration.place_search import _Search


@pytest.mark.parametrize("seed", range(4))
def test_no_place_correlates_beyond_one_in_even_grey_beside_the_scan_s_edge_neither(seed):
    """Air beside the edge once correlated by 1.2, and every place where the bone was went unlooked at."""
    rng = np.random.default_rng(seed)
    image = np.where(rng.random((18, 20, 22)) < 0.02, 400.0, -200.0).astype(np.float32)
    image[:, :, 12:] = -200.0
    seen = np.ones(image.shape, bool)
    seen[:2] = False
    reach = 4
    mask = (rng.random((2 * reach + 1,) * 3) < 0.5).astype(np.float32)
    template = np.where(mask > 0, rng.normal(300.0, 200.0, mask.shape), 0.0).astype(np.float32)
    template[mask > 0] -= template[mask > 0].mean()
    score, share = _Search(np.where(seen, image, 0.0).astype(np.float32), seen, reach).correlate(template, mask, 0.7)
    assert share == pytest.approx(1.0, abs=1e-3)
    assert score.max() < 1.0
