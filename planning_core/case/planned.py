"""The vertebra that a case's plan is of, modelled again from what the case keeps."""

from __future__ import annotations

from planning_core.anatomy.label_file import LabelFileSegmenter
from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.modelling import model_spine
from planning_core.anatomy.segmentation import SpineSegmentation
from planning_core.anatomy.vertebra import Vertebra
from planning_core.case.folder import Case
from planning_core.case.plan import HeightsMm, Plan
from planning_core.case.stage import kept_segmentation
from planning_core.errors import InputError

HEIGHT_MM = 0.5
"""The model made anew may differ from the plan's by this; another vertebra differs by more, or lies elsewhere."""


class CaseWithoutVertebraError(InputError):
    """The case does not hold the vertebra that its plan is of. Carries ``level``."""

    code = "case_without_vertebra"


def planned_vertebra(case: Case, plan: Plan) -> Vertebra:
    """The plan's vertebra, modelled again from what the case keeps, and held against the plan's own measures.

    Raises:
        CaseWithoutVertebraError: the case keeps none, or one of other measures.
    """
    return planned_bone(case, plan)[0]


def planned_bone(case: Case, plan: Plan) -> tuple[Vertebra, SpineSegmentation]:
    """The same with the segmentation that it came out of.

    Raises:
        CaseWithoutVertebraError: see ``planned_vertebra``.
    """
    level = VertebraLevel.parse(plan.level)
    segmentation = _segmentation(case)
    if segmentation is None or level not in segmentation.levels:
        raise CaseWithoutVertebraError(f"the case keeps no segmentation of {level.value}: plan it anew", level=level.value)
    vertebra = model_spine(segmentation, None, [level], plan.configuration.anatomy).vertebrae[level]
    now, then = HeightsMm.of(vertebra.heights), plan.heights_mm
    away = max(abs(getattr(now, name) - getattr(then, name)) for name in HeightsMm.model_fields)
    if not away <= HEIGHT_MM:
        raise CaseWithoutVertebraError(
            f"{level.value} as the case keeps it differs from the plan's by {away:.1f} mm in height: plan it anew",
            level=level.value,
        )
    return vertebra, segmentation


def _segmentation(case: Case) -> SpineSegmentation | None:
    labels = case.path / "labels.nii.gz"
    kept = kept_segmentation(case)
    return kept if kept is not None or not labels.is_file() else LabelFileSegmenter(labels).read()
