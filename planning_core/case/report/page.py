"""report.html: the verdict first, then the pictures, then every number; one file, no network."""

from __future__ import annotations

import base64
import html
import json
from pathlib import Path
from typing import Any

import numpy as np
import trimesh

from planning_core.anatomy.surface import closed_surface
from planning_core.case.exports import path_mesh
from planning_core.case.plan import DISCLAIMER, Plan
from planning_core.case.report import pictures
from planning_core.case.report.pictures import Subject
from planning_core.imaging.identity import PatientIdentity

ASSETS = Path(__file__).parent / "assets"
FACES = 6000
VERDICTS = {
    "accept": ("Accept", "The planner's own checks passed."),
    "review": ("Review", "A person must look at the points below before this plan is used."),
    "refuse": ("Refused", "This plan must not be used."),
}


def render(subject: Subject, plan: Plan, identity: PatientIdentity | None = None) -> bytes:
    """The page as bytes; the same plan gives the same bytes.

    Args:
        identity: shown only when it was asked for.
    """
    style, script = (ASSETS / "report.css").read_text(), (ASSETS / "viewer.js").read_text()
    word, meaning = VERDICTS[plan.verdict]
    reasons = "".join(f"<li>{_e(r)}</li>" for r in plan.reasons)
    shown = pictures.best_paths(subject.trajectories)
    slices = "".join(
        _figure(pictures.slice_picture(subject, plane, shown), plane.title) for plane in pictures.standard_planes(subject)
    )
    along = "".join(
        _figure(
            pictures.slice_picture(subject, pictures.path_plane(subject, path), [path]), f"Plane of the {path.side.value} path"
        )
        for path in shown
    )
    spine = _figure(pictures.picture(lambda axes: pictures.draw_spine(axes, subject), (3.6, 5.4)), "Spine")
    heights = _figure(
        pictures.picture(lambda axes: pictures.draw_heights(axes, subject), (6.2, 3.4), (0.07, 0.1, 0.91, 0.8)),
        "Heights of all levels",
    )
    who = f"<p class=who>{_e(identity.name)} · {_e(identity.patient_id)}</p>" if identity is not None else ""
    numbers = [
        (
            "Recommended liquid cement",
            f"{plan.recommended_ml:.1f} ml",
            f"{plan.recommended_ml_low:.1f}–{plan.recommended_ml_high:.1f} ml · {_e(plan.product)}",
            "main",
        ),
        (
            "Geometric deficit",
            f"{plan.defect_ml:.1f} ml",
            f"{plan.defect_ml_low:.1f}–{plan.defect_ml_high:.1f} ml; not a dose",
            "",
        ),
        ("Fill", f"{plan.fill_percent:.0f} %", f"of an intact body of {plan.ideal_body_ml:.0f} ml", ""),
        ("Fracture", f"Genant {plan.genant}", plan.fracture if plan.fracture != "none" else "no fracture", ""),
    ]
    tiles = "".join(f"<div class='tile {c}'><h3>{t}</h3><b>{v}</b><span>{s}</span></div>" for t, v, s, c in numbers)
    body = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>OpenPKP · {_e(plan.level)} · {word}</title><style>{style}</style></head><body>
<header><h1>OpenPKP <span>cement and path plan · {_e(plan.level)}</span></h1>{who}<p class="research">{DISCLAIMER}</p></header>
<section class="verdict {plan.verdict}"><h2>{word}</h2><p>{meaning}</p><ul>{reasons}</ul></section>
<section class="tiles">{tiles}</section>
<section><h2>Slices in the vertebra's own planes</h2><div class="row">{slices}</div>{_legend()}</section>
<section><h2>Needle paths</h2><div class="row">{along}<div class="grow">{_paths(plan)}</div></div></section>
<section><h2>In space</h2><div id="view3d" role="img" aria-label="3D view"><p>The turning picture needs WebGL; the slices above hold the same plan.</p></div>
<div id="parts"></div><p class="hint">Drag to turn, wheel to zoom, right-drag to move.</p></section>
<section><h2>Spine and heights</h2><div class="row">{spine}<div class="grow">{heights}{_heights(plan)}</div></div></section>
<section class="columns"><div><h2>Volumes</h2>{_volumes(plan)}</div><div><h2>Policy</h2>{_list(plan.policy)}<h2>Error budget, one sigma</h2>{_table([], plan.error_budget_mm)}</div></section>
<section class="columns"><div><h2>Where it comes from</h2>{_provenance(plan)}</div><div><h2>Notes</h2>{_list(_notes(plan))}</div></section>
<footer>{DISCLAIMER} Points are in ct_lps millimetres. plan {plan.plan_hash}</footer>
<script type="application/json" id="meshes">{_meshes(subject)}</script><script>{script}</script></body></html>
"""
    return body.encode()


def summary_png(subject: Subject, plan: Plan) -> bytes:
    """One sheet with the verdict, the numbers and the main pictures."""
    figure = pictures.plt.figure(figsize=(11.7, 8.3), dpi=110, facecolor=pictures.PAPER)
    word, _ = VERDICTS[plan.verdict]
    colour = {"accept": "#7bd88f", "review": "#f0c75e", "refuse": "#e2574c"}[plan.verdict]
    figure.text(0.02, 0.955, f"OpenPKP · {plan.level} · {word}", color=colour, fontsize=17, fontweight="bold")
    figure.text(
        0.02,
        0.92,
        f"recommended {plan.recommended_ml:.1f} ml liquid ({plan.product})   deficit {plan.defect_ml:.1f} ml "
        f"[{plan.defect_ml_low:.1f}, {plan.defect_ml_high:.1f}]   fill {plan.fill_percent:.0f} %   Genant {plan.genant}",
        color=pictures.INK,
        fontsize=10,
    )
    figure.text(0.02, 0.895, "; ".join(plan.reasons)[:190], color=pictures.INK, fontsize=8)
    shown = pictures.best_paths(subject.trajectories)
    planes = [*pictures.standard_planes(subject), *(pictures.path_plane(subject, p) for p in shown)]
    for number, plane in enumerate(planes[:5]):
        row, column = divmod(number, 3)
        axes = figure.add_axes((0.02 + 0.245 * column, 0.46 - 0.43 * row, 0.235, 0.40))
        pictures.draw_plane(axes, subject, plane, shown if number < 3 else [shown[number - 3]])
    pictures.draw_spine(figure.add_axes((0.76, 0.36, 0.23, 0.50)), subject)
    pictures.draw_heights(figure.add_axes((0.57, 0.08, 0.41, 0.24)), subject)
    figure.text(0.02, 0.012, f"{DISCLAIMER} plan {plan.plan_hash[:16]}", color="#8a97a3", fontsize=7)
    return pictures.png(figure)


def _e(text: object) -> str:
    return html.escape(str(text), quote=True)


def _figure(content: bytes, caption: str) -> str:
    data = base64.b64encode(content).decode()
    return f'<figure><img alt="{_e(caption)}" src="data:image/png;base64,{data}"></figure>'


def _list(lines: tuple[str, ...] | list[str]) -> str:
    return "<ul>" + "".join(f"<li>{_e(line)}</li>" for line in lines) + "</ul>" if lines else "<p>none</p>"


def _table(head: list[str], rows: dict[str, Any] | list[list[Any]]) -> str:
    lines = [[k, v] for k, v in rows.items()] if isinstance(rows, dict) else rows
    top = "<tr>" + "".join(f"<th>{_e(h)}</th>" for h in head) + "</tr>" if head else ""
    return "<table>" + top + "".join("<tr>" + "".join(f"<td>{_e(c)}</td>" for c in line) + "</tr>" for line in lines) + "</table>"


def _legend() -> str:
    items = (
        ("collapsed body", pictures.BODY),
        ("ideal body", pictures.IDEAL),
        ("defect", pictures.DEFECT),
        ("canal", pictures.CANAL),
        ("path", pictures.PATHS["left"]),
    )
    return "<p class=legend>" + "".join(f"<i style='background:{c}'></i>{n} " for n, c in items) + "</p>"


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
    refused = "<h3>Refused</h3>" + _list(plan.refused_paths) if plan.refused_paths else ""
    return _table(head, rows) + refused


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
        _table(["height, mm", "measured", "expected", "ideal body"], rows)
        + kyphosis
        + f"<p>Self-check of the longitudinal cut {passed}.</p>"
    )


def _volumes(plan: Plan) -> str:
    rows: dict[str, Any] = {
        "deficit through expansion": f"{plan.liquid_ml:.1f} ml liquid ({plan.liquid_ml_low:.1f}–{plan.liquid_ml_high:.1f}); coefficient {plan.expansion:+.3f}",
        "collapsed body": f"{plan.body_ml:.1f} ml",
        "ideal body": f"{plan.ideal_body_ml:.1f} ml, from {plan.template} ({', '.join(plan.neighbours) or 'itself'})",
        "slivers dropped": f"{plan.sliver_ml:.2f} ml",
        "bone behind the ideal wall": f"{plan.retropulsed_ml:.1f} ml",
        **{f"± {k}": f"{v:.1f} ml" for k, v in plan.interval_parts_ml.items()},
        "spongiosa": "needs a CT" if plan.spongiosa_hu is None else f"{plan.spongiosa_hu:.0f} HU",
        "gas in the body": "needs a CT" if plan.gas_ml is None else f"{plan.gas_ml:.2f} ml",
    }
    return _table([], rows)


def _provenance(plan: Plan) -> str:
    numbering = plan.numbering
    return _table(
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


def _meshes(subject: Subject) -> str:
    vertebra = subject.vertebra
    to_ct = vertebra.ct_lps_from_vertebra
    parts = [_part("planned vertebra", closed_surface(vertebra.whole, to_ct), pictures.BODY, 0.45)]
    parts.append(_part("ideal body", closed_surface(subject.cement.ideal, to_ct), pictures.IDEAL, 0.22, visible=False))
    if not subject.cement.defect.is_empty:
        parts.append(_part("defect", subject.cement.defect, pictures.DEFECT, 0.9))
    for level in subject.spine.levels:
        if level is not subject.cement.level and abs(level.ordinal - subject.cement.level.ordinal) <= 1:
            other = subject.spine.vertebrae[level]
            parts.append(_part(level.value, closed_surface(other.whole, other.ct_lps_from_vertebra), "#d9d3c7", 0.35))
    for path in pictures.best_paths(subject.trajectories):
        parts.append(_part(f"{path.side.value} path", path_mesh(path, beyond_mm=45), pictures.PATHS[path.side.value], 1.0))
    centre = [round(float(c), 2) for c in to_ct.translation_mm]
    return json.dumps({"centre": centre, "parts": parts}).replace("</", "<\\/")


def _part(name: str, mesh: trimesh.Trimesh, colour: str, opacity: float, *, visible: bool = True) -> dict[str, Any]:
    points, faces = _simplified(mesh)
    return {
        "name": name,
        "color": colour,
        "opacity": opacity,
        "visible": visible,
        "points": base64.b64encode(points.astype("<f4").tobytes()).decode(),
        "faces": base64.b64encode(faces.astype("<u4").tobytes()).decode(),
    }


def _simplified(mesh: trimesh.Trimesh) -> tuple[np.ndarray, np.ndarray]:
    """Fewer triangles for the picture: manifold3d's simplification within a third of a millimetre."""
    if len(mesh.faces) <= FACES:
        return np.asarray(mesh.vertices), np.asarray(mesh.faces)
    import manifold3d

    solid = manifold3d.Manifold(manifold3d.Mesh(np.asarray(mesh.vertices, np.float32), np.asarray(mesh.faces, np.uint32)))
    out = solid.simplify(0.35).to_mesh()
    return np.asarray(out.vert_properties)[:, :3], np.asarray(out.tri_verts)
