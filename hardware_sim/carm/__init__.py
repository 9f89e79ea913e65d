"""A C-arm that turns once round the table: a small, sharp CT of the patient with the marker plate in view."""

from hardware_sim.carm.metal import Rod
from hardware_sim.carm.scan import CarmScan, PatientVolume, ScanSpec, ScanTruth, scan

__all__ = ["CarmScan", "PatientVolume", "Rod", "ScanSpec", "ScanTruth", "scan"]
