"""Whatever was given becomes one CtVolume, or a refusal by name."""

from __future__ import annotations

from pathlib import Path

from planning_core.imaging.config import ImagingConfig
from planning_core.imaging.place import existing
from planning_core.imaging.volume import CtVolume
from planning_core.imaging.volume_file import is_volume_file, read_ct_file


def load_ct(path: Path, series: str | None = None, config: ImagingConfig | None = None) -> CtVolume:
    """Read a CT.

    Args:
        path: a DICOM folder, a single multi-frame DICOM file, or a NIfTI, NRRD or MetaImage file.
        series: SeriesInstanceUID or number, where a folder holds several.
        config: limits.

    Raises:
        InputError: one of ``refusals``, with the numbers.
        AmbiguousSeriesError: a folder with several CT series and no ``series``.
    """
    config = config or ImagingConfig()
    path = existing(path)
    if path.is_file() and is_volume_file(path):
        return read_ct_file(path, config)
    from planning_core.imaging.dicom import read_ct_dicom

    return read_ct_dicom(path, series, config)
