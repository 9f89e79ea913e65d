"""The report of a vertebra rebuilt from X-rays: each picture with its lines and, beside it, without; then every number."""

from __future__ import annotations

import json

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from planning_core.anatomy.vertebra import Side
from planning_core.case.folder import Case
from planning_core.case.plan import DISCLAIMER
from planning_core.case.report.colours import BODY, IDEAL, INK, OTHER, PAPER, PATHS, rgb
from planning_core.case.report.markup import escaped, figure, listed, table
from planning_core.case.report.page import ASSETS
from planning_core.case.report.pictures import DPI, Picture, finished, outlined, plt
from planning_core.xray.click_words import letter
from planning_core.xray.image import XrayImage
from planning_core.xray.overlay import ViewOverlay, overlay
from planning_core.xray.plan import XrayPlan, next_view_record
from planning_core.xray.planning import Rebuilt, view_in_words

WINDOW_PERCENT = (1.0, 99.7)
BORDER_SHARE = 0.3
SLOW_SHARE, WIDE_SHARE = 0.85, 0.06
"""How much of the brightness that changes over so much of the picture is taken off."""
MARGIN_SHARE = 0.35
PICTURE_IN = 4.6
LABEL_PX = 6.0
FOLDER = "xray"
WIDE = ".xrays figure{display:block;margin:0 0 8px}.xrays figure img{width:100%;max-width:none;max-height:none;height:auto}"


def write_report(case: Case, rebuilt: Rebuilt, plan: XrayPlan | None) -> None:
    """``report.html``, ``report.png``, and ``xray/``: the plain pictures and the lines over them, for the console.

    Args:
        plan: None where there is none; paths are then not drawn.
    """
    planned = rebuilt.planned
    paths = planned.trajectories.paths if planned is not None else ()
    vertebra = planned.vertebra if planned is not None else None
    lines = [overlay(image.view, rebuilt.found.shape, vertebra, paths) for image in rebuilt.images]
    drawn = [
        draw_view(f"picture {letter(n)}", image, over) for n, (image, over) in enumerate(zip(rebuilt.images, lines, strict=True))
    ]
    for n, image in enumerate(rebuilt.images):
        case.write(f"{FOLDER}/{letter(n)}.png", picture(letter(n), image).png())
    views = [{"sha256": image.sha256, **over.as_dict()} for image, over in zip(rebuilt.images, lines, strict=True)]
    content = {"views": views, **state(rebuilt, plan)}
    case.write(f"{FOLDER}/overlays.json", (json.dumps(content, sort_keys=True) + "\n").encode())
    case.write("report.html", page(rebuilt, plan, drawn))
    case.write("report.png", sheet(rebuilt, plan, drawn).png())


def state(rebuilt: Rebuilt, plan: XrayPlan | None) -> dict[str, object]:
    """What is known about it, in words and numbers."""
    found = rebuilt.found
    return {
        "level": found.level.value,
        "trusted": plan is not None,
        "confidence": round(found.confidence, 4),
        "doubts": list(rebuilt.doubts),
        "next_view": next_view_record(found),
        "plan_hash": plan.plan_hash if plan is not None else None,
    }


def grey(image: XrayImage) -> NDArray[np.uint8]:
    """(rows, columns) uint8 as X-rays are shown, bone bright; what was not exposed is black.

    The trunk's own slow brightness is taken off in part, or its thickness would use up all greys (harmonisation); edges stay.
    """
    wide = max(image.view.size) * WIDE_SHARE
    seen = image.valid.astype(np.float32)
    weight = np.maximum(gaussian_filter(seen, wide, mode="nearest"), 1e-3)
    slow = gaussian_filter(image.pixels * seen, wide, mode="nearest") / weight
    flat = image.pixels - SLOW_SHARE * slow
    rows, columns = (slice(int(n * BORDER_SHARE), n - int(n * BORDER_SHARE)) for n in image.view.size)
    inner = flat[rows, columns][image.valid[rows, columns]]  # the trunk's edges outshine what lies in it
    low, high = np.percentile(inner if inner.size else flat[image.valid], WINDOW_PERCENT)
    shown = np.clip((flat - low) / max(float(high - low), 1e-9), 0, 1)
    return np.where(image.valid, np.round(255 * shown), 0).astype(np.uint8)


def picture(title: str, image: XrayImage) -> Picture:
    """The image alone, pixel for pixel."""
    return Picture(title, np.repeat(grey(image)[..., None], 3, axis=2))


def draw_view(title: str, image: XrayImage, lines: ViewOverlay) -> Picture:
    """The whole picture with its lines; the part about the vertebra larger, with them and without."""
    corners = np.concatenate([lines.outline[0], *lines.paths.values()])
    low, high = corners.min(axis=0), corners.max(axis=0)
    margin = MARGIN_SHARE * float((high - low).max())
    half = float((high - low).max()) / 2 + margin
    middle = (low + high) / 2
    figure = plt.figure(figsize=(3 * PICTURE_IN, PICTURE_IN + 0.3), dpi=DPI, facecolor=PAPER)
    pixels = grey(image)
    for n, (name, near, drawn) in enumerate(
        ((title, False, True), ("about the vertebra", True, True), ("the same without lines", True, False))
    ):
        axes = figure.add_axes((n / 3 + 0.003, 0.003, 1 / 3 - 0.006, 0.92))
        axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation="bilinear" if near else "nearest")
        axes.set_title(name, color=INK, fontsize=10, pad=3)
        axes.set_axis_off()
        if drawn:
            _lines(axes, lines, 1.4 if near else 0.8)
        rows, columns = image.view.size
        axes.set_xlim(*((middle[1] - half, middle[1] + half) if near else (-0.5, columns - 0.5)))
        axes.set_ylim(*((middle[0] + half, middle[0] - half) if near else (rows - 0.5, -0.5)))
        axes.set_facecolor(PAPER)
    return finished(title, figure)


def _lines(axes, lines: ViewOverlay, width: float) -> None:  # type: ignore[no-untyped-def]
    for line in lines.outline:
        axes.plot(line[:, 1], line[:, 0], color=BODY, linewidth=width)
    for line in lines.rims:
        closed = np.vstack([line, line[:1]])
        axes.plot(closed[:, 1], closed[:, 0], color=OTHER, linewidth=0.6 * width, linestyle=":")
    for ring in lines.rings.values():
        axes.plot(ring[:, 1], ring[:, 0], color=IDEAL, linewidth=0.8 * width)
    for side, path in lines.paths.items():
        axes.plot(path[:, 1], path[:, 0], color=PATHS[side.value], linewidth=1.6 * width, path_effects=outlined(2.6 * width))
        mark = "L" if side is Side.LEFT else "R"
        back = path[0] - path[-1]
        place = path[0] + LABEL_PX * back / max(float(np.linalg.norm(back)), 1.0)
        axes.text(
            place[1],
            place[0],
            mark,
            ha="center",
            va="center",
            color=PATHS[side.value],
            fontsize=11,
            path_effects=outlined(),
            clip_on=True,
        )


def _head(rebuilt: Rebuilt, plan: XrayPlan | None) -> tuple[str, str, str]:
    """Word, sentence and class of the verdict."""
    if plan is not None:
        return "Review", "A person must look at the pictures below before this plan is used.", "review"
    return (
        "No plan",
        "The pictures do not settle this vertebra. What is drawn is to be looked at, not to be used.",
        "refuse",
    )


def page(rebuilt: Rebuilt, plan: XrayPlan | None, drawn: list[Picture]) -> bytes:
    """The page as bytes; the same plan gives the same bytes."""
    found = rebuilt.found
    word, meaning, kind = _head(rebuilt, plan)
    style = (ASSETS / "report.css").read_text()
    figures = "".join(figure(picture) for picture in drawn)
    legend = "".join(
        f"<i class='{shape}' style='color:{colour}'></i>{name} "
        for name, colour, shape in (
            ("outline of the rebuilt vertebra", BODY, ""),
            ("endplates' rims", OTHER, "dash"),
            ("pedicles at their narrowest", IDEAL, ""),
            *((("needle paths (L, R: the patient's sides)", PATHS["left"], "area"),) if plan is not None else ()),
        )
    )
    needed = plan is None or found.next_view is not None
    another = view_in_words(found.next_view) if needed else "none is needed"
    body = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>OpenPKP · {escaped(found.level.value)} from X-rays · {word}</title><style>{style}{WIDE}</style></head><body>
<header><h1>OpenPKP <span>needle paths from X-rays · {escaped(found.level.value)}</span></h1><p class="research">{DISCLAIMER}</p></header>
<section class="verdict {kind}"><h2>{word}</h2><p>{meaning}</p>{listed([*rebuilt.doubts, *(plan.reasons if plan else ())])}</section>
<section class="xrays"><h2>The pictures</h2>{figures}<p class=legend>{legend}</p></section>
<section class="columns"><div><h2>How sure</h2>{_sure(rebuilt)}</div><div><h2>Another view</h2><p>{escaped(another)}.</p></div></section>
{_said_of_pictures(rebuilt) if plan is None else ""}
{_numbers(plan) if plan is not None else ""}
<footer>{DISCLAIMER} {f"Points are in {plan.frame} millimetres. plan {plan.plan_hash}" if plan is not None else ""}</footer></body></html>
"""
    return body.encode()


def _sure(rebuilt: Rebuilt) -> str:
    found, planned = rebuilt.found, rebuilt.planned
    rows = [["confidence that the model is good", f"{int(100 * found.confidence)} %"]]
    if planned is not None:
        rows.append(["pedicles' walls, one sigma", f"{planned.wall_sd_mm:.1f} mm"])
    for c in rebuilt.checks:
        rows.append([f"{c.point.said}, clicked against rebuilt", f"{c.apart_mm:.1f} mm ({c.sigma_mm:.1f} mm expected)"])
    for n, (likeness, significance) in enumerate(zip(found.likeness, found.significance, strict=True)):
        rows.append([f"picture {letter(n)}: likeness", f"{likeness:.2f}, {significance:.0f} sigmas above elsewhere"])
    return table([], rows)


def _said_of_pictures(rebuilt: Rebuilt) -> str:
    notes = [f"picture {letter(n)}: {warning}" for n, image in enumerate(rebuilt.images) for warning in image.warnings]
    return f"<section><h2>Notes</h2>{listed(notes)}</section>" if notes else ""


def _numbers(plan: XrayPlan) -> str:
    head = ["side", "kind", "grade", "clearance mm", "± wall", "canal mm", "P(breach)", "conv° / sag°", "depth mm", "Ø mm"]
    rows = [
        [
            p.side,
            p.kind.replace("_", " "),
            p.grade,
            f"{p.clearance_mm:.1f}",
            f"{p.resolution_mm:.1f}",
            f"{p.canal_mm:.1f}",
            f"{p.p_breach:.1%}",
            f"{p.convergence_deg:.0f} / {p.sagittal_deg:.0f}",
            f"{p.depth_mm:.0f}",
            f"{p.diameter_mm:.1f}",
        ]
        for p in plan.paths
    ]
    notes = [*plan.warnings, *(f"{p.side} {p.kind}: {w}" for p in plan.paths for w in p.warnings)]
    body, heights = plan.body_ml, plan.heights_mm
    bone = {
        "heights front, middle, back": f"{heights.anterior:.1f}, {heights.middle:.1f}, {heights.posterior:.1f} mm",
        "body's volume, rebuilt": f"{body.value:.0f} ml ({body.low:.0f}–{body.high:.0f}); no cement volume",
    }
    refused = "<h3>Refused</h3>" + listed(plan.refused_paths) if plan.refused_paths else ""
    source = {f"picture {letter(n)}": view.sha256 for n, view in enumerate(plan.views)} | {"software": plan.software}
    return f"""<section><h2>Needle paths</h2>{table(head, rows)}{refused}</section>
<section class="columns"><div><h2>Not said by X-rays</h2>{listed(plan.not_said)}</div><div><h2>Bone</h2>{table([], bone)}</div></section>
<section class="columns"><div><h2>Error budget, one sigma</h2>{table([], plan.error_budget_mm)}</div><div><h2>Notes</h2>{listed(notes)}</div></section>
<section><h2>Where it comes from</h2>{table([], source)}</section>"""


def sheet(rebuilt: Rebuilt, plan: XrayPlan | None, drawn: list[Picture]) -> Picture:
    """One picture: the verdict, every doubt, all views."""
    word, meaning, kind = _head(rebuilt, plan)
    lines = [
        meaning,
        *(f"•  {doubt}" for doubt in rebuilt.doubts),
        *(f"•  {reason}" for reason in (plan.reasons if plan else ())),
    ]
    width = drawn[0].pixels.shape[1]
    height = 0.6 + 0.24 * len(lines)
    figure = plt.figure(figsize=(width / DPI, height), dpi=DPI, facecolor=PAPER)
    colour = {"review": "#f0c75e", "refuse": "#e2574c"}[kind]
    figure.text(
        0.006, 1 - 0.35 / height, f"OpenPKP · {rebuilt.found.level.value} from X-rays · {word}", color=colour, fontsize=18
    )
    for n, line in enumerate(lines):
        figure.text(0.006, 1 - (0.62 + 0.24 * n) / height, line, color=INK, fontsize=10, parse_math=False)
    head = finished("head", figure).pixels
    paper = np.round(rgb(PAPER) * 255).astype(np.uint8)
    rows = [head, *(p.pixels for p in drawn)]
    rows = [
        np.concatenate([row, np.broadcast_to(paper, (len(row), width - row.shape[1], 3))], axis=1)
        if row.shape[1] < width
        else row[:, :width]
        for row in rows
    ]
    return Picture(f"Paths in {rebuilt.found.level.value}", np.concatenate(rows).astype(np.uint8))
