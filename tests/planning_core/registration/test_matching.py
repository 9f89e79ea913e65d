import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planning_core.registration.matching import match_beads
from planning_core.registration.plate import load_plate
from planning_core.registration.refusals import (
    AmbiguousBeadsError,
    MirroredPlateError,
    PlateNotFoundError,
    TooFewBeadsError,
    TooMuchMetalError,
)
from tests.planning_core.registration.strategies import cloud, pose, seeds

PLATE = load_plate().beads_mm
few = settings(max_examples=25, deadline=None)


def seen(seed, missing=(), extra=0, noise_mm=0.05):
    """The plate's beads somewhere, shuffled, with some gone and other metal about; and which is which."""
    rng = np.random.default_rng(seed)
    truth = pose(seed, "a", "plate")
    kept = np.array([n for n in range(len(PLATE)) if n not in missing])
    others = rng.uniform(-70, 70, (extra, 3))
    points = truth.apply(np.vstack([PLATE[kept], others])) + rng.normal(0, noise_mm, (len(kept) + extra, 3))
    order = rng.permutation(len(points))
    return points[order], {(int(kept[o]), n) for n, o in enumerate(order) if o < len(kept)}


@few
@given(seeds, st.sets(st.integers(0, 8), max_size=2), st.integers(0, 8))
def test_beads_are_named_in_any_order_with_some_missing_and_others_in_view(seed, missing, extra):
    points, truth = seen(seed, missing, extra)
    match = match_beads(PLATE, points)
    assert truth <= set(match.pairs)
    assert match.rms_mm < 0.3
    assert set(match.missing) <= missing


@few
@given(seeds)
def test_the_mirror_image_is_refused_by_name(seed):
    points, _ = seen(seed, extra=3)
    with pytest.raises(MirroredPlateError) as caught:
        match_beads(PLATE, points * [1, -1, 1])
    assert caught.value.matched == 9


@few
@given(seeds)
def test_another_plate_is_refused(seed):
    with pytest.raises(PlateNotFoundError) as caught:
        match_beads(PLATE, cloud(seed, 9, 80.0))
    assert caught.value.found == 9


def test_two_plates_in_view_are_ambiguous():
    first, _ = seen(0)
    with pytest.raises(AmbiguousBeadsError):
        match_beads(PLATE, np.vstack([first, seen(1)[0] + 300]))


def test_too_few_and_too_many_are_refused():
    with pytest.raises(TooFewBeadsError) as caught:
        match_beads(PLATE, PLATE[:4])
    assert (caught.value.found, caught.value.needed) == (4, 5)
    with pytest.raises(TooMuchMetalError):
        match_beads(PLATE, np.random.default_rng(0).uniform(-80, 80, (41, 3)))
    with pytest.raises(TooFewBeadsError):
        match_beads(PLATE, np.zeros((0, 3)))
