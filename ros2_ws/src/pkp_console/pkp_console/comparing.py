"""What differs between two plans, in the words of the plan."""

from __future__ import annotations

from typing import Any

from planning_core.case.plan import Plan

NUMBERS = ("recommended_ml", "recommended_ml_low", "recommended_ml_high", "defect_ml", "fill_percent", "body_ml", "ideal_body_ml")
WORDS = ("level", "product", "verdict", "method", "template")
OF_PATHS = ("entry_mm", "target_mm", "diameter_mm", "depth_mm", "grade", "clearance_mm", "canal_mm", "tip_margin_mm")
MORE_OF_PATHS = ("p_breach", "convergence_deg", "sagittal_deg", "skin_mm")


def differences(first: Plan, second: Plan) -> list[dict[str, Any]]:
    """One entry per field that is not the same: ``what``, ``first``, ``second``; paths by side and kind."""
    found = [_entry(name, getattr(first, name), getattr(second, name)) for name in (*WORDS, *NUMBERS)]
    a, b = ({f"{p.side} {p.kind}": p.model_dump(mode="json") for p in plan.paths} for plan in (first, second))
    for path in sorted(a.keys() | b.keys()):
        if path not in a or path not in b:
            found.append(_entry(path, "there" if path in a else None, "there" if path in b else None))
            continue
        found += [_entry(f"{path} {n}", a[path][n], b[path][n]) for n in (*OF_PATHS, *MORE_OF_PATHS)]
        found += [_entry(f"{path} {n}", a[path]["margins_mm"][n], b[path]["margins_mm"][n]) for n in a[path]["margins_mm"]]
    return [e for e in found if e["first"] != e["second"]]


def _entry(what: str, first: Any, second: Any) -> dict[str, Any]:
    return {"what": what, "first": first, "second": second}
