"""``./pkp demo``: a made-up patient with a fractured L1, planned end to end as if a hospital had sent the series."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from hardware_sim.patient import PatientSpec, generate
from planning_core.anatomy.levels import VertebraLevel
from planning_core.command import main as pkp
from planning_core.edge import Parser, ended

SEED = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the patient's DICOM series, then run the same command a user would; returns its status (docs/exit_codes.md)."""
    return ended(arguments, _run)


def _run(words: list[str]) -> int:
    parser = Parser(prog="pkp demo", description="Plan a synthetic patient's fractured vertebra.")
    parser.add_argument("--out", type=Path, help="case folder (default: cases/demo, with the seed where it is another)")
    parser.add_argument("--seed", type=int, default=SEED, help="another one makes up another patient")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args(words)
    if given.seed < 0:
        parser.error("--seed is 0 or more")
    print("pkp: making the synthetic patient", file=sys.stderr, flush=True)
    patient = generate(PatientSpec(seed=given.seed))
    out = given.out or Path("cases") / ("demo" if given.seed == SEED else f"demo-seed-{given.seed}")
    series = out / "dicom"
    patient.write_dicom(series)
    # the operator points at the fractured body, as on a screen
    point = ",".join(f"{c:.1f}" for c in patient.centres_lps_mm[VertebraLevel.L1])
    return pkp(["plan", str(series), "--level", "L1", "--at", point, "--out", str(out), *(["--json"] if given.json else [])])


if __name__ == "__main__":
    raise SystemExit(main())
