"""A vertebra rebuilt from X-ray images, with its paths; the plan lies in the case, by path and hash."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from pkp_planning.work import Job, SegmentationFacts, Tell
from planning_core.errors import InputError

if TYPE_CHECKING:
    from planning_core.xray.request import XrayRequest

CLICKS, FRAMES = "clicks.json", "frames.json"
PICTURES = (".dcm", ".dicom", ".ima", ".png", ".tif", ".tiff", ".npz", "")


class NoPicturesError(InputError):
    """A folder without X-ray images, or none at all. Carries ``found``: how many."""

    code = "no_pictures"


def reconstruct_xrays(job: Job, tell: Tell) -> SegmentationFacts:
    """Rebuild one level from the images of a folder and plan paths through it; the sealed plan stays in the case.

    Args:
        job: source is the folder, its images by name a, b, …; ``clicks.json`` and ``frames.json`` beside them hold lists of
            words as ``--click`` and ``--frame`` take them. level and case_path are needed, the rest is not for X-rays.

    Returns:
        The plan's path and the hash of its file; the confidence that the model is good stands for the numbering's.

    Raises:
        PkpError: a refusal of planning_core; NotTrustedError says which view would help.
    """
    from planning_core.case.folder import Case
    from planning_core.xray.planning import plan_from_xrays

    if not job.case_path:
        raise InputError("no case folder was named")
    case = Case(Path(job.case_path))
    plan = plan_from_xrays(request_of(job), lambda sha256: case, tell).plan
    # the file that was sealed, which nobody writes again
    place = case.path / plan.FOLDER / f"{plan.plan_hash[:12]}.json"
    return SegmentationFacts(str(place.relative_to(case.path)), plan.plan_hash, (plan.level,), (), plan.confidence)


def request_of(job: Job) -> XrayRequest:
    """What the folder holds.

    Raises:
        NoPicturesError: see there. InvalidClickError, InvalidFrameError: of ``xray.request``. XrayLevelNotGivenError: no level.
    """
    from planning_core.anatomy.levels import VertebraLevel
    from planning_core.xray.request import XrayRequest

    folder = Path(job.source)
    foreign = [name for name in ("series", "ct_sha256", "at", "product") if getattr(job, name)]
    if foreign:
        raise InputError(f"{', '.join(foreign)}: not for X-rays; clicks are given in {CLICKS}", given=foreign)
    pictures = sorted(p for p in folder.glob("*") if p.suffix.lower() in PICTURES and p.is_file()) if job.source else []
    if not pictures:
        raise NoPicturesError("the source is no folder with X-ray images", found=0)
    level = VertebraLevel.parse(job.level) if job.level else None
    return XrayRequest.of(pictures, level, _words(folder / CLICKS), frames=_words(folder / FRAMES))


def _words(place: Path) -> list[str]:
    """A list of words in JSON; none where there is no such file."""
    try:
        words = json.loads(place.read_text()) if place.is_file() else []
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{place.name} is no list of words", given="no JSON") from error
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise InputError(f"{place.name} is no list of words", given=type(words).__name__)
    return words
