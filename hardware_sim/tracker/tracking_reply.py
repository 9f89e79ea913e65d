"""BX and TX: the tracking data of one frame, binary and in text."""

from __future__ import annotations

import struct
from collections.abc import Mapping

import attrs
import numpy as np

from hardware_sim.tracker.handles import ENABLED, INITIALISED, OCCUPIED, OUT_OF_VOLUME, PARTIALLY_OUT
from hardware_sim.tracker.pose_fit import ToolMeasurement
from hardware_sim.tracker.wire import OUT_OF_RANGE, DeviceError, ascii_reply, binary_reply, signed_field
from planning_core.geometry.arrays import FloatArray

TRANSFORMS = 0x0001
NOT_NORMALLY_REPORTED = 0x0800
STRAYS = 0x1000
_KNOWN = TRANSFORMS | NOT_NORMALLY_REPORTED | STRAYS
_VALID, _MISSING = 0x01, 0x02
_MOST_STRAYS = 50


@attrs.frozen(eq=False)
class TrackingFrame:
    """What the device holds to report: frame number, tools by handle, strays (m, 3) mm."""

    number: int
    tools: Mapping[int, ToolMeasurement]
    strays_mm: FloatArray


def checked_option(option: int) -> int:
    """The reply option, with transforms where none are asked.

    Raises:
        DeviceError: a reply option this device does not offer.
    """
    if option & ~_KNOWN:
        raise DeviceError(f"reply option {option:04X}: 0001, 0800 and 1000 are offered", number=OUT_OF_RANGE)
    return option


def binary(frame: TrackingFrame, option: int, system_status: int) -> bytes:
    """The BX reply."""
    body = bytearray([len(frame.tools)])
    for handle, tool in frame.tools.items():
        pose = _reported(tool, option)
        body += bytes([handle, _MISSING if pose is None else _VALID])
        if option & TRANSFORMS:
            if pose is not None:
                body += struct.pack("<8f", *pose)
            body += struct.pack("<II", _status(tool), frame.number)
    if option & STRAYS:
        strays = frame.strays_mm[:_MOST_STRAYS]
        body += bytes([len(strays), *[0] * ((len(strays) + 7) // 8)])
        body += strays.astype("<f4").tobytes()
    return binary_reply(bytes(body + struct.pack("<H", system_status)))


def text(frame: TrackingFrame, option: int, system_status: int) -> bytes:
    """The TX reply."""
    lines = [f"{len(frame.tools):02X}"]
    for handle, tool in frame.tools.items():
        pose = _reported(tool, option)
        line = f"{handle:02X}"
        if option & TRANSFORMS:
            line += "MISSING" if pose is None else _transform_text(pose)
            line += f"{_status(tool):08X}{frame.number:08X}"
        lines.append(line + "\n")
    if option & STRAYS:
        strays = frame.strays_mm[:_MOST_STRAYS]
        lines.append(f"{len(strays):02X}" + "0" * ((len(strays) + 3) // 4))
        lines += [signed_field(value, 6, 2) for value in strays.ravel()]
    return ascii_reply("".join(lines) + f"{system_status:04X}")


def _reported(tool: ToolMeasurement, option: int) -> FloatArray | None:
    """(8,) quaternion, translation, RMS error, or None where the tool is to be called missing."""
    if tool.quaternion is None or tool.translation_mm is None:
        return None
    if tool.out_of_volume and not option & NOT_NORMALLY_REPORTED:
        return None
    return np.concatenate([tool.quaternion, tool.translation_mm, [tool.rms_mm]])


def _transform_text(pose: FloatArray) -> str:
    rotation = "".join(signed_field(value, 5, 4) for value in pose[:4])
    return rotation + "".join(signed_field(value, 6, 2) for value in pose[4:7]) + signed_field(pose[7], 5, 4)


def _status(tool: ToolMeasurement) -> int:
    status = OCCUPIED | INITIALISED | ENABLED
    return status | (OUT_OF_VOLUME if tool.out_of_volume else 0) | (PARTIALLY_OUT if tool.partially_out else 0)
