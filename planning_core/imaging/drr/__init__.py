"""Digitally reconstructed radiographs: what an X-ray view of a CT would show."""

from planning_core.imaging.drr.attenuation import AttenuationVolume, attenuation
from planning_core.imaging.drr.projector import line_integrals, line_integrals_and_slopes

__all__ = ["AttenuationVolume", "attenuation", "line_integrals", "line_integrals_and_slopes"]
