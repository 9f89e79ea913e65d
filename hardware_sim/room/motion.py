"""How the patient, the reference clamped to it and the probe in the operator's hand move, given what happened so far."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from hardware_sim.patient_motion import PatientMotion, PatientMotionConfig, cough_mm, eased
from hardware_sim.room.events import Event, EventKind
from hardware_sim.room.layout import Layout
from planning_core.geometry import RigidTransform
from planning_core.geometry.arrays import FloatArray

BUMP_TAKES_S = 0.2
HAND_MM = 0.15
"""RMS of where the operator sets the probe's tip against the bead's middle, 3D (assumed)."""
TREMOR_MM, TREMOR_HZ = 0.03, (0.7, 1.1, 2.3)
"""Each of the slow waves of a hand that leans on the patient: one sigma and rates (assumed)."""
REACH_MM, REACH_S = 120.0, 1.0
"""The probe comes down to the bead over this way in this time; before it is not in view."""
PROBE_OFF_CAMERA_DEG = 20.0
"""The probe is held a little steeper than straight at the camera."""


class RoomMotion:
    """Poses in the world as functions of the room's time and of the events that have been written; mm."""

    def __init__(self, layout: Layout, config: PatientMotionConfig, seed: int) -> None:
        self._layout, self._seed = layout, seed
        self._patient = PatientMotion(config, seed)
        self._thrust_s = config.cough_thrust_s
        self._holds: list[tuple[float, float]] = []
        self._moves: list[Event] = []
        self._bumps: list[Event] = []
        self._probe: list[Event] = []
        self._occluders: list[Event] = []

    def take(self, events: Sequence[Event]) -> None:
        """New events, in the order of their times."""
        for event in events:
            if event.kind is EventKind.BREATH_HOLD:
                self._hold(event)
            else:
                {
                    EventKind.SHIFT: self._moves,
                    EventKind.COUGH: self._moves,
                    EventKind.BUMP: self._bumps,
                    EventKind.PROBE: self._probe,
                    EventKind.OCCLUDER: self._occluders,
                }[event.kind].append(event)

    def displacement(self, time_s: float) -> RigidTransform:
        """``T_world_world`` of the patient, as :meth:`PatientMotion.displacement`."""
        moved = self._patient.displacement(time_s, self._breathing_s(time_s))
        extra: FloatArray = np.zeros(3)
        for event in self._moves:
            if event.kind is EventKind.SHIFT:
                extra = extra + np.array(event.values[:3]) * eased((time_s - event.time_s) / event.values[3])
            else:
                extra = extra + [0.0, 0.0, cough_mm(time_s - event.time_s, event.values[0], self._thrust_s)]
        return RigidTransform.from_parts("world", "world", moved.rotation, moved.translation_mm + extra)

    def world_from_ct(self, time_s: float) -> RigidTransform:
        """``T_world_ct_lps`` of the patient now."""
        return self.displacement(time_s) @ self._layout.world_from_ct

    def world_from_patient_ref(self, time_s: float) -> RigidTransform:
        """``T_world_patient_ref``; bumps stay."""
        return self.displacement(time_s) @ self.clamped(time_s)

    def clamped(self, time_s: float) -> RigidTransform:
        """``T_world_patient_ref`` on the patient at rest, with the bumps so far."""
        pose = self._layout.world_from_patient_ref
        for event in self._bumps:
            share = eased((time_s - event.time_s) / BUMP_TAKES_S)
            if share > 0:
                turn = Rotation.from_rotvec(np.deg2rad(event.values[3:]) * share).as_matrix()
                way = np.array(event.values[:3]) * share
                pose = pose @ RigidTransform.from_parts("patient_ref", "patient_ref", turn, way)
        return pose

    def bead(self, time_s: float) -> FloatArray:
        """(3,) middle of the check bead, world."""
        return self.world_from_ct(time_s).apply(self._layout.bead_mm)

    def world_from_probe(self, time_s: float) -> RigidTransform | None:
        """``T_world_probe_tip``, or None while the probe is away; the tip rests on the bead but for the hand."""
        placed = [event for event in self._probe if event.time_s <= time_s]
        if not placed or not placed[-1].values[0]:
            return None
        last = placed[-1]
        draw = np.random.default_rng([self._seed, 33, len(placed)])
        offset = draw.normal(size=3) * HAND_MM / np.sqrt(3)
        phases = draw.uniform(0, 2 * np.pi, (len(TREMOR_HZ), 3))
        waves = np.sin(2 * np.pi * np.array(TREMOR_HZ)[:, None] * time_s + phases)
        tremor = np.sqrt(2.0) * TREMOR_MM / np.sqrt(waves.size) * waves.sum(axis=0)
        turn = self._probe_turn()
        above = REACH_MM * (1 - eased((time_s - last.time_s) / REACH_S))
        tip = self.bead(time_s) + offset + tremor + above * turn[:, 2]
        return RigidTransform.from_parts("world", "probe_tip", turn, tip)

    def occluder(self, time_s: float) -> tuple[FloatArray, float] | None:
        """Centre (3,) in the world and radius of what stands before the camera, mm."""
        placed = [event for event in self._occluders if event.time_s <= time_s]
        if not placed or not placed[-1].values[3]:
            return None
        return np.array(placed[-1].values[:3]), placed[-1].values[3]

    @property
    def still_from_s(self) -> float | None:
        """From when the held breath leaves the patient still; None while breathing."""
        return self._holds[-1][0] if self._holds and self._holds[-1][1] == np.inf else None

    def _probe_turn(self) -> FloatArray:
        camera = self._layout.world_from_tracker
        steeper = Rotation.from_rotvec(np.deg2rad(PROBE_OFF_CAMERA_DEG) * -camera.rotation[:, 0])
        turn: FloatArray = steeper.as_matrix() @ camera.rotation
        return turn

    def _hold(self, event: Event) -> None:
        """Breathing stops at the end of the breath under way; it goes on from there."""
        if event.values[0]:
            if not self._holds or self._holds[-1][1] < np.inf:
                ends = event.time_s + self._patient.until_breathed_out(self._breathing_s(event.time_s))
                self._holds.append((ends, np.inf))
        elif self._holds and self._holds[-1][1] == np.inf:
            since = self._holds[-1][0]
            self._holds[-1] = (since, max(since, event.time_s))

    def _breathing_s(self, time_s: float) -> float:
        held = sum(min(until, time_s) - since for since, until in self._holds if since < time_s)
        return time_s - held
