"""Cases on disk by id. What the browser sends is compared with what is there, never joined to a path."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import attrs

from pkp_console.refusals import NoSuchError
from planning_core.case import audit
from planning_core.case.folder import Case
from planning_core.case.inputs import LINK, SERIES
from planning_core.case.plan import Plan
from planning_core.case.revisions import kept, newest
from planning_core.errors import PkpError

SOURCE = "input/source.json"
REQUEST = "input/request.json"
XRAYS = "view/xrays.json"

VIEW = "view"
SURFACES = "surfaces"
HIDDEN = "."


@attrs.frozen
class Source:
    """The CT a case was imported from: where in the case folder, and which series of it."""

    path: Path
    series: str | None


@attrs.frozen
class CaseStore:
    """All cases under one folder.

    Args:
        root: it; made when it is not there.
    """

    root: Path = attrs.field(converter=lambda p: Path(p).resolve())

    def ids(self) -> list[str]:
        """Names of the case folders, newest first."""
        if not self.root.is_dir():
            return []
        found = [p for p in self.root.iterdir() if p.is_dir() and not p.is_symlink() and not p.name.startswith(HIDDEN)]
        return [p.name for p in sorted(found, key=lambda p: p.stat().st_mtime, reverse=True)]

    def case(self, case_id: str) -> Case:
        """The case with this id.

        Raises:
            NoSuchError: none; an id is one of ``ids()`` or it is nothing.
        """
        if case_id not in self.ids():
            raise NoSuchError("there is no case with this id", kind="case")
        return Case(self.root / case_id)

    def file(self, case_id: str, folder: str, name: str) -> Path:
        """A file of a case by its name in one of the case's own folders.

        Raises:
            NoSuchError: none of that name is in there.
        """
        place = self.case(case_id).path / folder
        names = {p.name: p for p in place.iterdir() if p.is_file() and not p.is_symlink()} if place.is_dir() else {}
        if name not in names or name.startswith(HIDDEN):
            raise NoSuchError("the case holds no such file", kind="file")
        return names[name]

    def source(self, case: Case) -> Source | None:
        """The CT that was imported, or the one the command line planned on where it still lies there; else None.

        What says where it lies and cannot be read says nothing: a CT that is imported again has its place again.
        """
        facts = read_object(case.path / SOURCE) or {}
        name, series = facts.get("name"), facts.get("series")
        if not isinstance(name, str) or not isinstance(series, str | None):
            link, chosen = case.path / LINK, case.path / SERIES
            return Source(link.resolve(), _text(chosen).strip() or None) if link.exists() else None
        place = case.path / "input" / Path(name).name
        return Source(place, series) if place.exists() else None

    def summary(self, case_id: str) -> dict[str, Any]:
        """One line of the case list; a case that cannot be read is listed with the reason."""
        case = self.case(case_id)
        facts: dict[str, Any] = {
            "id": case_id,
            "changed": datetime.datetime.fromtimestamp(case.path.stat().st_mtime, datetime.UTC).isoformat(timespec="seconds"),
            "has_ct": self.source(case) is not None,
            "xrays": (case.path / XRAYS).is_file(),
            "thumbnail": (case.path / VIEW / "thumbnail.png").is_file(),
            "plan": None,
            "revisions": max(0, len(kept(case.path)) - 1),
            "problem": None,
        }
        try:
            plan = newest(case.path)
        except PkpError as error:
            return {**facts, "problem": error.as_dict()}
        return {**facts, "plan": None if plan is None else headline(plan)}

    def events(self, case: Case) -> list[dict[str, Any]]:
        """The audit chain, oldest first; lines that cannot be read are left out here (``audit.verify`` judges them)."""
        found = (_object(line) for line in _text(case.path / audit.NAME).splitlines())
        return [e for e in found if e is not None and isinstance(e.get("event"), str)]


def headline(plan: Plan) -> dict[str, Any]:
    """What a list shows of a plan."""
    return {
        "level": plan.level,
        "verdict": plan.verdict,
        "plan_hash": plan.plan_hash,
        "recommended_ml": plan.recommended_ml,
        "recommended_ml_low": plan.recommended_ml_low,
        "recommended_ml_high": plan.recommended_ml_high,
        "product": plan.product,
    }


def read_object(place: Path) -> dict[str, Any] | None:
    """A JSON object; None where there is no such file, or it is damaged."""
    return _object(_text(place))


def _text(place: Path) -> str:
    """Empty where there is none; a byte that is no text becomes a sign that no file of ours has."""
    try:
        return place.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
