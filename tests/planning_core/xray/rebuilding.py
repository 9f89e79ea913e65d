"""A vertebra as X-rays might have given it, at a known place, for tests of what comes after."""

import numpy as np

from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.shape_model import ShapeInstance, load_shape_model
from planning_core.anatomy.vertebra import Side
from planning_core.geometry import RigidTransform
from planning_core.xray.clicks import Clicks
from planning_core.xray.geometry import PinholeView
from planning_core.xray.reconstruction import NextView, XrayReconstruction, body_middle

SIGMAS = {"turn": 0.02, "shift": 0.5, "scale": 0.02, "weights": 0.4, "fracture": 0.03}


def rebuilt(level=VertebraLevel.L1, frame="carm", turn=None, place=(10.0, 20.0, 30.0), spread=1.0, **more):
    """The level's likeliest shape; its errors ``spread`` times the usual."""
    model = load_shape_model(level)
    weights, scale = model.expected(level)
    pose = RigidTransform.from_parts(frame, "vertebra", np.eye(3) if turn is None else turn, place)
    s = SIGMAS
    sigma = [s["turn"]] * 3 + [s["shift"]] * 3 + [s["scale"]] + [s["weights"]] * model.mode_count + [s["fracture"]] * 3
    said = {"confidence": 0.9, "next_view": NextView(45.0, 0.0, 0.3)} | more
    return XrayReconstruction(
        level, ShapeInstance(model, pose, weights, scale), np.diag(np.square(sigma)) * spread**2, (0.6, 0.6), (9.0, 9.0), **said
    )


def views(frame="carm", angles=((0.0, 0.0), (90.0, 0.0)), about=(0.0, 0.0, 0.0)):
    """C-arm views, a frontal and a lateral one unless said otherwise."""
    return [PinholeView.isocentric(*a, 1020.0, 640.0, (288, 288), (1.0, 1.0), frame=frame, isocentre_mm=about) for a in angles]


def clicks_on(found, some):
    """The three points of a rebuilt vertebra as each view shows them."""
    shape = found.shape
    points = [body_middle(shape.model, shape.vertices), *(np.mean(shape.pedicle_axis(side), axis=0) for side in Side)]
    return Clicks([view.project(np.array(points)) for view in some])
