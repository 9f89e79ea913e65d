"""What the viewer loads: the CT as it is and a quick coarse copy, both as plain NIfTI; a thumbnail for the list."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from planning_core.case.exports import as_image
from planning_core.case.folder import Case
from planning_core.imaging.resample import coarsen
from planning_core.imaging.volume import CtVolume

QUICK_VOXELS = 3_000_000
"""A volume of more voxels than this gets a coarse copy that is shown first (6 MB)."""
CAL_MAX_OFFSET = 124
"""Of cal_max and cal_min in a NIfTI-1 header."""
THUMBNAIL_MM = 1.5
THUMBNAIL_PIXELS = 160
WINDOW_HU = (-200.0, 900.0)


def write_view_files(case: Case, ct: CtVolume) -> None:
    """``view/ct.nii`` (the CT's own grid, int16, uncompressed: a browser's unzip costs more than loopback), where it is large
    ``view/quick.nii``, and ``view/thumbnail.png``."""
    (case.path / "view" / "quick.nii").unlink(missing_ok=True)
    if ct.hu.size > QUICK_VOXELS:
        spacing = float(np.cbrt(ct.hu.size * np.prod(ct.grid.spacing_mm) / QUICK_VOXELS)) * 1.25
        quick = coarsen(ct, spacing)
        _write(case, "view/quick.nii", as_image(np.round(quick.hu).astype(np.int16), quick.grid))
    _write(case, "view/ct.nii", as_image(np.asarray(ct.hu), ct.grid))
    case.write("view/thumbnail.png", thumbnail(ct))


def thumbnail(ct: CtVolume) -> bytes:
    """A sagittal picture through the densest place of the back half, PNG."""
    from PIL import Image

    corners = ct.grid.points(np.array(np.meshgrid(*[(0, n - 1) for n in ct.grid.shape], indexing="ij")).reshape(3, -1).T)
    low, high = corners.min(axis=0), corners.max(axis=0)
    axes = [np.arange(a, b + 1e-6, THUMBNAIL_MM) for a, b in zip(low, high, strict=True)]
    half = (low[0] + high[0]) / 2
    slab = np.arange(half - 6, half + 6.1, 2.0)
    x, y, z = (a.ravel() for a in np.meshgrid(slab, axes[1], axes[2], indexing="ij"))
    hu = ct.at(np.column_stack([x, y, z])).reshape(len(slab), len(axes[1]), len(axes[2])).mean(axis=0)
    grey = np.clip((hu.T[::-1] - WINDOW_HU[0]) / (WINDOW_HU[1] - WINDOW_HU[0]), 0, 1)
    picture = Image.fromarray((grey * 255).astype(np.uint8))
    picture.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def _write(case: Case, name: str, image: sitk.Image) -> None:
    # axes in NIfTI's own order (the same voxels, so that the browser need not turn them) and a display range in the header
    # (so that it need not look for one); the library goes by the ending, which the unfinished file's name keeps
    def write(place: Path) -> None:
        sitk.WriteImage(sitk.DICOMOrient(image, "RAS"), str(place))
        with place.open("r+b") as file:
            file.seek(CAL_MAX_OFFSET)
            file.write(struct.pack("<2f", WINDOW_HU[1], WINDOW_HU[0]))

    case.write_with(name, write)
