"""What of a vertebra shows in X-rays: attenuation within the shape models' template, and how vertebrae stand on each other."""

from planning_core.xray.atlas.atlas import BoneAtlas, CarriedBone, load_bone_atlas
from planning_core.xray.atlas.spine import SpineHabit

__all__ = ["BoneAtlas", "CarriedBone", "SpineHabit", "load_bone_atlas"]
