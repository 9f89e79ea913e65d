"""Shapes that a model gives, their derivatives and the anatomy that they carry."""

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from planning_core.anatomy.body import cut_body, endplates, find_canal_in
from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.shape_model import Region, ShapeInstance, load_shape_model
from planning_core.anatomy.shape_model.model import Endplate, Landmark, ShapeParameterError
from planning_core.anatomy.shape_model.training.anatomy import field_of
from planning_core.anatomy.vertebra import Part, Side
from planning_core.geometry import RigidTransform

REGIONS = list(Region)
WEIGHTS = st.lists(st.floats(-2, 2), min_size=0, max_size=15)
FRACTURES = st.lists(st.floats(0, 0.25), min_size=3, max_size=3)
HERE = RigidTransform.from_parts("ct_lps", "vertebra", np.eye(3), np.zeros(3))


@pytest.fixture(scope="module", params=REGIONS, ids=[r.value for r in REGIONS])
def model(request):
    return load_shape_model(request.param)


def test_every_level_has_the_model_of_its_region():
    assert load_shape_model(VertebraLevel.T1).region is Region.UPPER_THORACIC
    assert load_shape_model(VertebraLevel.T8).region is Region.MIDDLE_THORACIC
    assert load_shape_model(VertebraLevel.T13).region is Region.LOWER_THORACIC
    assert load_shape_model(VertebraLevel.L6).region is Region.LUMBAR
    assert [len(r.levels) for r in REGIONS] == [4, 4, 4, 5]


def test_the_mean_is_one_closed_ring_and_its_own_mirror_image(model):
    mesh = trimesh.Trimesh(model.mean, model.triangles, process=False)
    assert mesh.is_watertight
    assert mesh.euler_number == 0  # one hole: the canal
    assert mesh.volume > 0
    np.testing.assert_allclose(model.mean[model.mirror] * [-1, 1, 1], model.mean, atol=1e-4)


def test_modes_are_orthogonal_of_unit_size_and_fall(model):
    flat = model.modes.reshape(model.mode_count, -1)
    np.testing.assert_allclose(flat @ flat.T / len(model.mean), np.eye(model.mode_count), atol=1e-4)
    assert (np.diff(model.sigma_mm) <= 0).all()


def test_modes_neither_move_turn_nor_scale(model):
    centred = model.mean - model.mean.mean(axis=0)
    assert np.abs(model.modes.mean(axis=1)).max() < 1e-3
    assert np.abs(np.cross(centred, model.modes).mean(axis=1)).max() < 1e-2
    assert np.abs((centred * model.modes).sum(axis=-1).mean(axis=1)).max() < 1e-2


@settings(max_examples=25, deadline=None)
@given(WEIGHTS, st.floats(0.7, 1.4), FRACTURES)
def test_vertices_are_the_mean_and_the_jacobian(weights, scale, fracture):
    model = load_shape_model(Region.LUMBAR)
    given_ = np.concatenate([weights, np.zeros(model.mode_count - len(weights)), fracture])
    expected = scale * model.mean + np.tensordot(given_, model.jacobian(scale), axes=1)
    np.testing.assert_allclose(model.vertices(weights, scale, fracture), expected, atol=1e-9)


@pytest.mark.parametrize(
    ("weights", "scale", "fracture"),
    [
        (np.zeros(16), 1.0, (0, 0, 0)),
        ((), 0.0, (0, 0, 0)),
        ((), np.nan, (0, 0, 0)),
        ((), 1.0, (0.5, 0.3, 0.3)),
        ((), 1.0, (-0.1, 0, 0)),
    ],
)
def test_what_gives_no_vertebra_is_refused(weights, scale, fracture):
    with pytest.raises(ShapeParameterError):
        load_shape_model(Region.LUMBAR).vertices(weights, scale, fracture)


def test_a_known_level_is_expected_near_its_region_and_fifth_lumbars_are_wide():
    model = load_shape_model(Region.LUMBAR)
    gaps = []
    for level in Region.LUMBAR.levels:
        weights, scale = model.expected(level)
        assert np.abs(weights).max() < 2.5
        assert 0.8 < scale < 1.2
        anchors = model.pedicles.of(model.vertices(weights, scale))
        gaps.append(np.linalg.norm(anchors[:2].mean(axis=0) - anchors[2:].mean(axis=0)))
    assert gaps[-1] > gaps[0] + 3
    with pytest.raises(ShapeParameterError):
        model.expected(VertebraLevel.T12)


def test_leading_modes_are_a_model_of_their_own(model):
    few = model.leading(4)
    assert few.mode_count == 4
    np.testing.assert_array_equal(few.vertices([1, 2, 3, 4]), model.vertices([1, 2, 3, 4]))


def test_collapse_leaves_the_arch(model):
    assert not model.collapse[:, model.parts != Part.BODY].any()


@pytest.mark.parametrize("region", [Region.MIDDLE_THORACIC, Region.LUMBAR])
def test_collapse_takes_height_where_its_kind_says(region):
    model = load_shape_model(region)
    heights = []
    for fracture in ((0, 0, 0), (0.4, 0, 0), (0, 0.4, 0), (0, 0, 0.4)):
        field = field_of(model.vertices((), 1.0, fracture), model.triangles)
        ends = endplates(cut_body(field, find_canal_in(field)))
        slab = np.abs(ends.x) < 4
        y, height = ends.y[slab], (ends.top - ends.bottom)[slab]
        reach = np.percentile(y, (2, 98))
        bands = [
            (y > reach[0] + a * np.ptp(reach)) & (y < reach[0] + b * np.ptp(reach))
            for a, b in ((0.05, 0.3), (0.4, 0.6), (0.85, 1))
        ]
        heights.append([height[band].mean() for band in bands])
    intact, wedge, biconcave, crush = np.array(heights)
    assert wedge[0] < 0.75 * intact[0]
    assert wedge[2] > 0.9 * intact[2]
    assert biconcave[1] < 0.75 * intact[1]
    assert (crush[:2] < 0.8 * intact[:2]).all()


def test_a_crushed_body_bulges_sideways_but_not_into_the_canal(model):
    crush = model.collapse[2]
    wide = model.body[np.argsort(np.abs(model.mean[model.body, 0]))[-40:]]
    outward = np.sign(model.mean[wide, 0]) * crush[wide, 0]
    assert outward.min() >= 0
    assert outward.mean() > 0.5
    assert crush[model.canal, 1].max() < 0.3


def test_pedicle_axes_run_forward_through_bone_on_their_own_side(model):
    field = field_of(model.mean, model.triangles)
    instance = ShapeInstance(model, HERE, np.zeros(model.mode_count))
    for side, sign in ((Side.LEFT, 1), (Side.RIGHT, -1)):
        entry, body = instance.pedicle_axis(side)
        assert sign * (entry + body)[0] > 0
        assert entry[1] > body[1]
        assert field.at((entry + body) / 2) < -1.0


def test_pedicle_axes_follow_affine_maps(model):
    matrix = np.array([[1.1, 0.05, 0], [0, 0.9, 0.02], [0.03, 0, 1.05]])
    np.testing.assert_allclose(
        model.pedicles.of(model.mean @ matrix.T + 3), model.pedicles.of(model.mean) @ matrix.T + 3, atol=1e-3
    )


def test_landmarks_lie_where_their_names_say(model):
    place = dict(zip(Landmark, model.mean[model.landmarks], strict=True))
    assert place[Landmark.TRANSVERSE_LEFT][0] > 15
    assert place[Landmark.SPINOUS_TIP][1] > np.percentile(model.mean[:, 1], 95)
    assert place[Landmark.ANTERIOR_SUPERIOR][2] > place[Landmark.ANTERIOR_MIDDLE][2] > place[Landmark.ANTERIOR_INFERIOR][2]
    assert place[Landmark.SUPERIOR_ARTICULAR_LEFT][2] > place[Landmark.INFERIOR_ARTICULAR_LEFT][2]


def test_rims_run_round_the_endplates_from_the_front_over_the_left(model):
    instance = ShapeInstance(model, HERE, np.zeros(model.mode_count))
    upper, lower = instance.rim(Endplate.SUPERIOR), instance.rim(Endplate.INFERIOR)
    assert (upper[:, 2] > lower[:, 2] + 8).all()
    quarter = len(upper) // 4
    assert upper[0, 1] < upper[2 * quarter, 1]
    assert upper[quarter, 0] > 8
    assert upper[3 * quarter, 0] < -8


def test_the_canal_is_lined_all_round(model):
    lining = model.mean[model.canal]
    assert np.ptp(lining[:, 0]) > 10
    assert np.ptp(lining[:, 1]) > 8


def test_a_pose_moves_everything_with_it(model):
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    moved = ShapeInstance(
        model, RigidTransform.from_parts("ct_lps", "vertebra", turn, [10.0, 20, 30]), np.ones(2), 1.1, (0.2, 0, 0)
    )
    still = ShapeInstance(model, HERE, np.ones(2), 1.1, (0.2, 0, 0))
    np.testing.assert_allclose(moved.landmarks, moved.pose.apply(still.landmarks))
    np.testing.assert_allclose(moved.pedicle_axis(Side.LEFT)[0], moved.pose.apply(still.pedicle_axis(Side.LEFT)[0]))
    assert not np.allclose(moved.vertices, moved.intact_vertices)
