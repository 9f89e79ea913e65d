"""The probe's tip held still where it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from planning_core.errors import InputError, PkpError
from planning_core.geometry.arrays import FloatArray
from planning_core.registration.touch import HeldTip, Touch

if TYPE_CHECKING:
    from pkp_navigation.register_course import Attendant, Equipment

WAIT_S = 0.1


class NotTouchedError(InputError):
    """Nothing was touched in time. Carries ``stage``, and ``seen``: what the probe did instead."""

    code = "check_point_not_touched"


def held(
    tools: Equipment, attendant: Attendant, stage: str, wrong: Callable[[FloatArray], str], frames: int | None = None
) -> Touch:
    """The next place in ``patient_ref`` where the tip is held still and which is the one that is meant.

    Args:
        wrong: told a place (3,) mm, says what is wrong with it, or nothing. frames: in a row; as the equipment says without.

    Raises:
        NotTouchedError: in the time that the attendant gives. PkpError: it was called off.
    """
    attendant.tell(stage)
    still = tools.touch if frames is None else tools.touch.model_copy(update={"frames": frames})
    tip = HeldTip(tools.probe_markers_mm, tools.reference_markers_mm, still, tools.config.tracker)
    _, count = tools.camera.after(0, 0.0)  # only what is seen from now on
    seen = "was not held still"
    while True:
        try:
            attendant.go_on(stage)
        except PkpError as ended:
            if ended.code != "timeout":
                raise
            raise NotTouchedError(f"nothing was touched ({stage}): the probe {seen}", stage=stage, seen=seen) from ended
        frames, count = tools.camera.after(count, WAIT_S)
        for frame in frames:
            touch = tip.see(frame.tools.get("probe_tip"), frame.tools.get("patient_ref"))
            if touch is None:
                continue
            said = wrong(touch.reference_mm)
            if not said:
                return touch
            seen = said
