"""DICOM CT in: a folder of slices or one multi-frame file, checked slice by slice."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from planning_core.geometry.arrays import FloatArray
from planning_core.geometry.grid import Grid
from planning_core.imaging.checks import check_grid, check_range, check_size, rounded
from planning_core.imaging.config import ImagingConfig
from planning_core.imaging.dicom_series import DAMAGED as DAMAGED  # others have it from here
from planning_core.imaging.dicom_series import ENHANCED_CT, choose, is_localizer, read_headers
from planning_core.imaging.refusals import (
    DuplicateSliceError,
    GantryTiltError,
    MissingPositionError,
    MissingSliceError,
    MixedSeriesError,
    NotHounsfieldError,
    TooFewSlicesError,
    UnevenSpacingError,
    UnreadableFileError,
)
from planning_core.imaging.volume import CtVolume, DicomSource


@attrs.frozen(eq=False)
class Slice:
    """One frame: where it lies and how its stored values become HU."""

    file: Path
    frame: int
    position_mm: FloatArray
    orientation: FloatArray
    spacing_mm: tuple[float, float]
    size: tuple[int, int]
    slope: float
    intercept: float
    kernel: str
    frame_of_reference: str
    patient: str = attrs.field(repr=False)
    instance: str = attrs.field(repr=False)


SHARED = ("size", "spacing_mm", "kernel", "slope", "intercept", "frame_of_reference", "patient")
UNSAID = ("frame_of_reference", "patient")  # what differs is said, the values are not: they would identify the patient


def read_ct_dicom(path: Path, series: str | None, config: ImagingConfig) -> CtVolume:
    """A CT from a folder of DICOM files or one multi-frame file.

    Raises:
        InputError, AmbiguousSeriesError: see ``refusals``.
    """
    chosen = choose(read_headers(path, config), series)
    slices = [s for file, header in chosen for s in _slices(file, header)]
    if len(slices) < config.min_slices:
        raise TooFewSlicesError(
            f"only {len(slices)} slices, at least {config.min_slices} are needed",
            slices=len(slices),
            needed=config.min_slices,
        )
    ordered, grid = _stack(slices, config)
    notes = check_grid(grid, config)
    check_size(grid.shape, config)
    digest = hashlib.sha256("".join(sorted(_sha256(file) for file, _ in chosen)).encode()).hexdigest()
    hu = _pixels(ordered, grid, config)
    words = f"DICOM, {len(chosen)} file{'s' if len(chosen) > 1 else ''}"
    return CtVolume(hu, grid, digest, words, notes, _source(chosen[0][1], ordered))


def _source(header: Dataset, ordered: Sequence[Slice]) -> DicomSource | None:
    instances = tuple(s.instance for s in ordered)
    if len(set(instances)) < len(instances) or not all(instances):
        return None  # a multi-frame file, or slices that cannot be told apart
    study, series = str(header.get("StudyInstanceUID", "")), str(header.get("SeriesInstanceUID", ""))
    return DicomSource(study, series, ordered[0].frame_of_reference, instances)


def _slices(file: Path, header: Dataset) -> list[Slice]:
    try:
        if str(header.SOPClassUID) == ENHANCED_CT or int(header.get("NumberOfFrames", 1) or 1) > 1:
            shared = header.SharedFunctionalGroupsSequence[0]
            frames = header.PerFrameFunctionalGroupsSequence
            return [_slice(file, header, n, (frame, shared, header)) for n, frame in enumerate(frames)]
        if is_localizer(header):
            raise MixedSeriesError("a localizer lies among the slices", attribute="image type", values=["LOCALIZER"])
        return [_slice(file, header, 0, (header,))]
    except DAMAGED as error:
        raise UnreadableFileError(f"a DICOM header cannot be used: {type(error).__name__}", reason=str(error)[:120]) from error


def _slice(file: Path, header: Dataset, frame: int, places: Sequence[Dataset]) -> Slice:
    def find(tag: str, sequence: str) -> Any:
        for place in places:
            if tag in place:
                return place[tag].value
            if sequence in place and tag in place[sequence][0]:
                return place[sequence][0][tag].value
        return None

    position = find("ImagePositionPatient", "PlanePositionSequence")
    orientation = find("ImageOrientationPatient", "PlaneOrientationSequence")
    spacing = find("PixelSpacing", "PixelMeasuresSequence")
    for tag, value, count in (
        ("ImagePositionPatient", position, 3),
        ("ImageOrientationPatient", orientation, 6),
        ("PixelSpacing", spacing, 2),
    ):
        if value is None or len(value) != count:
            raise MissingPositionError(f"slice {frame} of a series has no {tag}: spacing would be a guess", tag=tag, slice=frame)
    kind = find("RescaleType", "PixelValueTransformationSequence")
    if kind not in (None, "", "HU"):
        raise NotHounsfieldError(f"stored values are rescaled to {kind!r}, not HU", rescale_type=str(kind))
    slope, intercept = (
        find("RescaleSlope", "PixelValueTransformationSequence"),
        find("RescaleIntercept", "PixelValueTransformationSequence"),
    )
    if slope is None or intercept is None:
        raise NotHounsfieldError("no rescale slope and intercept: stored values cannot become HU", rescale_type="missing")
    numbers = np.array([float(v) for v in (*position, *orientation, *spacing, slope, intercept)])
    if not np.isfinite(numbers).all() or min(numbers[9:11]) <= 0 or numbers[11] == 0:
        raise UnreadableFileError(
            f"slice {frame} of a series has impossible geometry or rescale: {np.round(numbers, 4).tolist()}", reason="bad numbers"
        )
    return Slice(
        file,
        frame,
        numbers[:3],
        numbers[3:9],
        (float(numbers[9]), float(numbers[10])),
        (int(header.Rows), int(header.Columns)),
        float(numbers[11]),
        float(numbers[12]),
        str(find("ConvolutionKernel", "CTReconstructionSequence") or ""),
        str(header.get("FrameOfReferenceUID", "")),
        f"{header.get('PatientID', '')} {header.get('PatientName', '')}",
        str(header.get("SOPInstanceUID", "")),
    )


def _stack(slices: Sequence[Slice], config: ImagingConfig) -> tuple[list[Slice], Grid]:
    """Slices in order with the grid they form, from their positions alone (never from SliceThickness)."""
    first = slices[0]
    for attribute in SHARED:
        values = sorted({getattr(s, attribute) for s in slices})
        if len(values) > 1:
            if attribute in UNSAID:
                words = attribute.replace("_", " ")
                raise MixedSeriesError(f"slices of {len(values)} different {words}s", attribute=attribute, values=[])
            raise MixedSeriesError(
                f"slices differ in {attribute}: {values}", attribute=attribute, values=[str(v) for v in values]
            )
    turned = max(float(np.abs(s.orientation - first.orientation).max()) for s in slices)
    if turned > 1e-3:
        raise MixedSeriesError(f"slices differ in orientation by up to {turned:.4f}", attribute="orientation", values=[turned])
    row, column = first.orientation[:3], first.orientation[3:]
    normal = np.cross(row, column)
    if abs(np.linalg.norm(row) - 1) > 1e-3 or abs(np.linalg.norm(column) - 1) > 1e-3 or abs(row @ column) > 1e-3:
        raise UnreadableFileError(f"image axes {row.tolist()}, {column.tolist()} are not orthonormal", reason="bad orientation")
    row = row / np.linalg.norm(row)
    normal = normal / np.linalg.norm(normal)
    column = np.cross(normal, row)
    ordered = sorted(slices, key=lambda s: float(s.position_mm @ normal))
    height = np.array([float(s.position_mm @ normal) for s in ordered])
    gaps = np.diff(height)
    usual = float(np.median(gaps))
    twins = np.flatnonzero(gaps < 0.01)
    if len(twins):
        where = float(height[twins[0]])
        raise DuplicateSliceError(
            f"slices {twins[0]} and {twins[0] + 1} lie at the same place ({where:.2f} mm)",
            slice=int(twins[0]),
            position_mm=where,
        )
    wide = np.flatnonzero(gaps > 1.5 * usual)
    if len(wide):
        raise MissingSliceError(
            f"a slice is missing after slice {wide[0]}: gap {gaps[wide[0]]:.2f} mm where {usual:.2f} mm is usual",
            after_slice=int(wide[0]),
            gap_mm=float(gaps[wide[0]]),
            usual_mm=usual,
        )
    if float(np.abs(gaps - usual).max()) > config.spacing_tolerance * usual:
        raise UnevenSpacingError(
            f"slice gaps vary from {gaps.min():.3f} to {gaps.max():.3f} mm",
            smallest_mm=float(gaps.min()),
            largest_mm=float(gaps.max()),
        )
    way = ordered[-1].position_mm - ordered[0].position_mm
    drift = way - (way @ normal) * normal
    tilt = float(np.degrees(np.arctan2(np.linalg.norm(drift), way @ normal)))
    if tilt > config.tilt_tolerance_deg:
        raise GantryTiltError(f"slices are sheared by {tilt:.2f}°, as under a tilted gantry", tilt_deg=tilt)
    spacing = (first.spacing_mm[1], first.spacing_mm[0], float(way @ normal) / (len(ordered) - 1))
    grid = Grid((len(ordered), *first.size), spacing, ordered[0].position_mm, np.column_stack([row, column, normal]))
    return ordered, grid


def _pixels(slices: Sequence[Slice], grid: Grid, config: ImagingConfig) -> NDArray[np.int16]:
    """HU slice by slice, so that the volume never stands in memory as float."""
    hu = np.empty(grid.shape, np.int16)
    lowest, highest = np.inf, -np.inf
    opened: tuple[Path, NDArray[Any]] | None = None
    for k, one in enumerate(slices):
        if opened is None or opened[0] != one.file:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    opened = (one.file, pydicom.dcmread(one.file).pixel_array)
            except DAMAGED as error:
                raise UnreadableFileError(
                    f"the pixels of slice {k} cannot be read: {type(error).__name__}", reason=str(error)[:120]
                ) from error
        frames = opened[1]
        stored = frames[one.frame] if frames.ndim == 3 else frames
        if stored.shape != one.size:
            raise UnreadableFileError(f"slice {k} holds {stored.shape} pixels where its header says {one.size}", reason="size")
        values = stored * np.float32(one.slope) + np.float32(one.intercept)
        lowest, highest = min(lowest, float(values.min())), max(highest, float(values.max()))
        hu[k] = rounded(values)
    check_range(lowest, highest, config)
    return hu


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
