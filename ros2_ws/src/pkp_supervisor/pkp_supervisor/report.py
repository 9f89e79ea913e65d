"""procedure.html: what was done and measured, from the record and the audit chain; one file, no network."""

from __future__ import annotations

import html
import os
from collections.abc import Sequence
from pathlib import Path

from pkp_supervisor.course import Course, RegistrationMark, read_course
from pkp_supervisor.course_charts import delivery_chart, phases_chart, position_chart
from pkp_supervisor.phases import Phase
from planning_core.case import audit
from planning_core.case.plan import DISCLAIMER, Plan
from planning_core.case.report.page import ASSETS
from planning_core.case.revisions import open_plan
from planning_core.errors import PkpError

NAME = "procedure.html"


def write_report(run_folder: Path) -> Path:
    """Write it into the run's folder, whole or not at all.

    Raises:
        NothingRecordedError: the run left no record. BrokenAuditError: somebody edited the chain.
    """
    course = read_course(run_folder)
    page = render(course, audit.verify(run_folder), _planned(course))
    place = run_folder / NAME
    unfinished = run_folder / f".part-{NAME}"
    unfinished.write_text(page, encoding="utf-8")
    os.replace(unfinished, place)
    return place


def _planned(course: Course) -> Plan | None:
    """The plan that was carried out, where its case still holds it."""
    if not course.case_path or not course.plan_hash:
        return None
    try:
        return open_plan(Path(course.case_path), course.plan_hash)
    except PkpError:  # gone, altered or of another schema: the report is of what was done, the plan only stands beside it
        return None


def render(course: Course, audit_hash: str, plan: Plan | None) -> str:
    """The page."""
    finished = any(stay.phase is Phase.REPORT for stay in course.stays)
    word, kind = ("Carried out", "accept") if finished else ("Not finished", "refuse")
    if finished and course.stops:
        word, kind = "Carried out after a stop", "review"
    style = (ASSETS / "report.css").read_text()
    sides = sorted({*course.position, *course.delivery})
    body = "".join(_side(course, side, plan) for side in sides)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>OpenPKP · procedure · {_e(course.level)}</title><style>{style}</style></head><body>
<header><h1>OpenPKP <span>procedure · {_e(course.level)}</span></h1><p class="research">{DISCLAIMER}</p></header>
<section class="verdict {kind}"><h2>{word}</h2><p>{_summary(course)}</p>{_list(_events(course))}</section>
<section class="tiles">{_tiles(course, plan)}</section>
<section><h2>Course</h2><div class="grow">{_figure(*phases_chart(course))}</div></section>
<section><h2>Registration</h2>{_registrations(course.registrations)}</section>
{body}
<footer>{DISCLAIMER} plan {_e(course.plan_hash)} · last line of the audit chain {_e(audit_hash)}</footer>
</body></html>
"""


def _summary(course: Course) -> str:
    minutes, seconds = divmod(round(course.seconds), 60)
    stops = len(course.stops)
    return f"{minutes} min {seconds} s from the first message to the last; {stops or 'no'} stop{'' if stops == 1 else 's'}."


def _events(course: Course) -> list[str]:
    return [f"{stop.at_s:.1f} s: stop {stop.epoch}: {stop.reason}" for stop in course.stops]


def _tiles(course: Course, plan: Plan | None) -> str:
    given = sum(course.delivered_ml(side) for side in course.delivery)
    planned = "" if plan is None else f"{plan.recommended_ml:.2f} ml planned · {plan.product}"
    accepted = [mark for mark in course.registrations if mark.accepted]
    bound = max(accepted[-1].bounds_mm.values(), default=float("nan")) if accepted else float("nan")
    peak = max((float(curve.values[:, 2].max()) for curve in course.delivery.values()), default=float("nan"))
    tiles = (
        ("main" if plan is not None and given > 0 else "", "Cement delivered", f"{given:.2f} ml", planned),
        ("", "Registration, 95 % at the target", _number(bound, "mm"), "predicted from the errors that were measured"),
        ("", "Highest pressure", _number(peak, "kPa", 0), "at the plunger"),
        ("", "Stops", str(len(course.stops)), "each latched until acknowledged"),
    )
    return "".join(f'<div class="tile {k}"><span>{_e(t)}</span><b>{_e(v)}</b><span>{_e(n)}</span></div>' for k, t, v, n in tiles)


def _registrations(marks: Sequence[RegistrationMark]) -> str:
    rows = [
        (
            f"{mark.at_s:.1f} s",
            "accepted" if mark.accepted else f"refused: {mark.message}",
            f"{mark.fiducials} beads, {_number(mark.rms_mm, 'mm')} rms",
            _number(mark.check_mm, "mm"),
            ", ".join(f"{side} {bound:.2f} mm" for side, bound in mark.bounds_mm.items()),
        )
        for mark in marks
    ]
    return _table(("When", "Outcome", "Fit", "Check point", "95 % bound at the target"), rows)


def _side(course: Course, side: str, plan: Plan | None) -> str:
    figures = "".join(
        _figure(*chart(course, side))
        for chart, known in ((position_chart, course.position), (delivery_chart, course.delivery))
        if side in known
    )
    return f'<section><h2>{_e(side.capitalize())}</h2><div class="row pairs">{figures}</div>{_dose(course, side, plan)}</section>'


def _dose(course: Course, side: str, plan: Plan | None) -> str:
    if side not in course.delivery:
        return ""
    path = None if plan is None else next((p for p in plan.paths if p.side == side), None)
    way = "" if path is None else f"; planned path grade {path.grade}, {path.clearance_mm:.1f} mm clearance"
    return f'<p class="hint">{course.delivered_ml(side):.2f} ml delivered{_e(way)}</p>'


def _number(value: float, unit: str, digits: int = 2) -> str:
    return "–" if value != value else f"{value:.{digits}f} {unit}"


def _figure(title: str, png_base64: str) -> str:
    return f'<figure><img alt="{_e(title)}" src="data:image/png;base64,{png_base64}"></figure>'


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    top = "".join(f"<th>{_e(cell)}</th>" for cell in head)
    lines = "".join("<tr>" + "".join(f"<td>{_e(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{lines}</table>" if rows else '<p class="hint">none</p>'


def _list(items: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{_e(item)}</li>" for item in items) + "</ul>" if items else ""


def _e(text: object) -> str:
    return html.escape(str(text), quote=True)
