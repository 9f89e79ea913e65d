"""Whom a simulated room treats: a case that was planned, or a made-up patient."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hardware_sim.patient import FractureSpec, PatientSpec, generate
from pkp_simulation.procedure import Subject
from planning_core.anatomy.levels import VertebraLevel
from planning_core.case.inputs import ct_series, ct_source
from planning_core.case.revisions import open_plan
from planning_core.errors import InputError

LEVELS, KINDS = ("T11", "T12", "L1", "L2", "L3"), ("wedge", "biconcave", "crush")
"""Where and how made-up patients break: the thoracolumbar junction above all (FACTS)."""
Point = tuple[float, float, float]


class WrongCaseError(InputError):
    """A plan that leads nowhere. Carries ``case``."""

    code = "wrong_case"


def of_case(case: Path) -> tuple[Subject, Point]:
    """A case with a sealed plan, and the middle of its paths' targets in ct_lps mm, where the field of the C-arm goes.

    Raises:
        WrongCaseError: the plan has no path. PkpError: no plan, one that was tampered with, or its CT is not there any more.
    """
    plan = open_plan(case)
    if not plan.paths:
        raise WrongCaseError(f"the plan in {case.name} has no path", case=case.name)
    middle = np.mean([path.target_mm for path in plan.paths], axis=0)
    return Subject(ct_source(case), case.resolve(), plan.level, ct_series(case) or "", planned=True), _point(middle)


def made_up(seed: int, folder: Path) -> tuple[Subject, Point]:
    """A made-up patient with a fracture of a level and kind drawn from the seed, written as a DICOM series below ``folder``."""
    draw = np.random.default_rng([seed, 77])
    level = str(draw.choice(LEVELS))
    fracture = FractureSpec(level=level, kind=str(draw.choice(KINDS)), loss=float(draw.uniform(0.25, 0.45)))  # type: ignore[arg-type]
    patient = generate(PatientSpec(seed=seed, fracture=fracture))
    patient.write_dicom(folder / "ct")
    # the operator points at the fractured body, as on a screen
    point = _point(patient.centres_lps_mm[VertebraLevel.parse(level)])
    return Subject(folder / "ct", folder / "case", level, at_lps_mm=point), point


def _point(values: np.ndarray) -> Point:
    x, y, z = (round(float(c), 2) for c in values)
    return x, y, z
