"""What one asks to be planned, and which of the vertebrae found that is."""

from __future__ import annotations

from pathlib import Path

import attrs

from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.modelling import model_spine
from planning_core.anatomy.segmentation import SpineSegmentation
from planning_core.configuration import Configuration
from planning_core.errors import AmbiguousError, InputError
from planning_core.geometry.arrays import FloatArray
from planning_core.imaging.identity import PatientIdentity

TENTH = 1


class NothingGivenError(InputError):
    """Neither a CT nor labels."""

    code = "nothing_given"


class PointWithoutLevelError(InputError):
    """A point with no level that it would settle. Carries ``point_mm``."""

    code = "point_without_level"


class MissingLevelError(InputError):
    """The level asked for is not among the complete vertebrae. Carries ``level``, ``found`` and ``cut``."""

    code = "missing_level"


class LevelNotGivenError(AmbiguousError):
    """No level was named. Carries ``found``: heights, Genant grade and shape of each complete vertebra."""

    code = "level_not_given"


@attrs.frozen(eq=False)
class Request:
    """What is to be planned.

    Args:
        ct: path of the CT, or None to plan from labels alone. labels: label map made elsewhere.
        level: to plan. at: a ct_lps point (mm) that the operator says lies in that level.
        identity: shown in the report when given.

    Raises:
        NothingGivenError, PointWithoutLevelError: see there.
    """

    ct: Path | None
    level: VertebraLevel | None
    at: FloatArray | None = None
    labels: Path | None = None
    label_scheme: str | None = None
    series: str | None = None
    configuration: Configuration = attrs.field(factory=Configuration)
    identity: PatientIdentity | None = None

    def __attrs_post_init__(self) -> None:
        if self.ct is None and self.labels is None:
            raise NothingGivenError("nothing to plan on: give a CT, or a label map with --labels")
        if self.at is not None and self.level is None:
            point = [float(c) for c in self.at]
            raise PointWithoutLevelError("--at says where a level lies: name the level with --level", point_mm=point)

    @property
    def anchor(self) -> tuple[VertebraLevel, FloatArray] | None:
        """The operator's word on the numbering."""
        return None if self.level is None or self.at is None else (self.level, self.at)


def asked_level(request: Request, segmentation: SpineSegmentation) -> VertebraLevel:
    """The level to plan.

    Raises:
        LevelNotGivenError: none was named; every complete vertebra is listed with its heights.
        MissingLevelError: it is cut by the field of view or not in the image.
    """
    if request.level is None:
        raise _offer(request, segmentation)
    if request.level in segmentation.boundaries:
        return request.level
    found = [v.value for v in segmentation.levels]
    cut = [f"{p.level.value} ({p.reason})" for p in segmentation.partial]
    why = next((p.reason for p in segmentation.partial if p.level is request.level), "not in the image")
    raise MissingLevelError(
        f"{request.level.value} cannot be planned: {why}. Complete: {', '.join(found) or 'none'}; "
        f"cut: {', '.join(cut) or 'none'}",
        level=request.level.value,
        found=found,
        cut=cut,
    )


def _offer(request: Request, segmentation: SpineSegmentation) -> LevelNotGivenError:
    """The vertebrae one could plan; which of them is treated is the operator's choice, never ours."""
    spine = model_spine(segmentation, None, None, request.configuration.anatomy)
    found = []
    for level in spine.levels:
        heights, judged = spine.vertebrae[level].heights, spine.assessments[level]
        found.append(
            {
                "level": level.value,
                "heights_mm": {
                    "anterior": round(heights.anterior_mm, TENTH),
                    "middle": round(heights.middle_mm, TENTH),
                    "posterior": round(heights.posterior_mm, TENTH),
                },
                "genant": int(judged.genant),
                "fracture": judged.shape.value,
            }
        )
    words = ", ".join(f"{f['level']} (Genant {f['genant']})" for f in found)
    return LevelNotGivenError(f"which level? Found: {words or 'none'}. Name one with --level", found=found)
