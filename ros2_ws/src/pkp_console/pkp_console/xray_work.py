"""What the console's worker processes do with X-ray images: import and planning. Arguments and answers are plain values."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

from pkp_console.refusals import NotPlannedHereError
from pkp_console.store import XRAYS, read_object
from pkp_console.turn import in_turn
from planning_core.case import audit
from planning_core.case.folder import Case
from planning_core.xray.image import XrayImage

Tell = Callable[[str], None]
Given = tuple[Path, XrayImage, int | None]
"""A picture's file, what it shows, and which of its frames that is."""
FOLDER = "input/xrays"
PICTURES = XRAYS
OVERLAYS = "xray/overlays.json"
LETTERS = "abcdefgh"
"""So many images make a case at most."""


@attrs.frozen
class XrayImportJob:
    """An upload of X-ray images to make a case of.

    Args:
        folder: holds them, DICOM, as they came. root: the case store. by: who asked.
        frames: which frame of a run, words as ``--frame`` takes them, by the pictures' order in the folder.
    """

    folder: str
    root: str
    by: str
    frames: tuple[str, ...] = ()


@attrs.frozen
class XrayPlanJob:
    """A level to plan; clicks: words as ``--click`` takes them."""

    case_path: str
    level: str
    clicks: tuple[str, ...]
    by: str


def import_xrays(job: XrayImportJob, tell: Tell) -> str:
    """Read an upload as X-ray images that can be used together, and make or complete its case; returns the case's id.

    Raises:
        PkpError: a refusal of planning_core by name.
    """
    from planning_core.case.report.pictures import Picture
    from planning_core.imaging.identity import pseudonym
    from planning_core.xray.click_words import read_frames
    from planning_core.xray.pair import check_views
    from planning_core.xray.report import picture
    from planning_core.xray.request import images_sha256, read_together

    tell("read")
    places = uploaded(Path(job.folder))
    frames = read_frames(job.frames, len(places))
    given = list(zip(places, read_together(places, frames), frames, strict=True))
    images = [image for _, image, _ in given]
    case = Case(Path(job.root) / pseudonym(images_sha256(images)))
    with case.writing():
        case.claim_xrays([image.sha256 for image in images])
        tell("view")
        given = _as_before(case, given)
        kept = case.path / FOLDER
        if kept.is_dir():
            shutil.rmtree(kept)
        kept.mkdir(parents=True)
        facts: list[dict[str, Any]] = []
        for letter, (place, image, frame) in zip(LETTERS, given, strict=False):
            shutil.move(place, kept / f"{letter}.dcm")
            shown: Picture = picture(letter, image)
            case.write(f"view/xray_{letter}.png", shown.png())
            words = {"source": image.source, "warnings": list(image.warnings), "sha256": image.sha256, "frame": frame}
            facts.append({"name": letter, "size": image.view.size, **words})
        angle = check_views([image.view for image in images])
        case.write(PICTURES, json.dumps({"pictures": facts, "angle_deg": round(angle, 1)}).encode())
        audit.record(case.path, "imported", xray_sha256=[image.sha256 for image in images], by=job.by)
    return case.path.name


def uploaded(folder: Path) -> list[Path]:
    """Files of an upload, picture a first."""
    return sorted(p for p in folder.iterdir() if p.is_file())


def show_frame(place: str, frame: int, tell: Tell) -> bytes:
    """PNG of one frame of an uploaded picture, bone bright, to choose by.

    Raises:
        XrayError: it cannot be read, or has no such frame.
    """
    from planning_core.xray.image import read_xray
    from planning_core.xray.report import picture

    return picture("", read_xray(Path(place), frame)).png()


def pictures_of(case: Case) -> dict[str, Any]:
    """The pictures that the case shows, and ``angle_deg`` between them.

    Raises:
        NotPlannedHereError: it shows none, or what was noted of them is damaged.
    """
    shown = read_object(case.path / PICTURES)
    if shown is None or not _objects(shown.get("pictures")):
        raise NotPlannedHereError(
            "this case holds no X-ray images, or its list of them is damaged: import them again", missing="xrays"
        )
    return shown


def _objects(given: Any) -> bool:
    return isinstance(given, list) and all(isinstance(one, dict) for one in given)


def _as_before(case: Case, given: list[Given]) -> list[Given]:
    """In the order in which the case has them already: what was clicked in picture a stays in picture a."""
    try:
        known = [str(picture.get("sha256")) for picture in pictures_of(case)["pictures"]]
    except NotPlannedHereError:
        return given
    if set(known) != {image.sha256 for _, image, _ in given}:
        return given
    return sorted(given, key=lambda one: known.index(one[1].sha256))


def plan_xrays(job: XrayPlanJob, tell: Tell) -> str:
    """The walk from X-rays in the case's folder; returns the plan's hash.

    Raises:
        PkpError: a refusal of planning_core by name; NotTrustedError carries doubts and the next view.
    """
    from planning_core.anatomy.levels import VertebraLevel
    from planning_core.xray.planning import plan_from_xrays
    from planning_core.xray.request import XrayRequest

    case = Case(Path(job.case_path))
    pictures = sorted((case.path / FOLDER).glob("*.dcm"))
    shown = pictures_of(case)["pictures"]
    frames = [f"{one.get('name')}:{one['frame']}" for one in shown if one.get("frame") is not None]
    request = XrayRequest.of(pictures, VertebraLevel.parse(job.level), job.clicks, frames=frames)
    plan = plan_from_xrays(request, lambda sha256: case, tell).plan
    with in_turn(case):
        audit.record(case.path, "planned_by", plan_hash=plan.plan_hash, by=job.by)
    return plan.plan_hash
