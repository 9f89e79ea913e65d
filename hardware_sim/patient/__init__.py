"""A made-up patient: a spine with known anatomy and a known fracture, as a CT. A stand-in, never the only test."""

from hardware_sim.patient.anatomy import FractureSpec, PatientSpec
from hardware_sim.patient.volume import SyntheticPatient, generate

__all__ = ["FractureSpec", "PatientSpec", "SyntheticPatient", "generate"]
