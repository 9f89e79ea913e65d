"""May this registration guide an arm? By the error to expect at the target and a point it never saw."""

from __future__ import annotations

import attrs
import numpy as np
from scipy.special import chdtr, chdtri  # scipy.stats has the same chi-squared, and half a second of imports in every node

from planning_core.geometry.arrays import FloatArray, frozen_vector
from planning_core.geometry.covariance import point_covariance
from planning_core.registration.config import AcceptanceConfig
from planning_core.registration.points import PointRegistration
from planning_core.registration.refusals import RefusedRegistrationError
from planning_core.registration.registration import SURFACE, Registration
from planning_core.registration.target_error import TargetError, error_at
from planning_core.registration.uncertain import UncertainTransform, point_jacobian


@attrs.frozen(eq=False)
class CheckPoint:
    """A point known on both sides that took no part in the registration.

    Args:
        ct_lps_mm: (3,) in the CT. reference_mm: (3,) as the probe found it, in ``patient_ref``.
        covariance: (3, 3) mm² of both together, in ``patient_ref``.
        touched_lps_mm: (k, 3) in the CT where it was touched, if not at the point itself.
    """

    ct_lps_mm: FloatArray = attrs.field(converter=frozen_vector)
    reference_mm: FloatArray = attrs.field(converter=frozen_vector)
    covariance: FloatArray = attrs.field(converter=point_covariance)
    touched_lps_mm: FloatArray | None = None


@attrs.frozen
class Acceptance:
    """The decision with its numbers.

    Args:
        accepted: whether everything speaks for it. reasons: every one against, or why it is accepted.
        predicted: error at the target. check_mm: distance between the check point and where it should be; ``None`` without one.
    """

    accepted: bool
    reasons: tuple[str, ...]
    predicted: TargetError
    check_mm: float | None

    def require(self) -> None:
        """Go on only if accepted.

        Raises:
            RefusedRegistrationError: it is not.
        """
        if not self.accepted:
            raise RefusedRegistrationError(f"registration refused: {'; '.join(self.reasons)}", reasons=list(self.reasons))


def judge(
    registration: Registration,
    target_lps_mm: FloatArray,
    check_point: CheckPoint | None,
    config: AcceptanceConfig | None = None,
    carried: UncertainTransform | None = None,
) -> Acceptance:
    """Accept or refuse a registration for one planned target, naming every reason.

    Fiducial error decides nothing for it; residuals larger than their model allows speak against it, since the prediction then
    stands on a wrong model.

    Args:
        target_lps_mm: (3,) ct_lps; with ``carried`` in the frame that it comes from.
        carried: T_ct_lps_preop_lps of a plan that was made on another scan; its error counts at the target, not at the check
            point, which is of the registered scan itself.
    """
    config = config or AcceptanceConfig()
    target = frozen_vector(target_lps_mm)
    predicted = registration.error_at(target)
    if carried is not None:
        predicted = error_at(registration.reference_from_ct @ carried, target)
        target = carried.transform.apply(target)
    against: list[str] = []
    if not predicted.bound95_mm <= config.max_predicted_mm:
        against.append(
            f"the error to expect at the target is up to {predicted.bound95_mm:.2f} mm (95 %), "
            f"allowed are {config.max_predicted_mm:g} mm"
        )
    share = misfit(registration.fit, registration.fle)
    if not share <= config.fit_confidence:
        against.append(
            f"the fit's residuals of {registration.fit.fre_mm:.2f} mm rms are larger than the errors it was predicted from"
        )
    away = None
    if check_point is None:
        against.append("no independent check point was touched")
    else:
        away, found = _check(registration, target, check_point, config)
        against.extend(found)
    if against:
        return Acceptance(False, tuple(against), predicted, away)
    reason = f"error at the target up to {predicted.bound95_mm:.2f} mm (95 %), check point off by {away:.2f} mm"
    return Acceptance(True, (reason,), predicted, away)


def misfit(fit: PointRegistration, fle: FloatArray) -> float:
    """Share of honest fits with smaller residuals than this one, given the errors (n, 3, 3) its points should have.

    The sum of weighted squared residuals of a least-squares fit is a quadratic form in the errors; its distribution is taken as
    a scaled χ² with the same mean and variance (Satterthwaite).
    """
    used = fit.weights > 0
    n = int(used.sum())
    if n < 4:
        return 0.0 if n == 3 else 1.0
    weights = fit.weights[used] / fit.weights[used].mean()
    moved = fit.transform.apply(fit.src_mm[used])
    jacobian = point_jacobian(moved - np.average(moved, axis=0, weights=weights)).reshape(3 * n, 6)
    root = np.sqrt(np.repeat(weights, 3))
    q, _ = np.linalg.qr(root[:, None] * jacobian)
    left = np.eye(3 * n) - q @ q.T
    errors = np.zeros((n, 3, n, 3))
    errors[np.arange(n), :, np.arange(n), :] = fle[used] * weights[:, None, None]
    form = left @ errors.reshape(3 * n, 3 * n)
    mean, variance = float(np.trace(form)), 2 * float(np.trace(form @ form))
    total = float((weights[:, None] * fit.residuals_mm[used] ** 2).sum())
    if mean <= 0:
        return 1.0 if total > 0 else 0.0
    return float(chdtr(2 * mean**2 / variance, total * 2 * mean / variance))


def _check(
    registration: Registration, target: FloatArray, check: CheckPoint, config: AcceptanceConfig
) -> tuple[float, list[str]]:
    """What speaks against it at the check point."""
    against = []
    transform = registration.reference_from_ct
    off = check.reference_mm - transform.transform.apply(check.ct_lps_mm)
    away = float(np.linalg.norm(off))
    if away > config.max_check_mm:
        against.append(f"the check point is off by {away:.2f} mm, allowed are {config.max_check_mm:g} mm")
    expected = transform.covariance_at(check.ct_lps_mm) + check.covariance
    surprise = float(off @ np.linalg.pinv(expected) @ off)
    if not surprise <= chdtri(3, 1 - config.check_confidence):
        against.append(
            f"the check point is off by {away:.2f} mm where {np.sqrt(np.trace(expected)):.2f} mm rms was to be expected"
        )
    far = float(np.linalg.norm(check.ct_lps_mm - target))
    if far > config.max_check_distance_mm:
        against.append(f"the check point is {far:.0f} mm from the target, at most {config.max_check_distance_mm:g} mm tell of it")
    touched = check.ct_lps_mm[None] if check.touched_lps_mm is None else check.touched_lps_mm
    near = float(np.linalg.norm(registration.fit.src_mm[:, None] - touched, axis=2).min())
    apart = config.min_independent_touch_mm if registration.method == SURFACE else config.min_independent_mm
    if near < apart:
        against.append(f"the check point lies {near:.1f} mm from a point of the fit: it is not independent")
    return away, against
