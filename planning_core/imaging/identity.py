"""Who the patient is stays out of logs, paths and reports unless someone asks for it."""

from __future__ import annotations

from pathlib import Path

import attrs

from planning_core.imaging.place import existing
from planning_core.imaging.refusals import MixedSeriesError

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


def read_identity(path: Path, series: str | None = None) -> PatientIdentity:
    """The identity in the headers of one series; empty for formats that hold none.

    Args:
        path: as given to ``load_ct``. series: as given to ``load_ct``: another series may be another patient's.

    Raises:
        MixedSeriesError: the slices of the series name several patients.
        UnreadableFileError: nothing is there.
        InputError, AmbiguousSeriesError: as ``load_ct``.
    """
    from planning_core.imaging.volume_file import is_volume_file

    path = existing(path)
    if path.is_file() and is_volume_file(path):
        return PatientIdentity()
    from planning_core.imaging.dicom_series import series_headers

    identities = {
        PatientIdentity(str(h.get("PatientName", "")), str(h.get("PatientID", "")), str(h.get("PatientBirthDate", "")))
        for h in series_headers(path, series)
    }
    if len(identities) > 1:
        raise MixedSeriesError(
            f"the slices of one series name {len(identities)} patients", attribute="patient", values=[str(len(identities))]
        )
    return identities.pop()
