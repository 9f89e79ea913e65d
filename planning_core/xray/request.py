"""What one asks to be planned on X-ray images, and the images themselves."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import combinations, zip_longest
from pathlib import Path

import attrs
import numpy as np
import pydicom
from pydicom.dataset import Dataset

from planning_core.anatomy.levels import VertebraLevel
from planning_core.errors import AmbiguousError
from planning_core.imaging.dicom import DAMAGED
from planning_core.xray.click_words import KNOWN, letter, read_clicks, read_frames, read_known
from planning_core.xray.clicks import Clicks
from planning_core.xray.counting import KnownVertebra
from planning_core.xray.image import DICOM_SUFFIXES, XrayImage, read_xray
from planning_core.xray.pair import angle_deg, check_views
from planning_core.xray.plan import XrayConfiguration
from planning_core.xray.refusals import AmbiguousFrameError, RepeatedPictureError, UnreadableXrayError, XrayError
from planning_core.xray.table import require_still, table_position


class XrayLevelNotGivenError(AmbiguousError):
    """No level was named; pictures of a part of the spine do not say which vertebra one means."""

    code = "level_not_given"


class MixedPatientsError(XrayError):
    """The images are of more than one patient. Carries ``patients``: how many."""

    code = "mixed_patients"


class MixedStudiesError(XrayError):
    """The images are of several examinations: the patient has lain down anew between them. Carries ``studies``: how many."""

    code = "mixed_studies"


WHO = ("PatientID", "PatientBirthDate", "PatientName")
WHEN = ("StudyInstanceUID", "FrameOfReferenceUID")
ALIKE_DEG = 5.0
"""Views nearer than this show the same bones in front of the same others: what misleads the one misleads the other."""


@attrs.frozen(eq=False)
class XrayRequest:
    """What is to be planned.

    Args:
        images: paths of two or more. level: to plan. clicks: what was pointed at, per image in the same order.
        known: a vertebra to count from.
        frames: which one of each image's frames, from 0; None where there is one only. Empty: of none.

    Raises:
        XrayLevelNotGivenError: see there.
    """

    images: tuple[Path, ...]
    level: VertebraLevel
    clicks: Clicks | None = None
    configuration: XrayConfiguration = attrs.field(factory=XrayConfiguration)
    frames: tuple[int | None, ...] = ()
    known: KnownVertebra | None = None

    @classmethod
    def of(
        cls,
        images: Sequence[Path],
        level: VertebraLevel | None,
        clicks: Sequence[str] = (),
        configuration: XrayConfiguration | None = None,
        frames: Sequence[str] = (),
    ) -> XrayRequest:
        """From words as they stand on a command line; clicks and frames as ``read_clicks`` and ``read_frames`` have them."""
        if level is None:
            raise XrayLevelNotGivenError("which level? X-ray pictures do not name it: --level")
        counted = [word for word in clicks if KNOWN.fullmatch(word)]
        clicked = read_clicks([word for word in clicks if word not in counted], len(images))
        chosen, known = read_frames(frames, len(images)), read_known(counted, len(images))
        return cls(tuple(images), level, clicked, configuration or XrayConfiguration(), chosen, known)


def read_images(request: XrayRequest) -> list[XrayImage]:
    """The images, fit to be used together.

    Raises:
        XrayError, AmbiguousFrameError, MixedPatientsError: see ``read_together``. InvalidClicksError: a click outside.
    """
    images = read_together(request.images, request.frames)
    views = [image.view for image in images]
    if request.clicks is not None:
        request.clicks.check(views)
    if request.known is not None:
        request.known.check(request.level, views)
    return images


def read_together(paths: Sequence[Path], frames: Sequence[int | None] = ()) -> list[XrayImage]:
    """X-ray images of one patient and examination in views of one frame that are far enough apart, each shown once.

    Where they state how the table stood, it did not move between them.

    Args:
        frames: see ``XrayRequest``.

    Raises:
        XrayError, AmbiguousFrameError: see ``xray.refusals``.
        MixedPatientsError, MixedStudiesError, MovedTableError: by the DICOM headers.
    """
    images, runs = [], dict[str, int]()
    for number, (path, frame) in enumerate(zip_longest(paths, frames)):
        try:
            images.append(read_xray(path, frame))
        except AmbiguousFrameError as run:
            runs[letter(number)] = run.frames
    if runs:
        named = ", ".join(f"{name} ({count})" for name, count in runs.items())
        raise AmbiguousFrameError(f"runs of several frames: {named}; choose one of each, from 0", runs=runs)
    check_views([image.view for image in images])
    headers = [header_of(path) for path in paths]
    said = [words_of(header) for header in headers]
    who, when = (max(len({of[tag] for of in said if tag in of}) for tag in tags) for tags in (WHO, WHEN))
    if who > 1:
        raise MixedPatientsError(f"the images are of {who} patients", patients=who)
    if when > 1:
        raise MixedStudiesError(
            f"the images are of {when} examinations: between two the patient does not lie still", studies=when
        )
    tables = [table_position(header, frame or 0) for header, frame in zip_longest(headers, frames)]
    for (n, one), (m, other) in combinations(enumerate(images), 2):
        apart, letters = angle_deg(one.view, other.view), [letter(k) for k in (n, m)]
        if apart < ALIKE_DEG or np.array_equal(one.pixels, other.pixels):
            raise RepeatedPictureError(
                f"pictures {' and '.join(letters)} are {apart:.1f}° apart and show the same: give one of them",
                pictures=letters,
                angle_deg=apart,
            )
        require_still(tables[n], tables[m], letters)
    return images


def images_sha256(images: Sequence[XrayImage]) -> str:
    """One hash over all images, whatever their order."""
    return hashlib.sha256("\n".join(sorted(image.sha256 for image in images)).encode()).hexdigest()


def words_of(header: Dataset) -> dict[str, str]:
    """What a DICOM header says of whom it shows and when, fit to be compared; nobody who compares it repeats it."""
    try:
        found = {tag: plain(header.get(tag, "")) for tag in (*WHO, *WHEN)}
    except DAMAGED:
        return {}
    return {tag: value for tag, value in found.items() if value}


def plain(value: object) -> str:
    """A name or number of a patient without what spelling may change."""
    return " ".join(str(value or "").replace("^", " ").split()).casefold()


def header_of(path: Path) -> Dataset:
    """The header of a DICOM X-ray; empty for a picture of another kind.

    Raises:
        UnreadableXrayError: it cannot be read.
    """
    if path.suffix.lower() not in DICOM_SUFFIXES:
        return Dataset()
    try:
        return pydicom.dcmread(path, stop_before_pixels=True)
    except DAMAGED as error:
        raise UnreadableXrayError(f"no DICOM file: {type(error).__name__}", reason=str(error)[:120]) from error
