"""X-ray images with the geometry they were taken with."""

from planning_core.xray.geometry import PinholeView
from planning_core.xray.image import XrayImage, read_xray

__all__ = ["PinholeView", "XrayImage", "read_xray"]
