"""A CT as the planner sees it: Hounsfield units on an axis-aligned or oblique grid in LPS."""

from __future__ import annotations

import attrs
import numpy as np
import scipy.ndimage as ndi
from numpy.typing import ArrayLike, NDArray

from planning_core.geometry.arrays import Float32Array, frozen_int16
from planning_core.geometry.grid import Grid

AIR_HU = -1024.0


@attrs.frozen
class DicomSource:
    """Which DICOM series a volume came from. Its UIDs identify the study: they go out only with the patient's identity.

    Args:
        study_uid, series_uid, frame_of_reference_uid: of the series.
        instance_uids: SOP instance of each slice, in the order of the volume's k.
    """

    study_uid: str
    series_uid: str
    frame_of_reference_uid: str
    instance_uids: tuple[str, ...] = attrs.field(repr=False)


@attrs.frozen(eq=False)
class CtVolume:
    """One CT volume.

    Args:
        hu: (nk, nj, ni) int16 Hounsfield units, as stored (the input's own grid and axis order).
        grid: where its voxels lie, frame ``ct_lps``.
        sha256: hash of the input bytes, hex.
        source: de-identified word on where it came from (file type, never a name or path).
        warnings: sentences for the report, e.g. thick slices.
        dicom: the series it came from; ``None`` for other formats and multi-frame files.
    """

    hu: NDArray[np.int16] = attrs.field(converter=frozen_int16)
    grid: Grid
    sha256: str
    source: str = ""
    warnings: tuple[str, ...] = ()
    dicom: DicomSource | None = attrs.field(default=None, repr=False)

    def __attrs_post_init__(self) -> None:
        if self.hu.shape != self.grid.shape or self.grid.frame != "ct_lps":
            raise ValueError(f"CT of shape {self.hu.shape} on a grid {self.grid.shape} in {self.grid.frame}")

    def at(self, points_lps_mm: ArrayLike, order: int = 1, outside_hu: float = AIR_HU) -> Float32Array:
        """HU at points (..., 3) in ct_lps mm, float32; ``outside_hu`` beyond the volume."""
        index = self.grid.indices(points_lps_mm)
        flat: Float32Array = ndi.map_coordinates(
            self.hu, index.reshape(-1, 3).T, output=np.float32, order=order, mode="constant", cval=outside_hu
        )
        return np.asarray(flat.reshape(index.shape[:-1]), dtype=np.float32)
