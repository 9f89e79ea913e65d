"""What one asks to be planned on X-ray images, and the images themselves."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import attrs
import numpy as np
import pydicom

from planning_core.anatomy.levels import VertebraLevel
from planning_core.errors import AmbiguousError, InputError
from planning_core.imaging.dicom import DAMAGED
from planning_core.xray.clicks import Clicks
from planning_core.xray.image import DICOM_SUFFIXES, XrayImage, read_xray
from planning_core.xray.pair import check_views
from planning_core.xray.paths import CLICKED
from planning_core.xray.plan import XrayConfiguration
from planning_core.xray.refusals import XrayError
from planning_core.xray.triangulation import PicturePoint

CLICK = re.compile(r"([a-z])(?::([a-z]+))?:([^,]+),([^,]+)")


class XrayLevelNotGivenError(AmbiguousError):
    """No level was named; pictures of a part of the spine do not say which vertebra one means."""

    code = "level_not_given"


class InvalidClickError(InputError):
    """A click that cannot be understood. Carries ``given``."""

    code = "invalid_click"


class MixedPatientsError(XrayError):
    """The images are of more than one patient. Carries ``patients``: how many."""

    code = "mixed_patients"


@attrs.frozen(eq=False)
class XrayRequest:
    """What is to be planned.

    Args:
        images: paths of two or more. level: to plan. clicks: what was pointed at, per image in the same order.

    Raises:
        XrayLevelNotGivenError: see there.
    """

    images: tuple[Path, ...]
    level: VertebraLevel
    clicks: Clicks | None = None
    configuration: XrayConfiguration = attrs.field(factory=XrayConfiguration)

    @classmethod
    def of(
        cls,
        images: Sequence[Path],
        level: VertebraLevel | None,
        clicks: Sequence[str] = (),
        configuration: XrayConfiguration | None = None,
    ) -> XrayRequest:
        """From words as they stand on a command line; clicks as ``read_clicks`` has them."""
        if level is None:
            raise XrayLevelNotGivenError("which level? X-ray pictures do not name it: --level")
        return cls(tuple(images), level, read_clicks(clicks, len(images)), configuration or XrayConfiguration())


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
                f"images a to {chr(ord('a') + images - 1)})",
                given=word,
            ) from None
        found[number][point] = place
    incomplete = [n for n, of_image in enumerate(found) if set(of_image) != set(found[0]) or PicturePoint.BODY not in of_image]
    if incomplete or len(found[0]) not in (1, len(CLICKED)):
        raise InvalidClickError(
            "each image needs the same clicks: the body's middle alone, or body, left and right pedicle", given=list(words)
        )
    return Clicks([[of_image[point] for point in CLICKED if point in of_image] for of_image in found])


def read_images(request: XrayRequest) -> list[XrayImage]:
    """The images, fit to be used together.

    Raises:
        XrayError, AmbiguousFrameError, MixedPatientsError: see ``read_together``. InvalidClicksError: a click outside.
    """
    images = read_together(request.images)
    if request.clicks is not None:
        request.clicks.check([image.view for image in images])
    return images


def read_together(paths: Sequence[Path]) -> list[XrayImage]:
    """X-ray images of one patient in views of one frame that are far enough apart.

    Raises:
        XrayError, AmbiguousFrameError: see ``xray.refusals``. MixedPatientsError: DICOM headers name several patients.
    """
    images = [read_xray(path) for path in paths]
    check_views([image.view for image in images])
    patients = {_patient(path) for path in paths} - {None}
    if len(patients) > 1:
        raise MixedPatientsError(f"the images are of {len(patients)} patients", patients=len(patients))
    return images


def images_sha256(images: Sequence[XrayImage]) -> str:
    """One hash over all images, whatever their order."""
    return hashlib.sha256("\n".join(sorted(image.sha256 for image in images)).encode()).hexdigest()


def _patient(path: Path) -> tuple[str, str] | None:
    """Whom a DICOM header names; nobody outside this module learns it."""
    if path.suffix.lower() not in DICOM_SUFFIXES:
        return None
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True)
        said = str(header.get("PatientID", "")), str(header.get("PatientBirthDate", ""))
    except DAMAGED:
        return None
    return said if any(said) else None
