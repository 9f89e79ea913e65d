"""What one asks to be planned on X-ray images, and the images themselves."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from itertools import combinations, zip_longest
from pathlib import Path

import attrs
import numpy as np
import pydicom

from planning_core.anatomy.levels import VertebraLevel
from planning_core.errors import AmbiguousError, InputError
from planning_core.imaging.dicom import DAMAGED
from planning_core.xray.clicks import Clicks
from planning_core.xray.image import DICOM_SUFFIXES, XrayImage, read_xray
from planning_core.xray.pair import angle_deg, check_views
from planning_core.xray.paths import CLICKED
from planning_core.xray.plan import XrayConfiguration
from planning_core.xray.refusals import AmbiguousFrameError, RepeatedPictureError, XrayError
from planning_core.xray.triangulation import PicturePoint

CLICK = re.compile(r"([a-z])(?::([a-z]+))?:([^,]+),([^,]+)")
FRAME = re.compile(r"([a-z]):(\d+)")


class XrayLevelNotGivenError(AmbiguousError):
    """No level was named; pictures of a part of the spine do not say which vertebra one means."""

    code = "level_not_given"


class InvalidClickError(InputError):
    """A click that cannot be understood. Carries ``given``."""

    code = "invalid_click"


class InvalidFrameError(InputError):
    """A choice of frames that cannot be understood. Carries ``given``."""

    code = "invalid_frame"


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
        frames: which one of each image's frames, from 0; None where there is one only. Empty: of none.

    Raises:
        XrayLevelNotGivenError: see there.
    """

    images: tuple[Path, ...]
    level: VertebraLevel
    clicks: Clicks | None = None
    configuration: XrayConfiguration = attrs.field(factory=XrayConfiguration)
    frames: tuple[int | None, ...] = ()

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
        clicked, chosen = read_clicks(clicks, len(images)), read_frames(frames, len(images))
        return cls(tuple(images), level, clicked, configuration or XrayConfiguration(), chosen)


def letter(number: int) -> str:
    """``a`` for the first picture."""
    return chr(ord("a") + number)


def read_clicks(words: Sequence[str], images: int) -> Clicks | None:
    """Clicks from words like ``a:120,88`` or ``b:left:101.5,90``.

    The letter counts the images, the point is ``body`` (when left out), ``left`` or ``right``, then row and column from 0.

    Raises:
        InvalidClickError: none of these, or a point twice. InvalidClicksError: not the same points in every image.
    """
    if not words:
        return None
    found: list[dict[PicturePoint, tuple[float, float]]] = [{} for _ in range(images)]
    for word in words:
        match = CLICK.fullmatch(word)
        try:
            if match is None:
                raise ValueError
            number = ord(match[1]) - ord("a")
            point = PicturePoint(match[2] or PicturePoint.BODY.value)
            place = float(match[3]), float(match[4])
            if not 0 <= number < images or point not in CLICKED or point in found[number] or not np.isfinite(place).all():
                raise ValueError
        except ValueError:
            raise InvalidClickError(
                f"no click: {word!r}; one writes a:ROW,COLUMN or a:left:ROW,COLUMN (body, left, right; each once; "
                f"images a to {letter(images - 1)})",
                given=word,
            ) from None
        found[number][point] = place
    incomplete = [n for n, of_image in enumerate(found) if set(of_image) != set(found[0]) or PicturePoint.BODY not in of_image]
    if incomplete or len(found[0]) not in (1, len(CLICKED)):
        raise InvalidClickError(
            "each image needs the same clicks: the body's middle alone, or body, left and right pedicle", given=list(words)
        )
    return Clicks([[of_image[point] for point in CLICKED if point in of_image] for of_image in found])


def read_frames(words: Sequence[str], images: int) -> tuple[int | None, ...]:
    """Which frame of each image from words like ``b:12``: the third image is c, the first frame 0.

    Raises:
        InvalidFrameError: none of these, or an image twice.
    """
    chosen: list[int | None] = [None] * images
    for word in words:
        match = FRAME.fullmatch(word)
        number = ord(match[1]) - ord("a") if match else images
        if match is None or number >= images or chosen[number] is not None:
            raise InvalidFrameError(
                f"no frame: {word!r}; one writes a:NUMBER, from 0, images a to {letter(images - 1)}, each once",
                given=word,
            )
        chosen[number] = int(match[2])
    return tuple(chosen)


def read_images(request: XrayRequest) -> list[XrayImage]:
    """The images, fit to be used together.

    Raises:
        XrayError, AmbiguousFrameError, MixedPatientsError: see ``read_together``. InvalidClicksError: a click outside.
    """
    images = read_together(request.images, request.frames)
    if request.clicks is not None:
        request.clicks.check([image.view for image in images])
    return images


def read_together(paths: Sequence[Path], frames: Sequence[int | None] = ()) -> list[XrayImage]:
    """X-ray images of one patient and examination in views of one frame that are far enough apart, each shown once.

    Args:
        frames: see ``XrayRequest``.

    Raises:
        XrayError, AmbiguousFrameError: see ``xray.refusals``. MixedPatientsError, MixedStudiesError: by the DICOM headers.
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
    said = [_said(path) for path in paths]
    who, when = (max(len({of[tag] for of in said if tag in of}) for tag in tags) for tags in (WHO, WHEN))
    if who > 1:
        raise MixedPatientsError(f"the images are of {who} patients", patients=who)
    if when > 1:
        raise MixedStudiesError(
            f"the images are of {when} examinations: between two the patient does not lie still", studies=when
        )
    for (n, one), (m, other) in combinations(enumerate(images), 2):
        apart = angle_deg(one.view, other.view)
        if apart < ALIKE_DEG or np.array_equal(one.pixels, other.pixels):
            letters = [letter(k) for k in (n, m)]
            raise RepeatedPictureError(
                f"pictures {' and '.join(letters)} are {apart:.1f}° apart and show the same: give one of them",
                pictures=letters,
                angle_deg=apart,
            )
    return images


def images_sha256(images: Sequence[XrayImage]) -> str:
    """One hash over all images, whatever their order."""
    return hashlib.sha256("\n".join(sorted(image.sha256 for image in images)).encode()).hexdigest()


def _said(path: Path) -> dict[str, str]:
    """What a DICOM header says of whom it shows and when; nobody outside this module learns it."""
    if path.suffix.lower() not in DICOM_SUFFIXES:
        return {}
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True)
        found = {tag: " ".join(str(header.get(tag, "") or "").replace("^", " ").split()).casefold() for tag in (*WHO, *WHEN)}
    except DAMAGED:
        return {}
    return {tag: value for tag, value in found.items() if value}
