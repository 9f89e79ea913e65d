"""What stands before the camera: the tools with their markers, and where they truly are at a time."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Protocol

import attrs
import numpy as np

from planning_core.errors import InputError
from planning_core.geometry import RigidTransform
from planning_core.geometry.arrays import FloatArray, frozen_float64, frozen_vector

TRACKER = "tracker"


@attrs.frozen(eq=False)
class PhysicalTool:
    """A rigid body with retro-reflective spheres.

    Args:
        name: frame name of the tool, as in CONVENTIONS (patient_ref, robot_ref, probe_tip).
        markers_mm: (n, 3) sphere centres in the tool's frame, mm; n ≥ 3.
        facing: (3,) direction of the open side; markers are hidden beyond ``hidden_beyond_deg``.
        hidden_beyond_deg: the tool's own body hides its markers when turned further from the camera, degrees (assumed).
    """

    name: str
    markers_mm: FloatArray = attrs.field(converter=frozen_float64)
    facing: FloatArray = attrs.field(factory=lambda: np.array([0.0, 0.0, 1.0]), converter=frozen_vector)
    hidden_beyond_deg: float = 60.0


@attrs.frozen(eq=False)
class Occluder:
    """A sphere that blocks sight (a head, a hand, the C-arm): centre (3,) and radius in mm, tracker frame."""

    centre_mm: FloatArray = attrs.field(converter=frozen_vector)
    radius_mm: float = attrs.field(validator=attrs.validators.gt(0))


@attrs.frozen(eq=False)
class SceneState:
    """The truth at one time: pose of each tool that is in the room, and what stands in the way."""

    poses: Mapping[str, RigidTransform]
    """``T_tracker_<tool>`` by tool name, mm."""
    occluders: tuple[Occluder, ...] = ()


class SceneProvider(Protocol):
    """The truth as a function of time; the whole room, or a script.

    It is asked for exposure times up to some 50 ms in the past and must answer the same for the same time.
    """

    @property
    def tools(self) -> Mapping[str, PhysicalTool]:
        """The tools by name; fixed for the life of the device."""
        ...

    def __call__(self, time_s: float) -> SceneState:
        """The truth at ``time_s``, seconds since the device's epoch."""
        ...


@attrs.frozen(eq=False)
class ScriptedScene:
    """Tools whose poses are functions of time (tests and bench work without a room)."""

    tools: Mapping[str, PhysicalTool]
    motions: Mapping[str, Callable[[float], RigidTransform]]
    occluders: Callable[[float], tuple[Occluder, ...]] = attrs.field(default=lambda _: ())

    def __call__(self, time_s: float) -> SceneState:
        """The scripted truth at ``time_s``."""
        return SceneState({name: motion(time_s) for name, motion in self.motions.items()}, self.occluders(time_s))


# Four spheres at mutually different distances, plates of 60–120 mm: the manufacturer's rule for telling tools apart.
PATIENT_REF = PhysicalTool("patient_ref", [[0.0, 0.0, 0.0], [50.0, 0.0, 0.0], [0.0, 72.0, 0.0], [-38.0, 24.0, 12.0]])
ROBOT_REF = PhysicalTool("robot_ref", [[0.0, 0.0, 0.0], [62.0, 8.0, 0.0], [-14.0, 88.0, 0.0], [-54.0, -22.0, 15.0]])
PROBE_TIP = PhysicalTool("probe_tip", [[0.0, 0.0, 100.0], [0.0, 45.0, 128.0], [33.0, -20.0, 160.0], [-52.0, 12.0, 199.0]])


def facing_camera(tool: str, x_mm: float, y_mm: float, z_mm: float) -> RigidTransform:
    """``T_tracker_<tool>`` with the tool's axes along the tracker's, its open side (+z) towards the camera."""
    return RigidTransform.from_parts(TRACKER, tool, np.eye(3), [x_mm, y_mm, z_mm])


def still() -> ScriptedScene:
    """Three tools at rest at the camera's best distance, 1.4–1.5 m (FACTS 1)."""
    places = {"patient_ref": (40.0, -60.0, -1450.0), "robot_ref": (-120.0, 130.0, -1400.0), "probe_tip": (150.0, 40.0, -1500.0)}
    tools = {tool.name: tool for tool in (PATIENT_REF, ROBOT_REF, PROBE_TIP)}
    poses = {name: facing_camera(name, *place) for name, place in places.items()}
    return ScriptedScene(tools, {name: lambda _, pose=pose: pose for name, pose in poses.items()})  # type: ignore[misc]


def breathing() -> ScriptedScene:
    """As :func:`still`, with the patient rising 5 mm peak to peak at 0.25 Hz along the tracker's x (issue's breathing)."""
    scene = still()

    def patient(time_s: float) -> RigidTransform:
        return facing_camera("patient_ref", 40.0 + 2.5 * float(np.sin(2 * np.pi * 0.25 * time_s)), -60.0, -1450.0)

    return ScriptedScene(scene.tools, {**scene.motions, "patient_ref": patient})


SCENES: Mapping[str, Callable[[], SceneProvider]] = MappingProxyType({"still": still, "breathing": breathing})


def scene_by_name(name: str) -> SceneProvider:
    """A scripted scene, or ``package.module:factory`` where factory() returns a :class:`SceneProvider`.

    Raises:
        InputError: no such scene, module or factory.
    """
    if name in SCENES:
        return SCENES[name]()
    module, colon, factory = name.partition(":")
    if not colon:
        raise InputError(f"no scene {name!r}; scripted are {', '.join(SCENES)}, others are given as package.module:factory")
    try:
        make: Any = getattr(importlib.import_module(module), factory)
    except (ImportError, AttributeError) as missing:
        raise InputError(f"scene {name!r} cannot be loaded: {missing}", scene=name) from missing
    provider: SceneProvider = make()
    return provider
