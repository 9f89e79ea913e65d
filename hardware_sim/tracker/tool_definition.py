"""Tool definition files (.rom) as the device reads them.

Layout: 752 bytes, little-endian, worked out by the cisst project (JHU, NDI tool definition notes, 2022); NDI does not publish it.
Only the fields the measurement needs are read: marker count, minimum markers, largest error and angle, geometry, part number.
"""

from __future__ import annotations

import struct

import attrs
import numpy as np

from hardware_sim.tracker.wire import BAD_TOOL_FILE, DeviceError
from planning_core.geometry.arrays import FloatArray, frozen_float64

ROM_SIZE = 752
_MAXIMUM_MARKERS = 20
_GEOMETRY_AT = 72
_NORMALS_AT = 312


@attrs.frozen(eq=False)
class ToolDefinition:
    """What the device knows of a tool.

    Args:
        part_number: up to 20 characters.
        markers_mm: (n, 3) marker centres in the tool's frame, mm.
        normals: (n, 3) direction each marker faces in the tool's frame; zeros for spheres seen from anywhere.
        minimum_markers: fewest markers that make a pose.
        maximum_error_mm: a marker whose residual exceeds this is left out, mm.
        maximum_angle_deg: a marker turned further than this from the sensor is left out, degrees.
    """

    part_number: str
    markers_mm: FloatArray = attrs.field(converter=frozen_float64)
    normals: FloatArray = attrs.field(converter=frozen_float64)
    minimum_markers: int
    maximum_error_mm: float
    maximum_angle_deg: float


def parse_rom(data: bytes) -> ToolDefinition:
    """The tool in an uploaded .rom image (zero padding after it is allowed).

    Raises:
        DeviceError: short, wrong magic or checksum, or counts and coordinates no tool has.
    """
    if len(data) < ROM_SIZE:
        raise _refused(f"{len(data)} bytes, {ROM_SIZE} needed")
    image = data[:ROM_SIZE]
    if image[:3] != b"NDI":
        raise _refused("does not start with NDI")
    (checksum,) = struct.unpack_from("<H", image, 4)
    if checksum != sum(image[6:]) & 0xFFFF:
        raise _refused(f"checksum {checksum:04X}, counted {sum(image[6:]) & 0xFFFF:04X}")
    angle, count, minimum = image[24], image[28], image[32]
    (error_mm,) = struct.unpack_from("<f", image, 36)
    if not 3 <= count <= _MAXIMUM_MARKERS or not 3 <= minimum <= count:
        raise _refused(f"{count} markers of which {minimum} make a pose; 3 to {_MAXIMUM_MARKERS} are possible")
    if not 0.0 < error_mm <= 10.0 or not 0 < angle <= 180:
        raise _refused(f"largest marker error {error_mm:g} mm (0–10), largest angle {angle}° (1–180)")
    markers = np.frombuffer(image, "<f4", 3 * count, _GEOMETRY_AT).reshape(count, 3).astype(np.float64)
    normals = np.frombuffer(image, "<f4", 3 * count, _NORMALS_AT).reshape(count, 3).astype(np.float64)
    if not (np.isfinite(markers).all() and np.isfinite(normals).all() and np.abs(markers).max() < 2000.0):
        raise _refused("marker positions are not finite or further than 2000 mm from the tool's origin")
    part = image[592:612].split(b"\0")[0].decode("ascii", "replace")
    return ToolDefinition(part, markers, normals, minimum, float(error_mm), float(angle))


def _refused(reason: str) -> DeviceError:
    return DeviceError(f"tool definition file refused: {reason}", number=BAD_TOOL_FILE)
