"""What was pointed at in pictures, in the words of ``--click`` and ``--frame``."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from planning_core.anatomy.levels import VertebraLevel
from planning_core.errors import InputError
from planning_core.xray.clicks import Clicks
from planning_core.xray.counting import KnownVertebra
from planning_core.xray.paths import CLICKED
from planning_core.xray.triangulation import PicturePoint

CLICK = re.compile(r"([a-z])(?::([a-z]+))?:([^,]+),([^,]+)")
KNOWN = re.compile(r"([a-z]):([TL]\d+):([^,]+),([^,]+)")
FRAME = re.compile(r"([a-z]):(\d+)")


class InvalidClickError(InputError):
    """A click that cannot be understood. Carries ``given``."""

    code = "invalid_click"


class InvalidFrameError(InputError):
    """A choice of frames that cannot be understood. Carries ``given``."""

    code = "invalid_frame"


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


def read_known(words: Sequence[str], images: int) -> KnownVertebra | None:
    """A vertebra to count from, from words like ``a:L5:300,120``: its name and the middle of its body in two or more images.

    Raises:
        InvalidClickError: two vertebrae, an image twice, or no such image. InvalidClicksError: in one image only.
    """
    if not words:
        return None
    levels, pixels = set(), dict[int, tuple[float, float]]()
    for word in words:
        match = KNOWN.fullmatch(word)
        try:
            if match is None:
                raise ValueError
            number, place = ord(match[1]) - ord("a"), (float(match[3]), float(match[4]))
            levels.add(VertebraLevel(match[2]))
            if number >= images or number in pixels or len(levels) > 1 or not np.isfinite(place).all():
                raise ValueError
        except ValueError:
            raise InvalidClickError(
                f"no vertebra to count from: {word!r}; one writes a:L5:ROW,COLUMN, one vertebra, each image once "
                f"(a to {letter(images - 1)})",
                given=word,
            ) from None
        pixels[number] = place
    return KnownVertebra(levels.pop(), pixels)


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
