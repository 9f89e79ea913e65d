"""Who the patient is stays out of logs, paths and reports unless someone asks for it."""

from __future__ import annotations

from pathlib import Path

import attrs

PSEUDONYM_DIGITS = 10


@attrs.frozen
class PatientIdentity:
    """What a DICOM header says of the patient; empty strings where it says nothing."""

    name: str = ""
    patient_id: str = ""
    birth_date: str = ""


def pseudonym(sha256: str) -> str:
    """A case name from the input's hash: the same for the same bytes, and nobody's name."""
    return f"case-{sha256[:PSEUDONYM_DIGITS]}"


def read_identity(path: Path) -> PatientIdentity:
    """The identity in the first DICOM file of a folder, or of one file; empty for formats that hold none."""
    import pydicom

    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    for file in files:
        try:
            header = pydicom.dcmread(file, stop_before_pixels=True)
        except (pydicom.errors.InvalidDicomError, OSError, ValueError, NotImplementedError):
            continue
        return PatientIdentity(
            str(header.get("PatientName", "")),
            str(header.get("PatientID", "")),
            str(header.get("PatientBirthDate", "")),
        )
    return PatientIdentity()
