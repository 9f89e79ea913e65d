"""A simulated X-ray image as the XA file a C-arm would send."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, XRayAngiographicImageStorage, generate_uid

from planning_core.imaging.dicom_series import DAMAGED
from planning_core.xray.geometry import PinholeView
from planning_core.xray.image import XrayImage

NUMBER, NAME = "SIM", "Simulated"
BITS = 16
WHITE = 0.9
"""Share of the range at which an unattenuated pixel lies."""


def positioner_deg(view: PinholeView) -> tuple[float, float]:
    """Primary and secondary angle of an isocentric view in ``carm``."""
    x, y, z = view.beam
    return float(np.degrees(np.arctan2(x, -y))), float(np.degrees(np.arcsin(np.clip(z, -1, 1))))


def write_xa(image: XrayImage, path: Path, seed: int) -> None:
    """One frame, intensity linear in its values; the same image and seed give the same bytes.

    Args:
        image: line integrals, its view isocentric in ``carm`` and as seen from the detector. seed: names the study.

    Raises:
        ValueError: the tags of an XA file cannot say how the image was taken, or the values are no line integrals.
    """
    view = image.view
    primary, secondary = positioner_deg(view)
    distances = view.source_to_detector_mm, view.source_to_isocentre_mm
    again = PinholeView.isocentric(primary, secondary, *distances, view.size, view.pixel_spacing_mm)
    probe = np.vstack([np.zeros(3), 50 * np.eye(3)])
    if view.frame != "carm" or not image.line_integrals or np.abs(again.project(probe) - view.project(probe)).max() > 1e-3:
        raise ValueError("only line integrals in an isocentric view of the carm frame go into an XA file")
    stored = np.clip(np.rint(np.exp(-image.pixels) * WHITE * (2**BITS - 1)), 0, 2**BITS - 1).astype(np.uint16)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = XRayAngiographicImageStorage
    meta.MediaStorageSOPInstanceUID = _uid(seed, hashlib.sha256(stored.tobytes()).hexdigest())
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header = FileDataset(str(path), Dataset(), file_meta=meta, preamble=b"\0" * 128)
    header.SOPClassUID, header.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    header.StudyInstanceUID, header.SeriesInstanceUID = _uid(seed, "study"), _uid(seed, "series")
    header.Modality, header.PatientID, header.PatientName = "XA", f"{NUMBER}{seed}", NAME
    header.Rows, header.Columns = view.size
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = BITS, BITS, BITS - 1, 0
    header.PixelIntensityRelationship = "LIN"
    header.PatientOrientation = _letters(view)
    header.PositionerPrimaryAngle, header.PositionerSecondaryAngle = f"{primary:.6f}", f"{secondary:.6f}"
    header.DistanceSourceToDetector, header.DistanceSourceToPatient = (f"{d:.6f}" for d in distances)
    header.ImagerPixelSpacing = [f"{s:.8f}" for s in view.pixel_spacing_mm]
    if not image.valid.all():
        rows, columns = (np.flatnonzero(image.valid.any(axis=axis)) for axis in (1, 0))
        header.CollimatorShape = "RECTANGULAR"
        header.CollimatorLeftVerticalEdge, header.CollimatorRightVerticalEdge = int(columns[0]), int(columns[-1]) + 2
        header.CollimatorUpperHorizontalEdge, header.CollimatorLowerHorizontalEdge = int(rows[0]), int(rows[-1]) + 2
    header.PixelData = stored.tobytes()
    header.save_as(path, enforce_file_format=True)


def is_simulated(path: Path) -> bool:
    """Whether a file is one of ``write_xa``."""
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["PatientID", "PatientName"])
    except DAMAGED:
        return False
    return str(header.get("PatientName", "")) == NAME and str(header.get("PatientID", "")).startswith(NUMBER)


def _letters(view: PinholeView) -> list[str]:
    """Which way columns and rows run: the letters of Patient Orientation, the strongest first."""
    words = []
    for way in view.detector_points([[0, 1], [1, 0]]) - view.detector_points([0, 0]):
        way = way / np.linalg.norm(way)
        order = [axis for axis in np.argsort(-np.abs(way)) if abs(way[axis]) > 0.2]
        words.append("".join("LPH"[axis] if way[axis] > 0 else "RAF"[axis] for axis in order))
    return words


def _uid(seed: int, part: str) -> str:
    return str(generate_uid(entropy_srcs=["openpkp-xray", str(seed), part]))
