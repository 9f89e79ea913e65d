"""A volume as a real CT series."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, ExplicitVRLittleEndian, generate_uid

from planning_core.errors import InputError
from planning_core.geometry import Grid
from planning_core.imaging.dicom_series import DAMAGED

NAME = "Synthetic^Patient"


class OtherSeriesError(InputError):
    """The folder holds slices of another series, among which the new ones would lie. Carries ``found``: how many."""

    code = "other_series"


def write_series(hu: np.ndarray, grid: Grid, seed: int, folder: Path, scan: str = "") -> None:
    """One file per slice; UIDs come from the seed and from which ``scan`` of that patient it is.

    Raises:
        OtherSeriesError: see there; the same series is written anew.
    """
    salt = _salt(seed, scan)
    image = _header(hu, grid, seed, salt)
    names = [f"slice_{k:04d}.dcm" for k in range(len(hu))]
    _make_ready(folder, names, image.SeriesInstanceUID)
    for k, name in enumerate(names):
        image.SOPInstanceUID = generate_uid(entropy_srcs=[*salt, f"slice {k}"])
        image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
        image.InstanceNumber = k + 1
        image.ImagePositionPatient = [f"{v:.4f}" for v in grid.points([k, 0, 0])]
        image.PixelData = np.ascontiguousarray(hu[k].astype("<i2")).tobytes()
        image.save_as(folder / name, enforce_file_format=True)


def write_enhanced(hu: np.ndarray, grid: Grid, seed: int, folder: Path, scan: str = "") -> None:
    """One Enhanced CT image for all slices (PS3.3 A.38), as newer scanners send; otherwise as :func:`write_series`."""
    salt = _salt(seed, scan)
    image = _header(hu, grid, seed, salt)
    _make_ready(folder, ["volume.dcm"], image.SeriesInstanceUID)
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID = EnhancedCTImageStorage
    image.SOPInstanceUID = generate_uid(entropy_srcs=[*salt, "volume"])
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    image.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    image.PixelPresentation, image.VolumetricProperties, image.VolumeBasedCalculationTechnique = "MONOCHROME", "VOLUME", "NONE"
    image.InstanceNumber, image.NumberOfFrames, image.AcquisitionDateTime = 1, len(hu), "20260101080000"
    image.ContentDate, image.ContentTime, image.PresentationLUTShape = "20260101", "080000", "IDENTITY"
    image.LossyImageCompression, image.BurnedInAnnotation = "00", "NO"
    organization = generate_uid(entropy_srcs=[*salt, "dimension"])
    stack, place = Tag("StackID"), Tag("InStackPositionNumber")
    image.DimensionOrganizationSequence = [_of(DimensionOrganizationUID=organization)]
    image.DimensionIndexSequence = [
        _of(DimensionOrganizationUID=organization, DimensionIndexPointer=tag, FunctionalGroupPointer=Tag("FrameContentSequence"))
        for tag in (stack, place)
    ]
    shared = {
        "PixelMeasuresSequence": _moved(image, "PixelSpacing", "SliceThickness"),
        "PlaneOrientationSequence": _moved(image, "ImageOrientationPatient"),
        "PixelValueTransformationSequence": _moved(image, "RescaleIntercept", "RescaleSlope", "RescaleType"),
        "CTReconstructionSequence": _moved(image, "ConvolutionKernel"),
        "CTXRayDetailsSequence": _moved(image, "KVP"),
        "CTImageFrameTypeSequence": _of(FrameType=image.ImageType, PixelPresentation="MONOCHROME", VolumetricProperties="VOLUME"),
        "FrameAnatomySequence": _of(FrameLaterality="U"),
    }
    image.SharedFunctionalGroupsSequence = [_of(**{name: [group] for name, group in shared.items()})]
    image.PerFrameFunctionalGroupsSequence = [
        _of(
            FrameContentSequence=[_of(StackID="1", InStackPositionNumber=k + 1, DimensionIndexValues=[1, k + 1])],
            PlanePositionSequence=[_of(ImagePositionPatient=[f"{v:.4f}" for v in grid.points([k, 0, 0])])],
        )
        for k in range(len(hu))
    ]
    image.PixelData = np.ascontiguousarray(hu.astype("<i2", copy=False)).tobytes()
    image.save_as(folder / "volume.dcm", enforce_file_format=True)


def _make_ready(folder: Path, names: Sequence[str], series_uid: str) -> None:
    """Make the folder, or find nothing in it but slices of this series that will be written anew."""
    folder.mkdir(parents=True, exist_ok=True)
    others = [place for place in folder.glob("*.dcm") if place.name not in names or _series_of(place) not in (series_uid, None)]
    if others:
        raise OtherSeriesError(
            f"the folder {folder.name} already holds {len(others)} DICOM files of another series: choose another --out",
            found=len(others),
        )


def _series_of(place: Path) -> str | None:
    """The series of a file; None of an empty one, as a run that was interrupted leaves it."""
    if place.stat().st_size == 0:
        return None
    try:
        return str(pydicom.dcmread(place, stop_before_pixels=True, specific_tags=["SeriesInstanceUID"]).SeriesInstanceUID)
    except DAMAGED:
        return "no series"


def _salt(seed: int, scan: str) -> list[str]:
    """What the UIDs of one scan are made of."""
    return ["openpkp-synthetic", str(seed), *([scan] if scan else [])]


def _of(**attributes: Any) -> Dataset:
    item = Dataset()
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return item


def _moved(image: Dataset, *keywords: str) -> Dataset:
    """These attributes, taken from where a single slice has them."""
    item = Dataset()
    for keyword in keywords:
        item.add(image[keyword])
        del image[keyword]
    return item


def _header(hu: np.ndarray, grid: Grid, seed: int, salt: list[str]) -> Dataset:
    """What all slices share."""
    uid = {part: generate_uid(entropy_srcs=[*salt, part]) for part in ("study", "series", "frame")}
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID = CTImageStorage
    image.StudyInstanceUID, image.SeriesInstanceUID, image.FrameOfReferenceUID = uid["study"], uid["series"], uid["frame"]
    image.PatientName, image.PatientID, image.PatientBirthDate, image.PatientSex = NAME, f"SYN{seed}", "19500101", "O"
    image.StudyDate, image.StudyTime, image.StudyID, image.AccessionNumber = "20260101", "080000", "1", ""
    image.ReferringPhysicianName, image.Manufacturer = "", "OpenPKP synthetic"
    image.Modality, image.SeriesNumber = "CT", 2
    image.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    image.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    image.PixelSpacing = [float(grid.spacing_mm[1]), float(grid.spacing_mm[0])]
    image.SliceThickness, image.KVP, image.ConvolutionKernel = float(grid.spacing_mm[2]), 120, "B"
    image.Rows, image.Columns = hu.shape[1], hu.shape[2]
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 1
    image.RescaleIntercept, image.RescaleSlope, image.RescaleType = 0, 1, "HU"
    return image
