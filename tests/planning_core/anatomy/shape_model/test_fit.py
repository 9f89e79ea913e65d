"""Models laid over surfaces: known instances are found again."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from planning_core.anatomy.shape_model import Region, ShapeInstance, load_shape_model
from planning_core.anatomy.shape_model.fit import NoFitError, fit_surface
from planning_core.anatomy.shape_model.surface import PointSurface
from planning_core.geometry import RigidTransform
from tests.data import VERSE012_MASK

POSE = RigidTransform.from_parts("ct_lps", "vertebra", Rotation.from_rotvec([0.1, -0.12, 0.15]).as_matrix(), [4.0, -6, 5])
START = RigidTransform.from_parts("ct_lps", "vertebra", np.eye(3), np.zeros(3))


def surface_of(instance):
    return PointSurface.of_mesh(instance.vertices, instance.model.triangles)


@pytest.mark.parametrize("region", list(Region))
def test_an_instance_is_found_again(region):
    model = load_shape_model(region)
    truth = ShapeInstance(model, POSE, np.random.default_rng(3).normal(0, 0.8, model.mode_count), 1.08)
    found = fit_surface(model, surface_of(truth), start=START)
    away = np.linalg.norm(found.vertices - truth.vertices, axis=1)
    assert away.mean() < 1.0
    assert found.rms_mm < 0.6
    assert found.fracture.max() < 0.06
    assert found.scale == pytest.approx(1.08, abs=0.03)


@pytest.mark.parametrize("fracture", [(0.4, 0, 0), (0, 0.4, 0), (0, 0, 0.4), (0.2, 0.2, 0)])
def test_a_collapse_is_found_again(fracture):
    model = load_shape_model(Region.LUMBAR)
    truth = ShapeInstance(model, POSE, np.zeros(model.mode_count), 1.0, fracture)
    found = fit_surface(model, surface_of(truth), start=START)
    np.testing.assert_allclose(found.fracture, fracture, atol=0.12)
    body = model.body
    assert np.linalg.norm((found.vertices - truth.vertices)[body], axis=1).mean() < 0.8


def test_the_same_surface_gives_the_same_fit():
    model = load_shape_model(Region.LUMBAR)
    surface = surface_of(ShapeInstance(model, POSE, np.ones(3)))
    one, two = (fit_surface(model, surface, start=START) for _ in range(2))
    np.testing.assert_array_equal(one.vertices, two.vertices)


@pytest.mark.parametrize("points", [np.zeros((10, 3)), np.full((100, 3), np.nan)])
def test_what_is_no_surface_is_refused(points):
    with pytest.raises(NoFitError):
        fit_surface(load_shape_model(Region.LUMBAR), PointSurface(points, points))


def test_a_fractured_body_is_fitted_better_with_collapse_than_without(modelled):
    _, spine = modelled(VERSE012_MASK)
    vertebra = next(v for level, v in spine.vertebrae.items() if level.value == "L1")
    model, surface = load_shape_model(Region.LUMBAR), PointSurface.of_field(vertebra.whole)
    intact, broken = (fit_surface(model, surface, with_collapse=c) for c in (False, True))
    assert broken.fracture.sum() > 0.15
    assert (
        np.abs(vertebra.body.at(broken.vertices[model.body])).mean()
        < 0.9 * np.abs(vertebra.body.at(intact.vertices[model.body])).mean()
    )
