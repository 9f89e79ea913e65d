"""A tool definition file written independently of the driver's, after the layout in docs/devices/tracker.md."""

import struct

import numpy as np


def rom(markers_mm, part="TEST", minimum=3, largest_error_mm=2.0, normals=None) -> bytes:
    image = bytearray(752)
    image[:3] = b"NDI"
    image[24], image[28], image[32] = 90, len(markers_mm), minimum
    struct.pack_into("<f", image, 36, largest_error_mm)
    image[72 : 72 + 12 * len(markers_mm)] = np.asarray(markers_mm, "<f4").tobytes()
    if normals is not None:
        image[312 : 312 + 12 * len(markers_mm)] = np.asarray(normals, "<f4").tobytes()
    image[592 : 592 + len(part)] = part.encode()
    struct.pack_into("<H", image, 4, sum(image[6:]) & 0xFFFF)
    return bytes(image)
