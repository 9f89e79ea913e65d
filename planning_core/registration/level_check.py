"""Whether a bone that was laid over pictures fits better one vertebra higher or lower: then perhaps another level was clicked."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import numpy as np

from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.pose import body_centre
from planning_core.anatomy.segmentation import SpineSegmentation
from planning_core.geometry import RigidTransform
from planning_core.imaging.drr.attenuation import AttenuationVolume
from planning_core.registration.refusals import XrayRegistrationError
from planning_core.registration.xray_config import XrayRegistrationConfig
from planning_core.registration.xray_to_ct import XrayRegistration, register_to_xrays
from planning_core.xray.image import XrayImage

NOTHING = -1.0


def likeness_beside(
    segmentation: SpineSegmentation,
    level: VertebraLevel,
    bone: AttenuationVolume,
    images: Sequence[XrayImage],
    found: XrayRegistration,
    config: XrayRegistrationConfig,
) -> dict[VertebraLevel, float]:
    """How well a bone fits where its neighbours should lie: were one of them clicked, the bone's own place is among these.

    Likeness tells the levels of one patient apart, as pictures and CT show the same bones.

    Args:
        segmentation: of the bone's CT. found: where it was laid.

    Returns:
        Mean likeness of the views by neighbour; ``NOTHING`` where no other place was found there. Neighbours that the CT cuts
        or that no picture shows are left out.
    """
    fields, placed, likeness = segmentation.boundaries, found.scene_from_ct.transform, {}
    for other in segmentation.levels:
        if not 0 < abs(other.ordinal - level.ordinal) <= 1:
            continue
        own, there = (body_centre(fields[v].values < 0, fields[v].grid) for v in (level, other))
        along = RigidTransform.from_parts("ct_lps", "ct_lps", np.eye(3), there - own)
        with contextlib.suppress(XrayRegistrationError):
            tried = register_to_xrays(bone, images, placed @ along, config)
            away = tried.scene_from_ct.transform.apply(own) - placed.apply(own)
            # in the chest the search reaches back to where it came from: that is no other place
            back = np.linalg.norm(away) < np.linalg.norm(there - own) / 2
            likeness[other] = NOTHING if back else float(np.mean(tried.likeness))
    return likeness


def level_doubts(found: XrayRegistration, beside: dict[VertebraLevel, float], lead: float) -> list[str]:
    """A sentence for each neighbour's place that the bone fits as well as its own, within ``lead``, or better."""
    here = float(np.mean(found.likeness))
    return [
        f"perhaps another level was clicked: it fits where {level.value} should be with likeness {there:.2f}, here {here:.2f}"
        for level, there in beside.items()
        if not here - there >= lead
    ]
