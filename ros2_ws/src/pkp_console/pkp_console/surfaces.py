"""Surfaces for the viewer, which thinks in RAS: the one place of the console where LPS is turned on the server's side."""

from __future__ import annotations

import numpy as np

HEADER = 84
TRIANGLE = np.dtype([("corners", "<f4", (4, 3)), ("attribute", "<u2")])
LPS_TO_RAS = np.array([-1.0, -1.0, 1.0], np.float32)


def stl_in_ras(content: bytes) -> bytes | None:
    """A binary STL in ct_lps mm as one in RAS mm (a half turn: triangles keep their sense); None where it is none."""
    if len(content) < HEADER:
        return None
    count = int.from_bytes(content[80:HEADER], "little")
    if len(content) != HEADER + count * TRIANGLE.itemsize:
        return None
    triangles = np.frombuffer(content, TRIANGLE, offset=HEADER).copy()
    triangles["corners"] *= LPS_TO_RAS
    return content[:HEADER] + triangles.tobytes()
