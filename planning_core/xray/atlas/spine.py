"""How vertebrae usually stand: their tilt in a patient and where the neighbours are, by level."""

from __future__ import annotations

import attrs
import numpy as np
from scipy.spatial.transform import Rotation

from planning_core.anatomy.levels import VertebraLevel
from planning_core.geometry.arrays import FloatArray, frozen_float64

LEVELS = 0.8
"""A vertebra so many levels away counts for exp(-1/2) of one of the same level."""


@attrs.frozen(eq=False)
class SpineHabit:
    """Poses of whole spines' vertebrae.

    Args:
        patients, levels: (s,) whose each is. poses: (s, 4, 4) T_<patient's L, P, S>_vertebra, mm.
    """

    patients: tuple[str, ...]
    levels: tuple[VertebraLevel, ...]
    poses: FloatArray = attrs.field(converter=frozen_float64)

    def without(self, patient: str) -> SpineHabit:
        """The habit of the others."""
        kept = [n for n, p in enumerate(self.patients) if p != patient]
        return SpineHabit(tuple(self.patients[n] for n in kept), tuple(self.levels[n] for n in kept), self.poses[kept])

    def turn(self, level: VertebraLevel) -> FloatArray:
        """(3, 3) usual rotation of a vertebra against its patient's L, P, S: a tilt about L, as left is as right."""
        tilts = [Rotation.from_matrix(pose[:3, :3]).as_rotvec()[0] for pose in self.poses]
        tilt = np.average(tilts, weights=self._weights([v.ordinal for v in self.levels], level.ordinal))
        return np.asarray(Rotation.from_rotvec([tilt, 0.0, 0.0]).as_matrix())

    def neighbour(self, level: VertebraLevel, step: int) -> tuple[FloatArray, FloatArray]:
        """Where the vertebra above (-1) or below (1) stands: (3, 3) rotation and (3,) mm in the vertebra's frame."""
        found, places = [], []
        for n, (patient, one) in enumerate(zip(self.patients, self.levels, strict=True)):
            for m, (other_patient, other) in enumerate(zip(self.patients, self.levels, strict=True)):
                if patient == other_patient and other.ordinal - one.ordinal == step:
                    found.append(np.linalg.inv(self.poses[n]) @ self.poses[m])
                    places.append(one.ordinal)
        weights = self._weights(places, level.ordinal)
        tilt = np.average([Rotation.from_matrix(t[:3, :3]).as_rotvec()[0] for t in found], weights=weights)
        shift = np.average([t[:3, 3] for t in found], axis=0, weights=weights)
        return np.asarray(Rotation.from_rotvec([tilt, 0.0, 0.0]).as_matrix()), np.array([0.0, *shift[1:]])

    @staticmethod
    def _weights(places: list[float], at: float) -> FloatArray:
        away = (np.array(places) - at) / LEVELS
        # the nearest always count: beyond the known levels they are what there is
        return np.asarray(np.exp(-0.5 * (away**2 - (away**2).min())))
