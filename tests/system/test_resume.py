"""A run that is killed leaves no half-written plan, and the next one takes up where it ended."""

import json
import subprocess
import sys

import pytest

from hardware_sim.patient import FractureSpec, PatientSpec, generate
from planning_core.case import audit
from planning_core.case.exports import as_image
from tests.system.conftest import ENVIRONMENT, pkp_plan

STAGES = ("finding the vertebrae", "modelling", "cement volume", "needle paths", "report")


@pytest.fixture(scope="module")
def labels(tmp_path_factory):
    """A small patient's label map: the walk without the network."""
    import SimpleITK as sitk

    made = generate(PatientSpec(seed=5, fracture=FractureSpec(level="L1", kind="wedge", loss=0.3), spacing_mm=(1.5, 1.5, 2.0)))
    path = tmp_path_factory.mktemp("labels") / "labels.nii.gz"
    sitk.WriteImage(as_image(made.labels, made.grid), str(path))
    return path


@pytest.fixture(scope="module")
def uninterrupted(labels, tmp_path_factory):
    out = tmp_path_factory.mktemp("case") / "one"
    run, plan = pkp_plan("--labels", labels, "--level", "L1", "--out", out, cwd=out.parent)
    assert run.returncode == 0, run.stderr
    return out, plan


def killed_at(stage, labels, out):
    """Start a run and kill it as it begins a stage; its words on the stages before."""
    command = [sys.executable, "-m", "planning_core", "plan", "--labels", labels, "--level", "L1", "--out", out, "--json"]
    child = subprocess.Popen(
        [str(c) for c in command], env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=out.parent
    )
    heard = []
    with child:
        for line in child.stderr:
            heard.append(line.removeprefix("pkp: ").strip())
            if heard[-1] == stage:
                child.kill()
                break
    assert heard[-1] == stage
    return heard


def without_times(plan):
    return {key: value for key, value in plan.items() if key not in ("seconds", "case")}


def contents(case):
    """Every output's bytes by name; what only keeps and records is another matter."""
    kept = {p.relative_to(case): p for p in sorted(case.rglob("*")) if p.is_file() and "stages" not in p.parts}
    return {str(n): p.read_bytes() for n, p in kept.items() if n.name not in (audit.NAME, ".lock")}


@pytest.mark.slow
def test_killed_at_every_stage_in_turn_it_ends_as_if_never_interrupted(labels, uninterrupted, tmp_path):
    whole, plan = uninterrupted
    out = tmp_path / "case"
    for stage in STAGES:
        killed_at(stage, labels, out)
        assert not (out / "plan.json").exists()
    left = {p.name.split("-")[0] for p in (out / "stages").iterdir()}
    assert left == {"cement", "paths"}  # report was reached: nothing that it needs from them is made again
    times = {p: p.stat().st_mtime_ns for p in (out / "stages").iterdir()}
    run, again = pkp_plan("--labels", labels, "--level", "L1", "--out", out, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert without_times(again) == without_times(plan)
    assert contents(out) == contents(whole)
    assert all(p.stat().st_mtime_ns == t for p, t in times.items())
    audit.verify(out)


def test_the_same_request_again_is_answered_at_once(labels, uninterrupted):
    out, plan = uninterrupted
    before = contents(out)
    run, again = pkp_plan("--labels", labels, "--level", "L1", "--out", out, cwd=out.parent)
    assert run.returncode == 0, run.stderr
    assert "unchanged" in run.stderr
    assert set(again["seconds"]) == {"read", "unchanged", "total"}
    assert without_times(again) == without_times(plan)
    assert contents(out) == before
    assert json.loads((out / audit.NAME).read_text().splitlines()[-1])["event"] == "unchanged"
