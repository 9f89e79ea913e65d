"""X-ray images in DICOM: grey values by the intensity relationship, the view by the positioner's angles and distances."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from planning_core.geometry.arrays import BoolArray, Float32Array
from planning_core.imaging.dicom import DAMAGED
from planning_core.xray.geometry import PinholeView
from planning_core.xray.image import UNSIDED, XrayImage
from planning_core.xray.refusals import (
    AmbiguousFrameError,
    ContradictingOrientationError,
    MissingGeometryError,
    NotXrayError,
    UnknownGreyError,
    UnreadableXrayError,
)

MODALITIES = ("XA", "RF", "CR", "DX", "RG")
LETTERS = {"L": (1, 0, 0), "R": (-1, 0, 0), "P": (0, 1, 0), "A": (0, -1, 0), "H": (0, 0, 1), "F": (0, 0, -1)}
PLAINLY = 0.3
"""Cosine above which a written direction is taken to mean this axis and not the one across."""


def read_dicom_xray(path: Path, frame: int | None = None) -> XrayImage:
    """One frame of an XA, RF, CR or DX file.

    The positioner's angles are the patient's (lying on the back); the scene's frame is ``carm``: isocentre, L, P, S.

    Raises:
        XrayError, AmbiguousFrameError: see ``refusals``.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = pydicom.dcmread(path)
    except DAMAGED as error:
        raise UnreadableXrayError(f"no DICOM file: {type(error).__name__}", reason=str(error)[:120]) from error
    modality = str(header.get("Modality", ""))
    if modality not in MODALITIES:
        raise NotXrayError(f"the image is {modality or 'of no stated modality'}, not an X-ray", modality=modality)
    try:
        number = _frame(header, frame)
        view, notes, sided = read_view(header, number)
        pixels, grey_notes, measured = _attenuation(header, _stored(header, number))
        said = (*notes, *grey_notes)
        return XrayImage(pixels, view, _exposed(header), measured, source=f"DICOM {modality}", warnings=said, sided=sided)
    except DAMAGED as error:
        raise UnreadableXrayError(f"a DICOM X-ray cannot be used: {type(error).__name__}", reason=str(error)[:120]) from error


def read_view(header: Dataset, frame: int = 0) -> tuple[PinholeView, tuple[str, ...], bool]:
    """The view of one frame, in ``carm``, what had to be taken for granted, and whether Patient Orientation says how it lies.

    Raises:
        MissingGeometryError: tags are missing.
        InvalidViewError: the tags' numbers cannot be.
        ContradictingOrientationError: Patient Orientation is not that of the angles.
    """
    found = {
        "PositionerPrimaryAngle": _angle(header, frame, "PositionerPrimaryAngle"),
        "PositionerSecondaryAngle": _angle(header, frame, "PositionerSecondaryAngle"),
        "DistanceSourceToDetector": stated(header, frame, "DistanceSourceToDetector"),
        "DistanceSourceToPatient": stated(header, frame, "DistanceSourceToIsocenter", "DistanceSourceToPatient"),
        "ImagerPixelSpacing": stated(header, frame, "ImagerPixelSpacing"),
    }
    missing = [name for name, value in found.items() if value is None]
    if missing:
        raise MissingGeometryError(f"the image does not say how it was taken: no {', '.join(missing)}", missing=missing)
    spacing = tuple(float(v) for v in found["ImagerPixelSpacing"])
    size = int(header.Rows), int(header.Columns)
    primary, secondary, detector, isocentre = (float(found[name]) for name in list(found)[:4])
    view = PinholeView.isocentric(primary, secondary, detector, isocentre, size, (spacing[0], spacing[1]))
    return _laid_out(view, [str(v) for v in header.get("PatientOrientation", None) or []], (primary, secondary))


def _laid_out(
    view: PinholeView, orientation: list[str], angles_deg: tuple[float, float]
) -> tuple[PinholeView, tuple[str, ...], bool]:
    """Columns and rows as Patient Orientation (0020,0020) says they run."""
    if len(orientation) != 2 or not all(word and set(word) <= set(LETTERS) for word in orientation):
        return view, (UNSIDED,), False
    along = view.detector_points([[0, 1], [1, 0]]) - view.detector_points([0, 0])
    cosines = []
    for word, way in zip(orientation, along, strict=True):
        said = np.sum([np.array(LETTERS[letter], float) / (3**n) for n, letter in enumerate(word)], axis=0)
        cosines.append(float(way @ said / np.linalg.norm(way) / np.linalg.norm(said)))
    flips = [cosine < -PLAINLY for cosine in cosines]
    vague = [word for word, cosine in zip(orientation, cosines, strict=True) if abs(cosine) <= PLAINLY]
    if vague:
        raise ContradictingOrientationError(
            f"Patient Orientation {'/'.join(orientation)} is not that of a view at {angles_deg[0]:.0f}°, {angles_deg[1]:.0f}°",
            said=orientation,
            angles_deg=list(angles_deg),
        )
    flip = np.eye(3)
    for axis, turned in enumerate(flips):
        if turned:
            flip[axis, axis], flip[axis, 2] = -1.0, view.size[1 - axis] - 1.0
    if not any(flips):
        return view, (), True
    words = " and ".join(name for name, turned in zip(("columns", "rows"), flips, strict=True) if turned)
    turned_view = PinholeView.from_matrix(flip @ view.matrix, view.size, view.pixel_spacing_mm, frame=view.frame)
    return turned_view, (f"the image's {words} run the other way than seen from the detector, head up",), True


def _frame(header: Dataset, frame: int | None) -> int:
    frames = int(header.get("NumberOfFrames", 1) or 1)
    if frame is None and frames > 1:
        raise AmbiguousFrameError(f"{frames} frames: choose one, from 0", frames=frames)
    if frame is not None and not 0 <= frame < frames:
        raise UnreadableXrayError(f"no frame {frame} among {frames}", reason="no such frame")
    return frame or 0


def stated(header: Dataset, frame: int, *names: str) -> Any:
    """A tag of the header, or of the functional groups of an enhanced image; of several names the first that is there."""
    places = [header]
    for groups in ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"):
        items = header.get(groups, None) or []
        if items:
            group = items[frame if groups.startswith("Per") and frame < len(items) else 0]
            places += [element.value[0] for element in group if element.VR == "SQ" and element.value]
    for name in names:
        for place in places:
            value = place.get(name, None)
            if value not in (None, ""):
                return value
    return None


def _angle(header: Dataset, frame: int, name: str) -> Any:
    """The angle of one frame."""
    first = stated(header, frame, name)
    return None if first is None else float(first) + increment(header, frame, f"{name}Increment")


def increment(header: Dataset, frame: int, name: str) -> float:
    """What a run has added by one frame, counted from its first (one number per frame, or one for each step)."""
    steps = header.get(name, None)
    if steps in (None, ""):
        return 0.0
    values = np.atleast_1d(np.asarray(steps, dtype=np.float64))
    return float(values[frame] if len(values) > frame and len(values) > 1 else values[0] * frame)


def _stored(header: Dataset, frame: int) -> Float32Array:
    if int(header.get("SamplesPerPixel", 1)) != 1:
        raise UnreadableXrayError("an image in colour", reason="colour")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        values: NDArray[Any] = header.pixel_array
    values = values[frame] if values.ndim == 3 else values
    return values.astype(np.float32) * np.float32(header.get("RescaleSlope", 1) or 1) + np.float32(
        header.get("RescaleIntercept", 0) or 0
    )


def _attenuation(header: Dataset, stored: Float32Array) -> tuple[Float32Array, tuple[str, ...], bool]:
    """Stored values to attenuation by Pixel Intensity Relationship (0028,1040) and its Sign (0028,1041)."""
    relationship = str(header.get("PixelIntensityRelationship", "") or "").upper()
    sign = int(header.get("PixelIntensityRelationshipSign", 0) or 0) or 1
    if relationship == "LIN":
        top = float(2 ** int(header.BitsStored) - 1)
        intensity = stored if sign > 0 else top - stored
        least = max(float(intensity.max()) * 1e-4, 1e-6)
        return np.log(np.float32(top)) - np.log(np.maximum(intensity, least)), (), False
    if relationship == "LOG":
        return -sign * stored, (), False
    shown = str(header.get("PhotometricInterpretation", ""))
    if str(header.Modality) in ("CR", "DX", "RG") and shown in ("MONOCHROME1", "MONOCHROME2"):
        bright = stored if shown == "MONOCHROME2" else -stored
        return bright, ("grey values are for display only: bone taken as bright on the screen",), False
    raise UnknownGreyError(
        f"the image does not say how grey stands to X-ray intensity (relationship {relationship or 'missing'})",
        missing=["PixelIntensityRelationship"],
    )


def _exposed(header: Dataset) -> BoolArray:
    """(rows, columns) bool from the shutter and collimator tags; edges are counted from 1."""
    rows, columns = int(header.Rows), int(header.Columns)
    row, column = np.ogrid[1 : rows + 1, 1 : columns + 1]
    seen = np.ones((rows, columns), bool)
    for part in ("Shutter", "Collimator"):
        kinds = header.get(f"{part}Shape", None) or []
        kinds = [kinds] if isinstance(kinds, str) else list(kinds)
        if "RECTANGULAR" in kinds:
            left, right, upper, lower = (
                float(header[f"{part}{edge}Edge"].value)
                for edge in ("LeftVertical", "RightVertical", "UpperHorizontal", "LowerHorizontal")
            )
            seen &= (column > left) & (column < right) & (row > upper) & (row < lower)
        if "CIRCULAR" in kinds:
            centre = header[f"CenterOfCircular{part}"].value
            radius = float(header[f"RadiusOfCircular{part}"].value)
            seen &= (row - float(centre[0])) ** 2 + (column - float(centre[1])) ** 2 < radius**2
    return seen
