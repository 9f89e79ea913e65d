"""One synthetic patient as a DICOM series, planned once by the command a user runs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hardware_sim.patient import FractureSpec, PatientSpec, generate
from planning_core.anatomy.levels import VertebraLevel

FAILED = pytest.StashKey()
ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """What a test leaves behind depends on how it ended."""
    report = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    return report


def pkp_plan(*arguments, cwd):
    """Run ``pkp plan … --json``; the finished process and its object."""
    run = subprocess.run(
        [sys.executable, "-m", "planning_core", "plan", *map(str, arguments), "--json"],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
    )
    return run, json.loads(run.stdout) if run.stdout else None


@pytest.fixture(scope="session")
def patient(tmp_path_factory):
    folder = tmp_path_factory.mktemp("patient") / "dicom"
    made = generate(PatientSpec(seed=3, fracture=FractureSpec(level="L1", kind="wedge", loss=0.35), spacing_mm=(1.0, 1.0, 1.5)))
    made.write_dicom(folder)
    return made, folder


@pytest.fixture(scope="session")
def planned(patient, tmp_path_factory):
    made, folder = patient
    out = tmp_path_factory.mktemp("case") / "one"
    point = ",".join(f"{c:.1f}" for c in made.centres_lps_mm[VertebraLevel.L1])
    run, plan = pkp_plan(folder, "--level", "L1", "--at", point, "--out", out, cwd=out.parent)
    assert run.returncode == 0, run.stderr
    return made, out, plan, point
