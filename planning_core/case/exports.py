"""What others open: label map, surfaces, DICOM segmentation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import trimesh

from planning_core.anatomy.segmentation import SpineSegmentation
from planning_core.case.folder import Case
from planning_core.geometry import Grid

FORMATS: dict[str, dict[str, Any]] = {"stl": {}, "ply": {"vertex_normal": False}}


def write_labels(case: Case, segmentation: SpineSegmentation) -> Path:
    """``labels.nii.gz``: VerSe ids on the input's own grid."""
    return case.write_with(
        "labels.nii.gz", lambda place: sitk.WriteImage(as_image(segmentation.labels, segmentation.grid), str(place))
    )


def as_image(array: np.ndarray, grid: Grid) -> sitk.Image:
    """An array (nk, nj, ni) with its grid as a SimpleITK image."""
    image = sitk.GetImageFromArray(array)
    image.SetSpacing([float(s) for s in grid.spacing_mm])
    image.SetOrigin([float(o) for o in grid.origin_mm])
    image.SetDirection([float(d) for d in grid.direction.ravel()])
    return image


def write_surfaces(case: Case, surfaces: Mapping[str, trimesh.Trimesh]) -> list[Path]:
    """``surfaces/*.stl`` and ``.ply``.

    STL is what printers and CAD read; PLY keeps which triangles share a point, so it is closed without being mended.
    """
    return [
        case.write(f"surfaces/{name}.{kind}", mesh.export(file_type=kind, **options))
        for name, mesh in surfaces.items()
        for kind, options in FORMATS.items()
    ]
