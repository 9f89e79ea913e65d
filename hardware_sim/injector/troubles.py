"""Words for the control channel: what a test may do to the device while it runs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import attrs

from hardware_sim.injector.device import InjectorDevice
from planning_core.cement.curing import CURING
from planning_core.errors import InputError


class UnknownTroubleError(InputError):
    """No such word, or a value it does not take. Carries ``known``."""

    code = "unknown_trouble"


def _set(field: str, factor: float = 1.0) -> Callable[[InjectorDevice, float], None]:
    def apply(device: InjectorDevice, value: float) -> None:
        kept: Any = bool(value) if field in ("blocked", "leak", "stuck") else value * factor
        device.mechanism.troubles = attrs.evolve(device.mechanism.troubles, **{field: kept})

    return apply


def _press(device: InjectorDevice, value: float) -> None:
    device.e_stop = bool(value)


def _age(device: InjectorDevice, value: float) -> None:
    device.mechanism.load(device.spec.cement_class, value)


WORDS: dict[str, Callable[[InjectorDevice, float], None]] = {
    "blocked": _set("blocked"),
    "leak": _set("leak"),
    "stuck": _set("stuck"),
    "volume_gain": _set("volume_gain"),
    "volume_drift_ml_s": _set("volume_drift_ml_s"),
    "gauge_kpa": _set("gauge_kpa"),
    "air_ml": _set("air_ml"),
    "e_stop": _press,
    "cement_age_s": _age,
}
_AT_LEAST_ZERO = {"air_ml", "cement_age_s"}


def trouble(device: InjectorDevice, word: Any, value: Any) -> None:
    """Make or end one trouble: switches take 0 or 1, the others their unit's value.

    Raises:
        UnknownTroubleError: no such word, or not a finite number it takes.
    """
    known = sorted(WORDS)
    if word not in WORDS:
        raise UnknownTroubleError(f"no trouble {word!r}; known: {', '.join(known)}", known=known)
    if not isinstance(value, (int, float)) or not math.isfinite(value) or (word in _AT_LEAST_ZERO and value < 0):
        raise UnknownTroubleError(f"{word} does not take {value!r}", known=known)
    WORDS[word](device, float(value))


def new_batch(device: InjectorDevice, cement_class: Any, mixed_ago_s: Any) -> None:
    """Fill with cement of a class, mixed so long ago.

    Raises:
        UnknownTroubleError: no such class, or an age below zero.
    """
    if cement_class not in CURING or not isinstance(mixed_ago_s, (int, float)) or not 0 <= mixed_ago_s < math.inf:
        raise UnknownTroubleError(f"no batch {cement_class!r} mixed {mixed_ago_s!r} s ago", known=sorted(CURING))
    device.mechanism.load(cement_class, float(mixed_ago_s))
