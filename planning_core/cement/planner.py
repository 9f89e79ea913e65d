"""The cement walk, readable top to bottom: template, fit, subtract, interval, dose, self-check, verdict."""

from __future__ import annotations

from planning_core.anatomy.config import AnatomyConfig
from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.vertebra import FractureAssessment, Spine, Vertebra
from planning_core.cement.boundary import BoundaryCheck, check_boundary
from planning_core.cement.config import CementConfig
from planning_core.cement.dose import liquid, recommend
from planning_core.cement.plan import CementPlan, SelfCheck, Verdict, VolumeInterval
from planning_core.cement.products import find_product
from planning_core.cement.self_check import check_heights
from planning_core.cement.subtract import Defect, missing_ml, subtract
from planning_core.cement.template import Template, make_template
from planning_core.cement.uncertainty import deficit_interval

RETROPULSION_ML = 0.5


def plan_cement(
    spine: Spine, level: VertebraLevel, config: CementConfig | None = None, anatomy: AnatomyConfig | None = None
) -> CementPlan:
    """Cement volume for one level of a modelled spine.

    Raises:
        UnknownProductError: the configured product is not in the table.
        BooleanError: the subtraction did not conserve volume.
    """
    config, anatomy = config or CementConfig(), anatomy or AnatomyConfig()
    product = find_product(config.product)
    target, assessment = spine.vertebrae[level], spine.assessments[level]
    template = make_template(spine, level, anatomy)
    defect = subtract(target, template, config)
    alone = [missing_ml(target, ideal, config) for ideal in template.alone]
    deficit, causes = deficit_interval(defect.volume_ml, alone, target, template, config)
    ideal_ml = template.ideal.volume_ml()
    recommended, policy = recommend(deficit, ideal_ml, level, target.bone, product, config)
    check = check_heights(target, template.ideal, template.expected, config, anatomy)
    healthy = is_negligible(deficit, assessment, config)
    if healthy:
        recommended = VolumeInterval(0.0, 0.0, 0.0)
        policy = (*policy, "no collapse: no cement is recommended")
    boundary = check_boundary(target, [spine.vertebrae[v] for v in template.members], config)
    verdict, reasons = judge(target, deficit, template, defect, check, boundary, healthy, config)
    return CementPlan(
        level,
        template.source,
        template.members,
        template.ideal,
        defect.solid,
        deficit,
        liquid(deficit, product),
        recommended,
        100 * recommended.value_ml * (1 + product.expansion) / ideal_ml,
        ideal_ml,
        target.body_volume_ml,
        defect.sliver_ml,
        defect.retropulsed_ml,
        causes,
        product.name,
        product.expansion,
        policy,
        check,
        verdict,
        reasons,
    )


def is_negligible(deficit: VolumeInterval, assessment: FractureAssessment, config: CementConfig) -> bool:
    """Whether the level is healthy: no height is lost beyond normal, and the deficit is small or within its own error."""
    loss = assessment.loss_percent
    worst = max(loss.anterior_mm, loss.middle_mm, loss.posterior_mm)
    small = deficit.value_ml < config.negligible_ml or deficit.low_ml <= 0.5 * deficit.value_ml
    return worst < config.negligible_loss_percent and small


def judge(
    target: Vertebra,
    deficit: VolumeInterval,
    template: Template,
    defect: Defect,
    check: SelfCheck,
    boundary: BoundaryCheck,
    healthy: bool,
    config: CementConfig,
) -> tuple[Verdict, tuple[str, ...]]:
    """Accept, review or refuse, with every reason that speaks against accepting (or why it is accepted)."""
    doubts: list[str] = []
    # a mask too small makes a healthy body look collapsed, not a collapsed one healthy
    if boundary.too_large or (boundary.too_small and not healthy):
        way = "thin" if boundary.too_small else "thick"
        doubts.append(
            f"the arch is drawn {abs(boundary.shift_mm):.2f} mm too {way} all round beside its neighbours' "
            f"(from {boundary.limit_mm:.2f} mm on): boundaries are doubtful"
        )
    if not check.passed:
        doubts.extend(check.findings)
    if not healthy and template.source != "two neighbours":
        doubts.append(f"the intact shape comes from {template.source}, not from both neighbours")
    half = (deficit.high_ml - deficit.low_ml) / 2
    if not healthy and half > config.wide_interval * deficit.value_ml:
        doubts.append(f"the deficit of {deficit.value_ml:.1f} ml is uncertain by ±{half:.1f} ml")
    if not healthy and defect.retropulsed_ml > RETROPULSION_ML:
        doubts.append(f"{defect.retropulsed_ml:.1f} ml of bone lie behind the ideal posterior wall (retropulsion)")
    ideal_ml = template.ideal.volume_ml()
    if ideal_ml < 0.8 * target.body_volume_ml or deficit.value_ml > 0.7 * ideal_ml:
        return Verdict.REFUSE, (f"the fit failed: ideal body {ideal_ml:.1f} ml, deficit {deficit.value_ml:.1f} ml", *doubts)
    if healthy:
        no_collapse = f"no collapse at this level: deficit {deficit.value_ml:.1f} ml is within normal variation"
        return (Verdict.REVIEW if doubts else Verdict.ACCEPT), (no_collapse, *doubts)
    if doubts:
        return Verdict.REVIEW, tuple(doubts)
    return Verdict.ACCEPT, ("heights restored as expected, neighbours agree, boundaries consistent",)
