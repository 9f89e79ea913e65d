"""Hypothesis strategies shared by the geometry tests."""

import numpy as np
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from planning_core.geometry import RigidTransform

coordinates = st.floats(-500, 500, allow_nan=False)
points = st.lists(coordinates, min_size=3, max_size=3).map(np.array)
rotations = st.lists(st.floats(-3, 3), min_size=3, max_size=3).map(lambda v: Rotation.from_rotvec(v).as_matrix())


def transforms(dst: str, src: str):
    return st.builds(lambda r, t: RigidTransform.from_parts(dst, src, r, t), rotations, points)
