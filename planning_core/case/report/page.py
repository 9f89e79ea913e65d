"""report.html: the verdict first, then the pictures, then every number; one file, no network."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

from planning_core.case.plan import DISCLAIMER, Plan
from planning_core.case.report import colours
from planning_core.case.report.drawings import Drawings
from planning_core.case.report.markup import escaped, figure, listed, table
from planning_core.case.report.pictures import Picture
from planning_core.case.report.scene import as_json
from planning_core.case.report.subject import Subject
from planning_core.imaging.identity import PatientIdentity

ASSETS = Path(__file__).parent / "assets"
VERDICTS = {
    "accept": ("Accept", "The planner's own checks passed."),
    "review": ("Review", "A person must look at the points below before this plan is used."),
    "refuse": ("Refused", "This plan must not be used."),
}


def render(subject: Subject, plan: Plan, drawings: Drawings, identity: PatientIdentity | None = None) -> bytes:
    """The page as bytes; the same plan gives the same bytes.

    Args:
        identity: shown only when it was asked for.
    """
    style, script = (ASSETS / "report.css").read_text(), (ASSETS / "viewer.js").read_text()
    # only this one script may run: whatever else a text brought in stays text
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    word, meaning = VERDICTS[plan.verdict]
    who = f"<p class=who>{escaped(identity.name)} · {escaped(identity.patient_id)}</p>" if identity is not None else ""
    body = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{allowed}'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>OpenPKP · {escaped(plan.level)} · {word}</title><style>{style}</style></head><body>
<header><h1>OpenPKP <span>cement and path plan · {escaped(plan.level)}</span></h1>{who}<p class="research">{DISCLAIMER}</p></header>
<section class="verdict {escaped(plan.verdict)}"><h2>{word}</h2><p>{meaning}</p>{listed(plan.reasons)}</section>
<section class="tiles">{_tiles(plan)}</section>
<section><h2>Slices in the vertebra's own planes</h2><div class="row">{_figures(drawings.slices.standard)}</div>{_legend(subject)}</section>
<section><h2>Needle paths</h2><div class="row pairs">{_figures(drawings.slices.along)}</div>{_paths(plan)}</section>
<section><h2>In space</h2><div id="space"><div id="view3d" role="img" aria-label="3D view"></div>
<div id="still">{figure(drawings.still)}<p class="hint">A still picture: the turning one needs a browser with WebGL and scripts.</p></div>
<div id="parts"></div><p class="hint" id="how">Drag to turn, wheel to zoom, right-drag to move.</p></div></section>
<section><h2>Spine and heights</h2><div class="row">{figure(drawings.overview.spine)}<div class="grow">{figure(drawings.overview.heights)}{_heights(plan)}</div></div></section>
<section class="columns"><div><h2>Volumes</h2>{_volumes(plan)}</div><div><h2>Policy</h2>{listed(plan.policy)}<h2>Error budget, one sigma</h2>{table([], plan.error_budget_mm)}</div></section>
<section class="columns"><div><h2>Where it comes from</h2>{_provenance(plan)}</div><div><h2>Notes</h2>{listed(_notes(plan))}</div></section>
<footer>{DISCLAIMER} Points are in ct_lps millimetres. plan {escaped(plan.plan_hash)}</footer>
<script type="application/json" id="meshes">{as_json(subject, drawings.parts)}</script><script>{script}</script></body></html>
"""
    return body.encode()


def _figures(some: tuple[Picture, ...]) -> str:
    return "".join(figure(picture) for picture in some)


def _tiles(plan: Plan) -> str:
    spread = f"{plan.recommended_ml_low:.1f}–{plan.recommended_ml_high:.1f} ml"
    if plan.recommended_ml > 0 and plan.recommended_ml_low == plan.recommended_ml_high:
        spread = "set by a limit of the policy"
    tiles = (
        ("main", "Recommended liquid cement", f"{plan.recommended_ml:.1f} ml", f"{spread} · {plan.product}"),
        (
            "",
            "Geometric deficit",
            f"{plan.defect_ml:.1f} ml",
            f"{plan.defect_ml_low:.1f}–{plan.defect_ml_high:.1f} ml; not a dose",
        ),
        ("", "Fill", f"{plan.fill_percent:.0f} %", f"of an intact body of {plan.ideal_body_ml:.0f} ml"),
        ("", "Fracture", f"Genant {plan.genant}", plan.fracture if plan.fracture != "none" else "no fracture"),
    )
    return "".join(
        f"<div class='tile {kind}'><h3>{escaped(name)}</h3><b>{escaped(value)}</b><span>{escaped(more)}</span></div>"
        for kind, name, value, more in tiles
    )


def _legend(subject: Subject) -> str:
    items = [("collapsed body", colours.BODY, ""), ("ideal body", colours.IDEAL, "dash"), ("canal", colours.CANAL, "")]
    if subject.shows_defect:
        items.append(("defect: the solid that the millilitres come from", colours.DEFECT, "area"))
    else:
        items.append(("no defect is drawn where no cement is recommended", colours.SOFT, "area"))
    green = colours.PATHS["left"]
    items += [
        ("cannula, where this slice cuts it", green, "area"),
        ("path in front of or behind this slice, projected", green, "dash"),
    ]
    return "<p class=legend>" + "".join(f"<i class='{kind}' style='color:{c}'></i>{escaped(n)} " for n, c, kind in items) + "</p>"


def _paths(plan: Plan) -> str:
    head = [
        "side",
        "kind",
        "grade",
        "clearance mm",
        "± voxel/2",
        "med / lat / cran / caud",
        "canal mm",
        "P(breach)",
        "conv° / sag°",
        "depth mm",
        "Ø mm",
        "skin mm",
    ]
    rows = [
        [
            p.side,
            p.kind.replace("_", " "),
            p.grade,
            f"{p.clearance_mm:.1f}",
            f"{p.resolution_mm:.1f}",
            " / ".join(f"{p.margins_mm[k]:.1f}" for k in ("medial", "lateral", "cranial", "caudal")),
            f"{p.canal_mm:.1f}",
            f"{p.p_breach:.1%}",
            f"{p.convergence_deg:.0f} / {p.sagittal_deg:.0f}",
            f"{p.depth_mm:.0f}",
            f"{p.diameter_mm:.1f}",
            "–" if p.skin_mm is None else f"{p.skin_mm:.0f}",
        ]
        for p in plan.paths
    ]
    refused = "<h3>Refused</h3>" + listed(plan.refused_paths) if plan.refused_paths else ""
    return table(head, rows) + refused


def _heights(plan: Plan) -> str:
    rows = [
        [
            name,
            f"{getattr(plan.heights_mm, name):.1f}",
            f"{getattr(plan.expected_mm, name):.1f}",
            f"{getattr(plan.ideal_mm, name):.1f}",
        ]
        for name in ("anterior", "middle", "posterior")
    ]
    kyphosis = "" if plan.kyphosis_deg is None else f"<p>Segment angle {plan.kyphosis_deg:.0f}° (kyphosis positive).</p>"
    passed = "passed" if plan.self_check_passed else "failed"
    return (
        table(["height, mm", "measured", "expected", "ideal body"], rows)
        + kyphosis
        + f"<p>Self-check of the longitudinal cut {passed}.</p>"
    )


def _volumes(plan: Plan) -> str:
    rows: dict[str, Any] = {
        "geometric deficit": f"{plan.defect_ml:.1f} ml: ideal body less collapsed body",
        "deficit through expansion": f"{plan.liquid_ml:.1f} ml liquid ({plan.liquid_ml_low:.1f}–{plan.liquid_ml_high:.1f}); coefficient {plan.expansion:+.3f}",
        "collapsed body": f"{plan.body_ml:.1f} ml",
        "ideal body": f"{plan.ideal_body_ml:.1f} ml, from {plan.template} ({', '.join(plan.neighbours) or 'itself'})",
        "slivers dropped": f"{plan.sliver_ml:.2f} ml",
        "bone behind the ideal wall": f"{plan.retropulsed_ml:.1f} ml",
        **{f"± {k}": f"{v:.1f} ml" for k, v in plan.interval_parts_ml.items()},
        "spongiosa": "needs a CT" if plan.spongiosa_hu is None else f"{plan.spongiosa_hu:.0f} HU",
        "gas in the body": "needs a CT" if plan.gas_ml is None else f"{plan.gas_ml:.2f} ml",
    }
    return table([], rows)


def _provenance(plan: Plan) -> str:
    numbering = plan.numbering
    return table(
        [],
        {
            "CT": plan.ct_sha256 or "none: planned from masks, HU unknown",
            "labels": plan.labels_sha256 or f"{plan.method}",
            "numbering": f"{numbering['source']}, confidence {numbering['confidence']:.0%}",
            "cues": "; ".join(numbering["cues"]) or "–",
            "cut by the field of view": ", ".join(plan.partial_levels) or "none",
            "software": plan.software,
            "seed": plan.seed,
        },
    )


def _notes(plan: Plan) -> list[str]:
    return [*plan.warnings, *(f"{p.side} {p.kind}: {w}" for p in plan.paths for w in p.warnings)]
