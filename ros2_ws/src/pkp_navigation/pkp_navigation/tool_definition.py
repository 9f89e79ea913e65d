"""Tool definition files (.rom): made from marker positions, or checked before they are uploaded.

Layout: 752 bytes, little-endian, as worked out by the cisst project (JHU, 2022); NDI does not publish it. A file made by
NDI's own software for a real tool is to be preferred; made ones serve passive tools whose geometry was measured.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from planning_core.errors import InputError

ROM_SIZE = 752
LARGEST_FILE = 1024
_PASSIVE_SPHERE = 41
_CLOSEST_SIMILAR_MM = 2.0


class ToolDefinitionError(InputError):
    """Markers or a .rom file that cannot serve as a tool. Carries ``tool``."""

    code = "tool_definition"


def rom_from_markers(
    tool: str,
    markers_mm: Sequence[Sequence[float]],
    *,
    minimum_markers: int = 3,
    maximum_error_mm: float = 2.0,
    maximum_angle_deg: int = 90,
) -> bytes:
    """A .rom image of a passive tool whose frame is that of ``markers_mm``.

    Args:
        tool: name, written as part number (up to 20 ASCII characters).
        markers_mm: (n, 3) sphere centres in the tool's frame, mm; 3 ≤ n ≤ 20.
        minimum_markers: fewest spheres that make a pose.
        maximum_error_mm: spheres with a larger residual are left out by the device, mm (0–10; 2.0 is NDI's default).
        maximum_angle_deg: largest angle of a marker to the camera, degrees (1–180; no effect on spheres).

    Raises:
        ToolDefinitionError: counts out of range, positions not finite, in a line, or (up to four spheres) with two
            distances alike, which would let the pose flip.
    """
    markers = np.array(markers_mm, dtype=np.float64)
    if markers.ndim != 2 or markers.shape[1:] != (3,) or not 3 <= len(markers) <= 20 or not np.isfinite(markers).all():
        raise ToolDefinitionError(f"{tool}: 3 to 20 finite marker positions are needed, got shape {markers.shape}", tool=tool)
    if not 3 <= minimum_markers <= len(markers) or not 0.0 < maximum_error_mm <= 10.0 or not 1 <= maximum_angle_deg <= 180:
        raise ToolDefinitionError(
            f"{tool}: minimum {minimum_markers} of {len(markers)} markers, error {maximum_error_mm:g} mm, "
            f"angle {maximum_angle_deg}° are out of range",
            tool=tool,
        )
    _check_distinct(tool, markers)
    image = bytearray(ROM_SIZE)
    image[:3] = b"NDI"
    image[8], image[12] = 1, 2
    image[24], image[28], image[32] = maximum_angle_deg, len(markers), minimum_markers
    struct.pack_into("<f", image, 36, maximum_error_mm)
    image[72 : 72 + 12 * len(markers)] = markers.astype("<f4").tobytes()
    image[552 : 552 + len(markers)] = bytes(range(len(markers)))
    image[572:576] = bytes([31] * 4)
    image[576] = 9
    image[580:592] = b"OpenPKP".ljust(12, b"\0")
    image[592:612] = tool.encode("ascii", "replace")[:20].ljust(20, b"\0")
    image[612] = 9
    image[613 : 613 + len(markers)] = bytes([1] * len(markers))
    image[633 : 633 + len(markers)] = bytes([1] * len(markers))
    image[653], image[655] = 0x80, _PASSIVE_SPHERE
    struct.pack_into("<H", image, 4, sum(image[6:]) & 0xFFFF)
    return bytes(image)


def rom_from_file(tool: str, path: Path) -> bytes:
    """The image of a .rom file, checked.

    Raises:
        ToolDefinitionError: unreadable, of another size, without the NDI mark, or with a checksum that does not fit.
    """
    try:
        with path.open("rb") as stream:
            image = stream.read(LARGEST_FILE + 1)
    except OSError as failed:
        raise ToolDefinitionError(f"{tool}: {path.name} cannot be read: {failed.strerror}", tool=tool) from failed
    if not ROM_SIZE <= len(image) <= LARGEST_FILE or image[:3] != b"NDI":
        raise ToolDefinitionError(f"{tool}: {path.name} is no tool definition file ({len(image)} bytes)", tool=tool)
    checksum = int.from_bytes(image[4:6], "little")
    counted = sum(image[6:ROM_SIZE]) & 0xFFFF
    if checksum != counted:
        raise ToolDefinitionError(f"{tool}: {path.name} has checksum {checksum:04X}, counted {counted:04X}", tool=tool)
    return image


def _check_distinct(tool: str, markers: np.ndarray) -> None:
    """Spheres in a line, or few with two distances alike, have no single pose (two distances 2 mm apart: assumed)."""
    centred = markers - markers.mean(axis=0)
    spread = np.linalg.svd(centred, compute_uv=False)
    if spread[1] < 5.0:
        raise ToolDefinitionError(f"{tool}: the markers lie in a line (spread {spread[1]:.2f} mm)", tool=tool)
    rows, columns = np.triu_indices(len(markers), 1)
    lengths = np.sort(np.linalg.norm(markers[rows] - markers[columns], axis=1))
    if len(markers) <= 4 and (closest := float(np.diff(lengths).min())) < _CLOSEST_SIMILAR_MM:
        raise ToolDefinitionError(
            f"{tool}: two marker distances differ by {closest:.2f} mm, {_CLOSEST_SIMILAR_MM:g} are needed to tell them apart",
            tool=tool,
        )
