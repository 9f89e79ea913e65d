"""Which files of a folder are the CT series that is meant: their headers read, and none passed over that should have been one."""

from __future__ import annotations

import re
import struct
import warnings
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError

from planning_core.imaging.config import ImagingConfig
from planning_core.imaging.refusals import (
    AmbiguousSeriesError,
    NoSuchSeriesError,
    TooLargeError,
    UnreadableFileError,
    WrongModalityError,
)

CT, ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1"
SLICE_SUFFIXES = (".dcm", ".dicom", ".ima")
DIGITS = re.compile(r"\d+")
FIRST_GROUPS = (b"\x02\x00", b"\x08\x00")
NUMBERED = re.compile(r"\d+\.dcm", re.IGNORECASE)
"""How every file of an upload is called, whatever it is: of these only an empty one or a broken slice is one that was lost."""
# what pydicom raises on damaged input, beside its own error
DAMAGED = (
    InvalidDicomError,
    OSError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    NotImplementedError,
    RuntimeError,
    EOFError,
    IndexError,
    struct.error,
    BytesLengthException,
)


def series_headers(path: Path, series: str | None, config: ImagingConfig | None = None) -> list[Dataset]:
    """The headers of the series that ``read_ct_dicom`` would read.

    Raises:
        InputError, AmbiguousSeriesError: see ``refusals``.
    """
    return [header for _, header in choose(read_headers(path, config or ImagingConfig()), series)]


def read_headers(path: Path, config: ImagingConfig) -> list[tuple[Path, Dataset]]:
    """Every image's file with its header. What is no DICOM is passed over, unless it is called as a slice is.

    Raises:
        UnreadableFileError: no image, a damaged one, or files that were slices once. TooLargeError: too many files.
    """
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    if len(files) > config.max_files:
        raise TooLargeError(
            f"{len(files):,} files, at most {config.max_files:,} are read", count=len(files), limit=config.max_files
        )
    found: list[tuple[Path, Dataset]] = []
    others: list[Path] = []
    for file in files:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=None)
        except InvalidDicomError:
            others.append(file)
            continue
        except DAMAGED as error:
            # passed over, the first or the last slice would be missed by nobody
            raise UnreadableFileError(f"a DICOM file cannot be read: {type(error).__name__}", reason="damaged") from error
        said = header.file_meta.get("MediaStorageSOPClassUID") or header.get("SOPClassUID")
        if "SOPClassUID" in header and "Rows" in header:
            found.append((file, header))
        elif said is None:
            others.append(file)
        elif said in (CT, ENHANCED_CT):
            raise UnreadableFileError("the header of a CT slice is cut off", reason="cut off")
    if not found:
        raise UnreadableFileError(f"no DICOM image among {len(files)} file(s)", reason="no DICOM image")
    if lost := _called_as_slices(others, [file for file, _ in found]):
        raise UnreadableFileError(
            f"{len(lost)} of {len(files)} files are called as DICOM slices are and hold none: damaged, or not wholly copied",
            reason="damaged",
            count=len(lost),
        )
    return found


def _called_as_slices(others: Sequence[Path], images: Sequence[Path]) -> list[Path]:
    """Those of the other files that are named as slices are, by their ending or as the images but for their numbers."""
    usual = {DIGITS.sub("0", image.name) for image in images if DIGITS.search(image.name)}
    return [
        file
        for file in others
        if not file.name.startswith(".")  # beside every file, some systems put one that is called alike
        and (file.suffix.lower() in SLICE_SUFFIXES or DIGITS.sub("0", file.name) in usual)
        and (NUMBERED.fullmatch(file.name) is None or _broken(file))
    ]


def _broken(file: Path) -> bool:
    """Whether a file is empty, all zeros where it begins, or a slice that lacks its mark or all behind it: not something else."""
    with file.open("rb") as stream:
        head = stream.read(132)
    return not head.strip(b"\0") or head[128:] == b"DICM" or head[:2] in FIRST_GROUPS


def choose(headers: Sequence[tuple[Path, Dataset]], series: str | None) -> list[tuple[Path, Dataset]]:
    """The series of a UID or number; without one, the only CT series that there is.

    Raises:
        WrongModalityError, NoSuchSeriesError, AmbiguousSeriesError: see there.
    """
    by_uid: dict[str, list[tuple[Path, Dataset]]] = defaultdict(list)
    for file, header in headers:
        by_uid[str(header.get("SeriesInstanceUID", ""))].append((file, header))
    modalities = {uid: str(group[0][1].get("Modality", "")) for uid, group in by_uid.items()}
    ct = {uid: group for uid, group in by_uid.items() if modalities[uid] == "CT"}
    if not ct:
        seen = ", ".join(sorted(set(modalities.values())))
        raise WrongModalityError(f"the images are {seen or 'of no stated modality'}, not CT", modality=seen)
    scouts = [uid for uid, group in ct.items() if all(is_localizer(header) for _, header in group)]
    if len(scouts) < len(ct):
        ct = {uid: group for uid, group in ct.items() if uid not in scouts}  # a scout is no volume: no choice to ask for
    listing = [_described(uid, group) for uid, group in sorted(ct.items())]
    if series is not None:
        matching = [entry["uid"] for entry in listing if series in (entry["uid"], entry["number"])]
        if len(matching) != 1:
            raise NoSuchSeriesError(f"{len(matching)} CT series answer to {series!r}", asked=series, series=listing)
        return ct[str(matching[0])]
    if len(ct) > 1:
        words = "; ".join(
            f"--series {e['number'] or e['uid']} ({e['slices']} slices, {e['spacing_mm']} mm, {e['kernel'] or 'no kernel'}, "
            f"{e['description'] or 'no description'})"
            for e in listing
        )
        raise AmbiguousSeriesError(f"{len(ct)} CT series, choose one: {words}", series=listing)
    return next(iter(ct.values()))


def is_localizer(header: Dataset) -> bool:
    """Whether it is a scout, which is no slice of a volume."""
    return "LOCALIZER" in [str(word).upper() for word in header.get("ImageType", None) or []]


def _described(uid: str, group: Sequence[tuple[Path, Dataset]]) -> dict[str, Any]:
    """What helps to choose a series, without what identifies the patient."""
    first = group[0][1]
    description = str(first.get("SeriesDescription", ""))
    names = [part for part in str(first.get("PatientName", "")).replace("^", " ").split() if len(part) > 2]
    if any(name.lower() in description.lower() for name in names):
        description = ""
    try:
        heights = sorted({round(float(header.ImagePositionPatient[2]), 3) for _, header in group})
        spacing = round(float(np.median(np.diff(heights))), 2) if len(heights) > 1 else None
    except DAMAGED:
        spacing = None
    return {
        "number": str(first.get("SeriesNumber", "")),
        "uid": uid,
        "slices": len(group),
        "spacing_mm": spacing,
        "kernel": str(first.get("ConvolutionKernel", "")),
        "description": description,
    }
