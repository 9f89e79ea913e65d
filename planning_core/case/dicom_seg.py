"""The segmentation as DICOM SEG, for viewers and archives of others."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import highdicom as hd
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.coding import Code
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from planning_core import __version__
from planning_core.anatomy.label_seg import SNOMED as LEVEL_OF_CODE
from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.segmentation import SpineSegmentation
from planning_core.case.folder import Case
from planning_core.geometry import Grid
from planning_core.imaging.identity import PatientIdentity
from planning_core.imaging.volume import DicomSource

SNOMED = {level.value: code for code, level in LEVEL_OF_CODE.items()}
VERTEBRA_CODE = Code("51282000", "SCT", "Vertebra")
CATEGORY = Code("123037004", "SCT", "Anatomical Structure")
NETWORK, BY_HAND = Code("123110", "DCM", "Artificial Intelligence"), Code("123109", "DCM", "Manual Processing")
FROM_FILE = "labels"
"""``Numbering.source`` of a segmentation that was made elsewhere."""
FIXED_DATE, FIXED_TIME = "19700101", "000000"


def write_dicom_seg(
    case: Case,
    segmentation: SpineSegmentation,
    seed: str,
    source: DicomSource | None = None,
    identity: PatientIdentity | None = None,
) -> Path:
    """``segmentation.dcm`` of a case; see ``make_dicom_seg``."""
    return store(case, make_dicom_seg(segmentation, seed, source, identity))


def store(case: Case, dataset: Dataset) -> Path:
    """Write what ``make_dicom_seg`` made."""
    return case.write_with("segmentation.dcm", lambda place: dataset.save_as(place, enforce_file_format=True))


def make_dicom_seg(
    segmentation: SpineSegmentation, seed: str, source: DicomSource | None = None, identity: PatientIdentity | None = None
) -> Dataset:
    """One binary segment per vertebra.

    Args:
        seed: hash of the input, which the UIDs are made from: the same case gives the same file, another patient or
            other outlines of the same patient give other UIDs.
        source, identity: with both the object joins the patient's study and refers to the slices it was drawn on, so that a
            viewer lays it over them; otherwise it has a study and a frame of reference of its own and names nobody.
    """
    present = [VertebraLevel.from_verse_id(int(n)) for n in np.unique(segmentation.labels) if n]
    numbers = np.zeros(256, np.uint8)
    for number, level in enumerate(present, start=1):
        numbers[level.verse_id] = number
    sources = _source_images(segmentation.grid, seed)
    if source is not None and identity is not None:
        _belong(sources, source, identity)
    content = _content_sha256(segmentation, sources[0].StudyInstanceUID)
    dataset = hd.seg.Segmentation(
        source_images=sources,
        pixel_array=numbers[segmentation.labels],
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=_descriptions(present, segmentation, seed),
        series_instance_uid=_uid(seed, content, "seg-series"),
        series_number=100,
        sop_instance_uid=_uid(seed, content, "seg"),
        instance_number=1,
        manufacturer="OpenPKP",
        manufacturer_model_name="planning_core",
        software_versions=__version__,
        device_serial_number="0",
        omit_empty_frames=True,
        dimension_organization_type=None,
    )
    for keyword in ("ContentDate", "SeriesDate", "InstanceCreationDate"):
        if keyword in dataset:
            setattr(dataset, keyword, FIXED_DATE)
    for keyword in ("ContentTime", "SeriesTime", "InstanceCreationTime"):
        if keyword in dataset:
            setattr(dataset, keyword, FIXED_TIME)
    for equipment in dataset.get("ContributingEquipmentSequence", []):
        equipment.ContributionDateTime = FIXED_DATE + FIXED_TIME
    for number, item in enumerate(dataset.DimensionOrganizationSequence):
        old = item.DimensionOrganizationUID
        new = _uid(seed, content, f"dimension-{number}")
        item.DimensionOrganizationUID = new
        for index in dataset.DimensionIndexSequence:
            if index.DimensionOrganizationUID == old:
                index.DimensionOrganizationUID = new
    return dataset


def _descriptions(levels: Sequence[VertebraLevel], segmentation: SpineSegmentation, seed: str) -> list[hd.seg.SegmentDescription]:
    """One segment per vertebra.

    Outlines from a label file are somebody's choice of outlines, drawn we know not how: SEMIAUTOMATIC, never our own.
    """
    given = segmentation.numbering.source == FROM_FILE
    algorithm = hd.AlgorithmIdentificationSequence(
        name="Label file made elsewhere" if given else f"OpenPKP {segmentation.method}",
        version=__version__,
        family=BY_HAND if given else NETWORK,
        parameters={"numbering": segmentation.numbering.source},
    )
    types = hd.seg.SegmentAlgorithmTypeValues
    return [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=level.value,
            segmented_property_category=CATEGORY,
            segmented_property_type=Code(SNOMED[level.value], "SCT", f"{level.value} vertebra")
            if level.value in SNOMED
            else VERTEBRA_CODE,
            algorithm_type=types.SEMIAUTOMATIC if given else types.AUTOMATIC,
            algorithm_identification=algorithm,
            tracking_uid=_uid(seed, "tracking", level.value),
            tracking_id=f"VerSe {level.verse_id} {level.value} {seed[:10]}",
        )
        for number, level in enumerate(levels, start=1)
    ]


def _content_sha256(segmentation: SpineSegmentation, study: str) -> str:
    """Hash of what is drawn, by whom and in which study: a UID must never stand for two different instances."""
    digest = hashlib.sha256(f"{__version__} {segmentation.method} {segmentation.numbering.source} {study}".encode())
    digest.update(np.ascontiguousarray(segmentation.labels).tobytes())
    return digest.hexdigest()


def _source_images(grid: Grid, seed: str) -> list[Dataset]:
    """The slices the segmentation lies on, described by geometry alone."""
    common = _common(grid, seed)
    images = []
    for k in range(grid.shape[0]):
        image = Dataset()
        image.update(common)  # the same elements in every slice: to make each anew takes several times as long
        image.file_meta = FileMetaDataset()
        image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        image.SOPInstanceUID = _uid(seed, f"slice-{k}")
        image.InstanceNumber = k + 1
        image.ImagePositionPatient = [round(float(v), 6) for v in grid.points([k, 0, 0])]
        images.append(image)
    return images


def _common(grid: Grid, seed: str) -> Dataset:
    """What all slices share."""
    image = Dataset()
    row, column = grid.direction[:, 0], grid.direction[:, 1]
    image.SOPClassUID = CTImageStorage
    image.StudyInstanceUID, image.SeriesInstanceUID = _uid(seed, "study"), _uid(seed, "series")
    image.FrameOfReferenceUID = _uid(seed, "frame")
    image.PatientID, image.PatientName, image.PatientBirthDate, image.PatientSex = f"case-{seed[:10]}", "", "", ""
    image.StudyID, image.StudyDate, image.StudyTime, image.AccessionNumber = "", "", "", ""
    image.ReferringPhysicianName, image.Modality, image.SeriesNumber = "", "CT", 1
    image.PositionReferenceIndicator = ""
    image.Rows, image.Columns = grid.shape[1], grid.shape[2]
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 1
    image.ImageOrientationPatient = [round(float(v), 8) for v in (*row, *column)]
    image.PixelSpacing = [float(grid.spacing_mm[1]), float(grid.spacing_mm[0])]
    image.SliceThickness = float(grid.spacing_mm[2])
    return image


def _belong(images: Sequence[Dataset], source: DicomSource, identity: PatientIdentity) -> None:
    """Put the slices into the study they came from."""
    for image, instance in zip(images, source.instance_uids, strict=True):
        image.SOPInstanceUID = instance
        image.StudyInstanceUID, image.SeriesInstanceUID = source.study_uid, source.series_uid
        image.FrameOfReferenceUID = source.frame_of_reference_uid
        image.PatientName, image.PatientID = identity.name, identity.patient_id
        image.PatientBirthDate = identity.birth_date


def _uid(*parts: str) -> str:
    return str(generate_uid(entropy_srcs=["openpkp", *parts]))
