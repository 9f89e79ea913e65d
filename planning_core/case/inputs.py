"""Where a case's CT lies: the case alone suffices to read it again, and nothing else in the folder names the place."""

from __future__ import annotations

import json
import os
from pathlib import Path

from planning_core.case.folder import INPUTS, UNFINISHED, Case
from planning_core.errors import InputError
from planning_core.imaging.config import ImagingConfig
from planning_core.imaging.volume import CtVolume

LINK = "inputs/ct"
SERIES = "inputs/series"


class NoCtLinkError(InputError):
    """The case knows no CT: planned from masks, or by an older version. Carries ``case``."""

    code = "no_ct_link"


class CtMovedError(InputError):
    """The CT is no longer where it was. Carries ``ct_sha256`` of the one the case was made from."""

    code = "ct_moved"


class CtChangedError(InputError):
    """What lies at the CT's place now is another one. Carries ``held`` and ``found`` (SHA-256 of each)."""

    code = "ct_changed"


class UnreadableInputsError(InputError):
    """The note of what the case was made from is damaged. Carries ``case``."""

    code = "unreadable_inputs"


def link_ct(case: Case, source: Path, series: str | None = None) -> None:
    """Note where the case's CT lies: ``inputs/ct``, an absolute symbolic link, and the series where one was chosen.

    Args:
        case: claimed for this CT, and held for writing. source: as read; the case's own link may be given again.
    """
    place = case.path / LINK
    place.parent.mkdir(parents=True, exist_ok=True)
    target = source.resolve()
    unfinished = place.with_name(UNFINISHED + place.name)
    unfinished.unlink(missing_ok=True)
    unfinished.symlink_to(target, target_is_directory=target.is_dir())
    os.replace(unfinished, place)
    if series is not None:
        case.write(SERIES, (series + "\n").encode())
    else:
        (case.path / SERIES).unlink(missing_ok=True)


def ct_source(case_path: Path) -> Path:
    """The place of the CT that a case was made from, absolute; its content is not looked at (``load_case_ct`` does).

    Raises:
        NoCtLinkError: the case knows none. CtMovedError: there is nothing at that place any more.
    """
    link = case_path / LINK
    if not link.is_symlink():
        raise NoCtLinkError("the case does not say where its CT lies: plan it again from the CT", case=case_path.name)
    if not link.exists():
        held = held_sha256(case_path)
        raise CtMovedError(
            f"the CT of this case ({held[:12]}…) is no longer where it was: put it back, or plan from its new place",
            ct_sha256=held,
        )
    return link.resolve()


def ct_series(case_path: Path) -> str | None:
    """Which series of ``ct_source`` it is, where one was chosen."""
    place = case_path / SERIES
    return place.read_text(encoding="utf-8").strip() if place.is_file() else None


def load_case_ct(case_path: Path, config: ImagingConfig | None = None) -> CtVolume:
    """The CT that a case was made from.

    Raises:
        NoCtLinkError, CtMovedError: see ``ct_source``. CtChangedError: another CT lies there now.
        InputError: it cannot be read any more.
    """
    from planning_core.imaging.ingest import load_ct

    ct = load_ct(ct_source(case_path), ct_series(case_path), config)
    require_held(case_path, ct.sha256)
    return ct


def case_of(source: Path) -> Path | None:
    """The case whose ``inputs/ct`` a path is; None for every other path."""
    case_path = source.parent.parent
    return case_path if source.parts[-2:] == tuple(LINK.split("/")) and (case_path / INPUTS).is_file() else None


def require_held(case_path: Path, ct_sha256: str) -> None:
    """Refuse a CT that is not the case's own.

    Raises:
        CtChangedError, UnreadableInputsError: see there.
    """
    held = held_sha256(case_path)
    if ct_sha256 != held:
        raise CtChangedError(
            f"the CT of this case is {held[:12]}…, but at its place now lies {ct_sha256[:12]}…", held=held, found=ct_sha256
        )


def held_sha256(case_path: Path) -> str:
    """SHA-256 of the CT that the case was claimed for; empty without one.

    Raises:
        UnreadableInputsError: the case's note of it is damaged.
    """
    place = case_path / INPUTS
    if not place.is_file():
        return ""
    try:
        return str(json.loads(place.read_text(encoding="utf-8"))["ct_sha256"] or "")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UnreadableInputsError(
            f"{INPUTS} of case {case_path.name} cannot be read, so which CT it is of is not known: "
            "plan the CT again in another folder",
            case=case_path.name,
        ) from error
