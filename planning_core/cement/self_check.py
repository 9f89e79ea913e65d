"""Step 7: a longitudinal cut, and whether the ideal body's cortical heights are what the neighbours lead one to expect."""

from __future__ import annotations

from planning_core.anatomy.body import endplates
from planning_core.anatomy.config import AnatomyConfig
from planning_core.anatomy.morphometry import measure_heights
from planning_core.anatomy.vertebra import Heights, Vertebra
from planning_core.cement.config import CementConfig
from planning_core.cement.plan import SelfCheck
from planning_core.geometry import DistanceField


def check_heights(
    target: Vertebra, ideal: DistanceField, expected: Heights, config: CementConfig, anatomy: AnatomyConfig
) -> SelfCheck:
    """Anterior and posterior cortical heights of collapsed and ideal body in the mid-sagittal cut."""
    restored = measure_heights(endplates(ideal), anatomy)
    own, findings = target.heights, []
    for name in ("anterior", "posterior"):
        have, want = getattr(restored, f"{name}_mm"), getattr(expected, f"{name}_mm")
        if abs(have - want) > config.height_tolerance_mm:
            findings.append(f"{name} height of the ideal body is {have:.1f} mm where {want:.1f} mm was expected")
    for name in ("anterior", "middle", "posterior"):
        have, stood = getattr(restored, f"{name}_mm"), getattr(own, f"{name}_mm")
        if stood > have + config.height_tolerance_mm:
            findings.append(f"{name} height stands at {stood:.1f} mm, above the ideal body's {have:.1f} mm")
    return SelfCheck(own, restored, expected, config.height_tolerance_mm, not findings, tuple(findings))
