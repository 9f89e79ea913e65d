"""A sealed plan of two straight paths without the hour of imaging behind it: its paths are real, the rest fills the form."""

from typing import Any

from planning_core.case.plan import HeightsMm, PathRecord, Plan
from planning_core.configuration import Configuration

HEIGHTS = HeightsMm(anterior=18.0, middle=20.0, posterior=26.0)


def path(side: str, entry: tuple[float, float, float], target: tuple[float, float, float], **other: Any) -> PathRecord:
    """A transpedicular path; points in ct_lps mm."""
    fields: dict[str, Any] = {
        "kind": "transpedicular",
        "waypoints_mm": (entry, target),
        "depth_mm": 45.0,
        "diameter_mm": 3.2,
        "grade": "A",
        "clearance_mm": 2.0,
        "resolution_mm": 0.5,
        "margins_mm": {"medial": 2.0, "lateral": 2.0, "cranial": 2.0, "caudal": 2.0},
        "canal_mm": 4.0,
        "tip_margin_mm": 5.0,
        "p_breach": 0.01,
        "convergence_deg": 15.0,
        "sagittal_deg": 5.0,
        "skin_mm": 45.0,
        "warnings": (),
    }
    return PathRecord(side=side, entry_mm=entry, target_mm=target, **{**fields, **other})


def sealed_plan(*paths: PathRecord, **other: Any) -> Plan:
    """All that a plan must say, around these paths; ``other`` says it differently."""
    numbers = dict.fromkeys(
        (
            *("defect_ml", "defect_ml_low", "defect_ml_high", "liquid_ml", "liquid_ml_low", "liquid_ml_high"),
            *("recommended_ml", "recommended_ml_low", "recommended_ml_high", "fill_percent", "expansion"),
            *("body_ml", "ideal_body_ml", "sliver_ml", "retropulsed_ml"),
        ),
        2.0,
    )
    fields: dict[str, Any] = {
        "level": "L1",
        "ct_sha256": "a1" * 32,
        "labels_sha256": None,
        "method": "labels",
        "numbering": {},
        "partial_levels": (),
        "warnings": (),
        "verdict": "go",
        "reasons": (),
        "product": "pmma",
        "policy": (),
        "template": "none",
        "neighbours": (),
        "interval_parts_ml": {},
        "heights_mm": HEIGHTS,
        "expected_mm": HEIGHTS,
        "ideal_mm": HEIGHTS,
        "self_check_passed": True,
        "genant": 1,
        "fracture": "wedge",
        "kyphosis_deg": None,
        "spongiosa_hu": None,
        "gas_ml": None,
        "paths": paths,
        "refused_paths": (),
        "error_budget_mm": {},
        "seed": 0,
        "configuration": Configuration(),
    }
    return Plan(**{**numbers, **fields, **other}).sealed()
