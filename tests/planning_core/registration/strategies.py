"""Hypothesis strategies and small worlds shared by the registration tests."""

import numpy as np
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from planning_core.geometry import RigidTransform
from planning_core.registration.tracked import Sighting, TrackedPose

seeds = st.integers(0, 2**32 - 1)
REFERENCE_MARKERS = np.array([[0.0, 0, 0], [75, 0, 0], [12, 65, 0], [70, 60, 15]])


def cloud(seed, n, size=60.0):
    """(n, 3) points that fill a box: never on a line."""
    rng = np.random.default_rng(seed)
    corners = np.array([[1.0, 1, 1], [-1, -1, 1], [-1, 1, -1], [1, -1, -1]])
    return np.vstack([corners, rng.uniform(-1, 1, (max(n - 4, 0), 3))])[:n] * size / 2


def pose(seed, dst, src, reach=200.0):
    rng = np.random.default_rng([seed, 5])
    return RigidTransform.from_parts(dst, src, Rotation.random(rng=rng).as_matrix(), rng.uniform(-reach, reach, 3))


def covariances(seed, n):
    """(n, 3, 3) mm²: a tenth to half a millimetre, turned at will."""
    rng = np.random.default_rng([seed, 6])
    turn = Rotation.random(n, rng=rng).as_matrix()
    return turn @ (rng.uniform(0.1, 0.5, (n, 3, 1)) ** 2 * np.swapaxes(turn, -1, -2))


def jittered(transform, rng, turn_rad=2e-4, shift_mm=0.05):
    small = Rotation.from_rotvec(rng.normal(0, turn_rad, 3)).as_matrix()
    return RigidTransform.from_parts(
        transform.dst, transform.src, small @ transform.rotation, transform.translation_mm + rng.normal(0, shift_mm, 3)
    )


def sightings(tracker_from_plate, tracker_from_reference, count=20, seed=0, jitter_mm=0.05):
    """Frames at 60 Hz that end at 100 s."""
    rng = np.random.default_rng(seed)
    out = []
    for n in range(count):
        stamp = 100.0 - (count - 1 - n) / 60
        seen = [
            TrackedPose(jittered(t, rng, jitter_mm / 300, jitter_mm), 1000 + n, stamp, 0.1)
            for t in (tracker_from_plate, tracker_from_reference)
        ]
        out.append(Sighting(*seen))
    return out
