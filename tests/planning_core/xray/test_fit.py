"""A vertebra's shape from pictures that were drawn of a known one, with what usually spoils pictures."""

import attrs
import numpy as np
import pytest
import scipy.ndimage as ndi

from planning_core.anatomy.levels import VertebraLevel
from planning_core.xray.clicks import Clicks, InvalidClicksError
from planning_core.xray.fit import ReconstructionError, find, reconstruct, usual_chain
from planning_core.xray.fitting.config import FitConfig
from planning_core.xray.fitting.judge import next_view
from planning_core.xray.fitting.likeness import _seen
from planning_core.xray.fitting.starts import placed
from planning_core.xray.geometry import PinholeView
from planning_core.xray.image import XrayImage
from planning_core.xray.pair import angle_deg
from planning_core.xray.refusals import EqualViewsError, MirroredViewError, TooFewViewsError
from planning_core.xray.splat import spread

LEVEL = VertebraLevel.L2
QUICK = FitConfig(turns_deg=(0.0,), kept=1, steps=12)
SIZE, SPACING = (220, 220), (1.0, 1.0)


def view(primary, secondary=0.0):
    return PinholeView.isocentric(primary, secondary, 1000.0, 640.0, SIZE, SPACING, isocentre_mm=(4.0, -3.0, 2.0))


@pytest.fixture(scope="module")
def usual():
    return usual_chain(LEVEL, "carm")


@pytest.fixture(scope="module")
def truth(usual):
    step = np.zeros(usual.count)
    step[:3] = np.radians([4.0, -5.0, 3.0])
    step[6] = 0.05
    step[7:10] = [1.2, -0.8, 0.9]
    return placed(usual, np.array([6.0, -2.0, 4.0])).moved(step)


def picture(truth, at, noise=0.02, seed=0):
    """What is seen of the chain under a smooth trunk, with noise."""
    bones = np.zeros(SIZE, np.float32)
    for drawn in truth.drawn():
        pixels, mass, _ = _seen(at, drawn)
        bones += spread(np.ascontiguousarray(pixels), mass, SIZE)
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    trunk = 3 * np.exp(-(((columns - 110) / 90) ** 2)) + 0.5 * np.sin(rows / 40)
    bones = ndi.gaussian_filter(bones, 1.0)
    noisy = np.random.default_rng(seed).normal(scale=noise, size=SIZE)
    return XrayImage((bones / bones.max() + trunk + noisy).astype(np.float32), at, line_integrals=True)


@pytest.fixture(scope="module")
def images(truth):
    return [picture(truth, view(a, b), seed=n) for n, (a, b) in enumerate(((0, 0), (90, 5)))]


def clicks(truth, images, off=2.0):
    return Clicks([[image.view.project(truth.middle) + off * np.array([1, -1])] for image in images])


def away_mm(found, truth):
    return float(np.sqrt(((found.shape.vertices - truth.shape.vertices) ** 2).sum(axis=1).mean()))


@pytest.fixture(scope="module")
def found(truth, images, usual):
    return reconstruct(images, LEVEL, clicks(truth, images), QUICK, usual=usual)


def test_a_known_vertebra_is_found_again(found, truth):
    assert away_mm(found, truth) < 1.5
    assert min(found.likeness) > 0.7
    assert min(found.significance) > 2
    assert found.trusted
    assert found.shape.pose.dst == "carm"


def test_the_error_is_of_the_size_that_is_expected(found, truth):
    away = np.linalg.norm(found.shape.vertices - truth.shape.vertices, axis=1).mean()
    assert 0.3 < found.surface_sd_mm.mean() < 2.5
    assert away < 4 * found.surface_sd_mm.mean()


def test_the_same_pictures_give_the_same_vertebra(found, truth, images, usual):
    again = reconstruct(images, LEVEL, clicks(truth, images), QUICK, usual=usual)
    np.testing.assert_array_equal(again.shape.vertices, found.shape.vertices)
    np.testing.assert_array_equal(again.covariance, found.covariance)


def test_the_same_pictures_counted_twice_are_not_believed_more(truth, images, usual):
    once = find(images, LEVEL, clicks(truth, images), QUICK, usual=usual).signs
    doubled = [*images, *images]
    twice = find(doubled, LEVEL, clicks(truth, doubled), QUICK, usual=usual).signs
    assert twice.log_score == pytest.approx(once.log_score, abs=0.1)
    assert twice.deviation == pytest.approx(once.deviation, rel=0.3, abs=0.3)


def test_gain_offset_collimation_and_metal_do_not_matter_much(truth, images, usual):
    first = images[0]
    pixels = 2.5 * first.pixels + 1
    pixels[:, 160:164] += 20  # a rod beside the body
    valid = np.ones(SIZE, bool)
    valid[:30] = valid[-20:] = False
    spoiled = [attrs.evolve(first, pixels=np.where(valid, pixels, 50.0), valid=valid, line_integrals=False), images[1]]
    assert away_mm(reconstruct(spoiled, LEVEL, clicks(truth, images), QUICK, usual=usual), truth) < 2.5


def test_an_inverted_picture_is_doubted(truth, images, usual):
    inverted = [attrs.evolve(image, pixels=-image.pixels) for image in images]
    assert not reconstruct(inverted, LEVEL, clicks(truth, images), QUICK, usual=usual).trusted


def test_a_picture_without_the_vertebra_is_doubted_and_a_further_view_named(truth, images, usual):
    noise = np.random.default_rng(5).normal(size=SIZE).astype(np.float32)
    blind = [images[0], attrs.evolve(images[1], pixels=ndi.gaussian_filter(noise, 2.0))]
    result = reconstruct(blind, LEVEL, clicks(truth, images), QUICK, usual=usual)
    assert not result.trusted
    assert result.next_view is not None
    assert abs(result.next_view.primary_deg) > 30  # a frontal one is there
    assert 0 < result.next_view.gain < 1


@pytest.mark.parametrize("at_hand", [((0, 0), (90, 5)), ((45, 0), (-45, 0)), ((75, 15), (20, -15))])
def test_the_further_view_is_none_of_those_at_hand(truth, usual, at_hand):
    shots = [picture(truth, view(*angles), noise=0.5, seed=n) for n, angles in enumerate(at_hand)]
    got = find(shots, LEVEL, clicks(truth, shots), QUICK, usual=usual)
    further = next_view(got.chain, got.known, got.windows, got.likeness, QUICK)
    assert further is not None
    asked = view(further.primary_deg, further.secondary_deg)
    assert min(angle_deg(asked, shot.view) for shot in shots) > 10


def test_nobody_showed_the_level(truth, images, usual):
    result = reconstruct(images, LEVEL, None, attrs_free(QUICK), usual=usual)
    assert not result.trusted
    assert "nobody showed" in result.doubts[0]


def attrs_free(config):
    return config.model_copy(update={"blind_mm": 0.1, "steps": 4})


def three_points(chain, images, order=(0, 1, 2)):
    """Body, left and right pedicle as they are shown, in another order if one is given."""
    ends = chain.shape.pose.apply(chain.shape.model.pedicles.of(chain.shape.shape))
    points = np.array([chain.middle, ends[:2].mean(axis=0), ends[2:].mean(axis=0)])
    return [image.view.project(points)[list(order)] for image in images]


def test_three_points_turn_the_start(usual, images):
    turned = usual.moved(np.r_[np.radians([0, 0, 25.0]), np.zeros(usual.count - 3)])
    turned = placed(turned, np.array([5.0, 0.0, 0.0]))
    shots = [picture(turned, image.view, seed=n) for n, image in enumerate(images)]
    shown = Clicks(three_points(turned, shots))
    assert away_mm(reconstruct(shots, LEVEL, shown, QUICK, usual=usual), turned) < 2.0


def test_clicked_pedicles_hold_the_model_where_the_pictures_say_little(truth, images, usual):
    """A noisy lateral view: the pedicles' middles come out nearer to the truth with them than without."""
    poor = [images[0], picture(truth, images[1].view, noise=2.0, seed=7)]

    def off_mm(found):
        own, known = (s.pose.apply(s.model.pedicles.of(s.shape)) for s in (found.shape, truth.shape))
        return float(np.linalg.norm((own - known).reshape(2, 2, 3).mean(axis=1), axis=1).mean())

    one = reconstruct(poor, LEVEL, clicks(truth, poor, 4.0), QUICK, usual=usual)
    three = reconstruct(poor, LEVEL, Clicks(three_points(truth, poor)), QUICK, usual=usual)
    assert off_mm(three) < off_mm(one)
    assert off_mm(three) < 1.5


def test_a_pedicle_clicked_far_off_does_not_carry_the_model_away(truth, images, usual):
    shown = three_points(truth, images)
    shown[0][1] += [0.0, 25.0]
    assert away_mm(reconstruct(images, LEVEL, Clicks(shown), QUICK, usual=usual), truth) < 2.5


def test_left_and_right_exchanged_are_refused(truth, images, usual):
    with pytest.raises(InvalidClicksError, match="the patient's own"):
        reconstruct(images, LEVEL, Clicks(three_points(truth, images, (0, 2, 1))), QUICK, usual=usual)


def test_views_that_cannot_be_used_are_refused(truth, images, usual):
    near = [images[0], picture(truth, view(8))]
    with pytest.raises(EqualViewsError):
        reconstruct(near, LEVEL, clicks(truth, near), QUICK, usual=usual)
    with pytest.raises(TooFewViewsError):
        reconstruct(images[:1], LEVEL, None, QUICK, usual=usual)
    other = attrs.evolve(images[1], pixels=images[1].pixels[:, ::-1], view=images[1].view.mirrored())
    with pytest.raises(MirroredViewError):
        reconstruct([images[0], other], LEVEL, None, QUICK, usual=usual)


def test_clicks_that_do_not_fit_are_refused(images, usual):
    with pytest.raises(InvalidClicksError):
        reconstruct(images, LEVEL, Clicks([[5, 5]]), QUICK, usual=usual)


def test_a_vertebra_beside_the_picture_is_refused(truth, images, usual):
    cut = [images[0].cropped(slice(0, 40), slice(0, 40)), images[1]]
    with pytest.raises(ReconstructionError) as refused:
        reconstruct(cut, LEVEL, Clicks([[2, 2], images[1].view.project(truth.middle)]), QUICK, usual=usual)
    assert refused.value.views == [0]
