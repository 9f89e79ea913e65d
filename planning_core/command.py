"""The command line: arguments in, one JSON object or a short summary out, errors by name and exit status."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from planning_core import __version__
from planning_core.aside import ILLUSTRATOR, Aside
from planning_core.edge import Parser, UsageError, ended
from planning_core.errors import PkpError

REFUSED_STATUS = 4
INTERRUPTED = "interrupted; no plan was written. The same command takes up what was finished"
STAGES = {
    "read": "reading the images",
    "segment": "finding the vertebrae",
    "fit": "rebuilding the vertebra",
    "lay": "laying the CT over the pictures",
    "model": "modelling",
    "cement": "cement volume",
    "paths": "needle paths",
    "report": "report",
    "unchanged": "unchanged: verifying what is there",
}


def parser() -> Parser:
    """The arguments of ``plan``."""
    top = Parser(prog="pkp", description="Research software, not a medical device.")
    commands = top.add_subparsers(dest="command", required=True, parser_class=Parser)
    plan = commands.add_parser(
        "plan",
        help="plan one level of a CT, or of two or more X-ray images",
        description="CT in, millilitres and needle paths out; or X-ray images in, needle paths out.",
    )
    plan.add_argument("ct", nargs="?", type=Path, help="DICOM folder or file, NIfTI, NRRD or MetaImage")
    plan.add_argument(
        "--xray",
        nargs="+",
        type=Path,
        help="instead of a CT: two or more X-ray images (DICOM, or pictures with a geometry file)",
    )
    plan.add_argument(
        "--click",
        action="append",
        default=[],
        help="a:ROW,COLUMN: the body's middle in X-ray image a (b, c, …); a:left:ROW,COLUMN and a:right:… for its pedicles",
    )
    plan.add_argument("--frame", action="append", default=[], help="b:12: frame of X-ray image b, from 0, where it holds several")
    plan.add_argument("--level", help="vertebra to plan, T1–L5 (T13, L6)")
    plan.add_argument("--at", help="x,y,z in ct_lps mm: a point that lies in that vertebra")
    plan.add_argument("--labels", type=Path, help="label map made elsewhere (VerSe or TotalSegmentator ids)")
    plan.add_argument("--label-scheme", choices=("verse", "totalsegmentator"), help="where the ids alone do not tell")
    plan.add_argument("--series", help="SeriesInstanceUID or number, where a folder holds several")
    plan.add_argument("--product", help="bone cement, by its name in the product table")
    plan.add_argument("--config", type=Path, help="JSON file with configuration to change")
    plan.add_argument("--out", type=Path, help="case folder (default: cases/<pseudonym>)")
    plan.add_argument("--json", action="store_true", help="print one JSON object")
    plan.add_argument("--with-identity", action="store_true", help="show the patient's name in the report")
    top.add_argument("--version", action="version", version=f"openpkp {__version__}")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; returns the exit status (docs/exit_codes.md)."""
    return ended(arguments, _run, INTERRUPTED)


def _run(words: list[str]) -> int:
    given = parser().parse_args(joined(words, "--at"))
    result = _plan(given) if given.xray is None else _plan_on_xrays(given)
    print(json.dumps(result) if given.json else _summary(result) if given.xray is None else _xray_summary(result))
    return REFUSED_STATUS if result["verdict"] == "refuse" else 0


def joined(arguments: Sequence[str], *options: str) -> list[str]:
    """``--at -1,2,3`` as one word for each of the options, which argparse would else take for another option."""
    out: list[str] = []
    for word in arguments:
        if out and out[-1] in options:
            out[-1] += f"={word}"
        else:
            out.append(word)
    return out


def _plan(given: argparse.Namespace) -> dict[str, Any]:
    from planning_core.anatomy.levels import VertebraLevel
    from planning_core.case.folder import Case
    from planning_core.configuration import load_configuration
    from planning_core.imaging.identity import pseudonym, read_identity
    from planning_core.pipeline import run
    from planning_core.request import Request

    request = Request(
        given.ct,
        VertebraLevel.parse(given.level) if given.level is not None else None,
        numbers(given.at, 3, "--at needs three numbers x,y,z in mm") if given.at is not None else None,
        given.labels,
        given.label_scheme,
        given.series,
        load_configuration(given.config, given.product),
        read_identity(given.ct, given.series) if given.with_identity and given.ct is not None else None,
    )
    opened: list[Case] = []

    def open_case(sha256: str) -> Case:
        opened.append(Case(given.out if given.out is not None else Path("cases") / pseudonym(sha256)))
        return opened[-1]

    with Aside(ILLUSTRATOR) as illustrator, Progress() as progress:
        try:
            outcome = run(request, open_case, progress, illustrator)
        except PkpError as error:
            if opened and any(candidate["levels"] for candidate in error.data.get("candidates", ())):
                from planning_core.case.report.numbering import write_numbering_picture

                error.data["picture"] = str(write_numbering_picture(opened[-1], given.ct, given.series, error.data["candidates"]))
            raise
    plan = outcome.plan.model_dump(mode="json", exclude={"configuration"})
    return {
        **plan,
        "seconds": {**outcome.seconds, "total": round(sum(outcome.seconds.values()), 3)},
        "case": str(opened[-1].path),
    }


def _plan_on_xrays(given: argparse.Namespace) -> dict[str, Any]:
    from planning_core.anatomy.levels import VertebraLevel
    from planning_core.case.folder import Case
    from planning_core.imaging.identity import pseudonym
    from planning_core.xray.configuration import load_xray_configuration
    from planning_core.xray.planning import plan_from_xrays
    from planning_core.xray.request import XrayRequest

    of_ct = ("ct", "at", "labels", "label_scheme", "series", "product")
    foreign = [name for name in of_ct if getattr(given, name) is not None] + ["with_identity"] * given.with_identity
    if foreign:
        raise UsageError(f"--xray does not go with {', '.join(foreign)}")
    level = VertebraLevel.parse(given.level) if given.level is not None else None
    request = XrayRequest.of(given.xray, level, given.click, load_xray_configuration(given.config), given.frame)
    opened: list[Case] = []

    def open_case(sha256: str) -> Case:
        opened.append(Case(given.out if given.out is not None else Path("cases") / pseudonym(sha256)))
        opened[-1].keep_clear(*given.xray)
        return opened[-1]

    with Progress() as progress:
        outcome = plan_from_xrays(request, open_case, progress)
    return {
        **outcome.plan.model_dump(mode="json", exclude={"configuration"}),
        "seconds": {**outcome.seconds, "total": round(sum(outcome.seconds.values()), 3)},
        "case": str(opened[-1].path),
    }


def numbers(text: str, count: int, needs: str) -> np.ndarray:
    """(count,) of an option's words like ``1,2,3``.

    Raises:
        InputError: not so many finite numbers; ``needs`` begins its sentence.
    """
    from planning_core.errors import InputError

    try:
        found = np.array([float(part) for part in text.split(",")])
    except ValueError:
        found = np.zeros(0)
    if found.shape != (count,) or not np.isfinite(found).all():
        raise InputError(f"{needs}, got {text!r}", given=text)
    return found


class Progress:
    """A bar on a terminal's standard error, a line per stage elsewhere; standard output stays clean."""

    def __enter__(self) -> Progress:
        self._bar: Any = None
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
            from rich.progress import Progress as Bar

            self._bar = Bar(TextColumn("{task.description:<24}"), BarColumn(), TimeElapsedColumn(), console=Console(stderr=True))
            self._task = self._bar.add_task("starting", total=list(STAGES).index("unchanged"))
            self._bar.start()
        return self

    def __call__(self, stage: str) -> None:
        """Show that a stage begins."""
        if self._bar is not None:
            self._bar.update(self._task, description=STAGES[stage], completed=list(STAGES).index(stage))
        else:
            print(f"pkp: {STAGES[stage]}", file=sys.stderr, flush=True)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()


def _summary(result: dict[str, Any]) -> str:
    lines = [
        f"{result['level']}: {result['verdict'].upper()}",
        *(f"  - {reason}" for reason in result["reasons"]),
        f"recommended {result['recommended_ml']:.1f} ml liquid {result['product']} "
        f"({result['recommended_ml_low']:.1f}–{result['recommended_ml_high']:.1f}), "
        f"{result['fill_percent']:.0f} % of the intact body",
        f"deficit {result['defect_ml']:.1f} ml ({result['defect_ml_low']:.1f}–{result['defect_ml_high']:.1f}); "
        f"Genant {result['genant']} {result['fracture']}",
    ]
    lines += _path_lines(result)
    lines.append(f"report: {Path(result['case']) / 'report.html'}   ({result['seconds']['total']:.1f} s)")
    lines.append(result["disclaimer"])
    return "\n".join(lines)


def _xray_summary(result: dict[str, Any]) -> str:
    angle, heights = result["widest_angle_deg"], result["heights_mm"]
    lines = [
        f"{result['level']} from {len(result['views'])} X-ray images {angle:.0f}° apart: {result['verdict'].upper()}, "
        f"confidence {int(100 * result['confidence'])} %",
        *(f"  - {reason}" for reason in result["reasons"]),
        f"rebuilt heights {heights['anterior']:.0f}/{heights['middle']:.0f}/{heights['posterior']:.0f} mm; "
        f"pedicles' walls ±{result['shape']['wall_sd_mm']:.1f} mm; points in {result['frame']}",
        *_path_lines(result),
        *(f"note: {warning}" for warning in result["warnings"]),
        *(f"not said: {what}" for what in result["not_said"]),
        f"report: {Path(result['case']) / 'report.html'}   ({result['seconds']['total']:.1f} s)",
        result["disclaimer"],
    ]
    return "\n".join(lines)


def _path_lines(result: dict[str, Any]) -> list[str]:
    lines = []
    for p in result["paths"]:
        name = f"{p['side']} {p['kind'].replace('_', ' ')}"
        lines.append(
            f"path {name}: grade {p['grade']}, {p['clearance_mm']:.1f} mm clearance, "
            f"P(breach) {p['p_breach']:.1%}, {p['depth_mm']:.0f} mm deep"
        )
        lines += [f"  {name}: {warning}" for warning in p["warnings"]]
    return [*lines, *(f"no path {why.replace('_', ' ')}" for why in result["refused_paths"])]
