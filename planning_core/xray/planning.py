"""The walk without a CT, top to bottom: X-ray images in, needle paths out, or the reason why not and which view would help."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs

from planning_core.case import audit, revisions
from planning_core.case.finished import finished_record, is_marked, mark_finished
from planning_core.case.folder import Case
from planning_core.case.stage import code_sha256, stage_key
from planning_core.errors import PkpError
from planning_core.pipeline import Clock, Progress
from planning_core.xray.atlas.atlas import load_bone_atlas
from planning_core.xray.counting import Count, count
from planning_core.xray.image import XrayImage, doubts
from planning_core.xray.paths import CrossCheck, XrayPaths, cross_checks, plan_on_reconstruction
from planning_core.xray.plan import XrayPlan, make_xray_plan, next_view_record, operators_word
from planning_core.xray.reconstruction import NextView, XrayReconstruction
from planning_core.xray.request import XrayRequest, images_sha256, read_images

SIDES = "no picture says by itself which side is left: click the left and the right pedicle too, by what is known of the film"


class NotTrustedError(PkpError):
    """The pictures do not settle the vertebra; there is no plan.

    Carries ``level``, ``confidence``, ``doubts``, ``next_view`` (positioner angles and gain, or None), the pictures'
    ``warnings``, and ``report``.
    """

    code = "not_trusted"
    exit_status = 5


@attrs.frozen(eq=False)
class Rebuilt:
    """A vertebra that was rebuilt, whether or not it is trusted.

    Args:
        images: in the order given. checks: of the clicks. planned: paths; None where anything is doubted.
        doubts: of the reconstruction, the pictures and the clicks; a plan needs none.
        counted: from a vertebra whose name is known; None where nobody showed one.
    """

    images: tuple[XrayImage, ...]
    found: XrayReconstruction
    checks: tuple[CrossCheck, ...]
    planned: XrayPaths | None
    doubts: tuple[str, ...]
    counted: Count | None = None


@attrs.frozen(eq=False)
class XrayOutcome:
    """A plan with how long each stage took, s."""

    plan: XrayPlan
    seconds: dict[str, float]


def plan_from_xrays(
    request: XrayRequest, open_case: Callable[[str], Case], progress: Progress = lambda stage: None
) -> XrayOutcome:
    """Plan one level and leave the case folder complete.

    Args:
        open_case: gives the case for the images' hash. progress: told each stage as it begins.

    Raises:
        NotTrustedError: something speaks against the rebuilt vertebra; a report with the pictures is left, no plan.
        PkpError: a refusal by name; then nothing is written, and an earlier plan stays as it was.
    """
    clock = Clock(progress)
    with clock("read"):
        images = read_images(request)
    case = open_case(images_sha256(images))
    with case.writing():
        case.claim_xrays([image.sha256 for image in images])
        try:
            key = xray_key(request, images)
            plan = _unchanged(case, key, clock)
            if plan is None:
                plan = _planned(request, images, case, clock)
                mark_finished(case, key)
        except PkpError as error:
            audit.record(case.path, "refused", level=request.level.value, code=error.code, message=error.message)
            raise
    return XrayOutcome(plan, clock.seconds)


def rebuild(request: XrayRequest, images: Sequence[XrayImage], clock: Clock) -> Rebuilt:
    """The vertebra with everything that speaks against it and, where nothing does, the paths through it.

    Raises:
        NoSafePathError: it is trusted and no path keeps its distances. ModelError: it encloses no canal.
        XrayError: nothing of it is seen.
    """
    from planning_core.xray.fit import reconstruct

    configuration, clicks = request.configuration, request.clicks
    with clock("fit"):
        found = reconstruct(images, request.level, clicks, configuration.fit)
    views = [image.view for image in images]
    checks = cross_checks(found, views, clicks) if clicks is not None else ()
    counted = count(found, request.known, views, load_bone_atlas().spine) if request.known is not None else None
    of_pictures = [doubt for image in images for doubt in doubts(image)]
    if not all(image.sided for image in images) and (clicks is None or len(clicks.pixels[0]) == 1):
        of_pictures.append(SIDES)
    if counted is not None and counted.doubt:
        of_pictures.append(counted.doubt)
    said = (*found.doubts, *of_pictures, *(check.doubt for check in checks if check.doubt))
    planned = None
    if not said:
        with clock("paths"):
            planned = plan_on_reconstruction(found, configuration.trajectory, configuration.anatomy, tuple(views), clicks)
    return Rebuilt(tuple(images), found, checks, planned, said, counted)


def xray_key(request: XrayRequest, images: Sequence[XrayImage]) -> str:
    """One hash over everything that a plan and its report depend on."""
    clicks = "none" if request.clicks is None else str([pixels.tolist() for pixels in request.clicks.pixels])
    pictures = [image.fingerprint for image in images]
    known = "none" if request.known is None else request.known.said()
    return stage_key(*pictures, request.level.value, clicks, known, request.configuration.model_dump_json(), code_sha256())


def view_in_words(view: NextView | None) -> str:
    """What to tell the one at the C-arm."""
    if view is None:
        return "no further view is asked for: check the level, the clicks and the pictures"
    side = "left" if view.primary_deg >= 0 else "right"
    tilt = "head" if view.secondary_deg >= 0 else "feet"
    return (
        f"take another picture with the detector {abs(view.primary_deg):.0f}° to the patient's {side} and "
        f"{abs(view.secondary_deg):.0f}° to the {tilt}, and plan on all of them"
    )


def _unchanged(case: Case, key: str, clock: Clock) -> XrayPlan | None:
    if not is_marked(case, key):
        return None
    with clock("unchanged"):
        plan = finished_record(case, key, XrayPlan)
        if plan is not None:
            audit.record(case.path, "unchanged", level=plan.level, plan_hash=plan.plan_hash)
    return plan


def _planned(request: XrayRequest, images: Sequence[XrayImage], case: Case, clock: Clock) -> XrayPlan:
    rebuilt = rebuild(request, images, clock)
    found, planned = rebuilt.found, rebuilt.planned
    with clock("report"):
        from planning_core.xray.report import write_report

        if planned is None:
            case.withdraw()
            write_report(case, rebuilt, None)
            raise NotTrustedError(
                f"{request.level.value}: no plan, the rebuilt vertebra is not to be trusted: {'; '.join(rebuilt.doubts)}. "
                f"{view_in_words(found.next_view).capitalize()}",
                level=request.level.value,
                confidence=round(found.confidence, 4),
                doubts=list(rebuilt.doubts),
                next_view=next_view_record(found),
                warnings=[warning for image in images for warning in image.warnings],
                report=str(case.path / "report.html"),
            )
        how = rebuilt.counted.reason if rebuilt.counted is not None else operators_word(found.level)
        plan = make_xray_plan(images, request.clicks, found, rebuilt.checks, planned, request.configuration, how)
        revisions.check(case, plan)
        case.withdraw()
        write_report(case, rebuilt, plan)
        revisions.keep(case, plan)
        case.write(plan.NEWEST, plan.to_json().encode())
        audit.record(
            case.path, "planned", level=plan.level, verdict=plan.verdict, plan_hash=plan.plan_hash, software=plan.software
        )
    return plan
