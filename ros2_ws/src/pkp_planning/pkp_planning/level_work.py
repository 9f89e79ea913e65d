"""One stage of one level, from the segmentation that a case keeps; writes nothing, so that a plan stays what was sealed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
from pkp_lifecycle.units import cubic_metres, metres

from pkp_planning.work import Tell
from planning_core.errors import InputError

if TYPE_CHECKING:
    from planning_core.anatomy.levels import VertebraLevel
    from planning_core.anatomy.segmentation import SpineSegmentation
    from planning_core.anatomy.vertebra import Spine
    from planning_core.configuration import Configuration
    from planning_core.imaging.volume import CtVolume

PREFIX = "segmentation-"


class NoSuchSegmentationError(InputError):
    """The case keeps no segmentation with this content. Carries ``asked`` and ``kept`` (SHA-256 of each)."""

    code = "no_such_segmentation"


@attrs.frozen
class LevelJob:
    """What is to be planned; an empty product means as configured."""

    case_path: str
    segmentation_sha256: str
    level: str
    product: str = ""


@attrs.frozen
class CementFacts:
    """Cement of one level, m³."""

    recommended: tuple[float, float, float]
    deficit: float
    verdict: str
    reasons: tuple[str, ...]


@attrs.frozen
class PathFacts:
    """Paths of one level, best first; clearances in m."""

    sides: tuple[str, ...]
    grades: tuple[str, ...]
    clearances: tuple[float, ...]
    breach_probabilities: tuple[float, ...]


@attrs.frozen(eq=False)
class Setting:
    """What both stages begin with."""

    spine: Spine
    level: VertebraLevel
    ct: CtVolume
    configuration: Configuration


def cement_of(job: LevelJob, tell: Tell) -> CementFacts:
    """Cement volume of one level.

    Raises:
        PkpError: a refusal of planning_core, or of ``prepared``.
    """
    from planning_core.cement.planner import plan_cement

    given = prepared(job, tell)
    tell("cement")
    cement = plan_cement(given.spine, given.level, given.configuration.cement, given.configuration.anatomy)
    dose = cement.recommended
    return CementFacts(
        (cubic_metres(dose.value_ml), cubic_metres(dose.low_ml), cubic_metres(dose.high_ml)),
        cubic_metres(cement.deficit.value_ml),
        cement.verdict.value,
        cement.reasons,
    )


def paths_of(job: LevelJob, tell: Tell) -> PathFacts:
    """Needle paths of one level, drawn towards the defect as in the whole walk.

    Raises:
        PkpError: a refusal of planning_core (NoSafePathError), or of ``prepared``.
    """
    from planning_core.cement.planner import plan_cement
    from planning_core.trajectory.planner import plan_trajectories

    given = prepared(job, tell)
    tell("cement")
    cement = plan_cement(given.spine, given.level, given.configuration.cement, given.configuration.anatomy)
    tell("paths")
    paths = plan_trajectories(given.spine, given.level, cement, given.ct, given.configuration.trajectory).paths
    return PathFacts(
        tuple(p.side.value for p in paths),
        tuple(p.grade.value for p in paths),
        tuple(metres(p.clearance_mm) for p in paths),
        tuple(p.p_breach for p in paths),
    )


def prepared(job: LevelJob, tell: Tell) -> Setting:
    """The level and its neighbours modelled from the case's own segmentation and CT.

    Raises:
        NoSuchSegmentationError, MissingLevelError, NoCtLinkError, CtMovedError, CtChangedError: see there.
    """
    from planning_core.anatomy.levels import VertebraLevel
    from planning_core.anatomy.modelling import model_spine
    from planning_core.case.inputs import ct_source, load_case_ct
    from planning_core.configuration import load_configuration
    from planning_core.pipeline import NEIGHBOURS
    from planning_core.request import MissingLevelError, Request, asked_level

    if not job.case_path or not job.level:
        raise InputError("name a case folder and a level", case=bool(job.case_path), level=job.level)
    case, configuration = Path(job.case_path), load_configuration(None, job.product or None)
    tell("read")
    segmentation = kept_segmentation(case, job.segmentation_sha256)
    request = Request(ct_source(case), VertebraLevel.parse(job.level), configuration=configuration)
    level = asked_level(request, segmentation)
    ct = load_case_ct(case, configuration.imaging)
    tell("model")
    near = [v for v in segmentation.levels if abs(v.ordinal - level.ordinal) <= NEIGHBOURS]
    spine = model_spine(segmentation, ct, near, configuration.anatomy)
    if level not in spine.vertebrae:
        why = next((n for n in spine.notes if n.startswith(f"{level.value}:")), f"{level.value} cannot be modelled")
        raise MissingLevelError(why, level=level.value, found=[v.value for v in spine.levels], cut=[])
    return Setting(spine, level, ct, configuration)


def kept_segmentation(case_path: Path, sha256: str) -> SpineSegmentation:
    """The segmentation that Reconstruct left, chosen by the hash of its file.

    Raises:
        NoSuchSegmentationError: none has this hash; one that was altered has another.
    """
    from planning_core.anatomy.segmentation import SpineSegmentation
    from planning_core.case.folder import Case
    from planning_core.case.stage import load_stage

    kept = {}
    for place in sorted((case_path / "stages").glob(f"{PREFIX}*.npz")):
        with place.open("rb") as file:
            kept[hashlib.file_digest(file, "sha256").hexdigest()] = place
    found = None
    if sha256 in kept:
        found = load_stage(Case(case_path), "segmentation", kept[sha256].stem.removeprefix(PREFIX), SpineSegmentation)
    if found is None:
        raise NoSuchSegmentationError(
            f"the case keeps no segmentation {sha256[:12] or 'without a hash'}: run Reconstruct", asked=sha256, kept=list(kept)
        )
    return found
