"""``./pkp demo``: a made-up patient with a fractured L1, planned end to end as if a hospital had sent the series."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from hardware_sim.patient import PatientSpec, generate
from planning_core.anatomy.levels import VertebraLevel
from planning_core.command import main as pkp
from planning_core.edge import Parser, ended


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the patient's DICOM series, then run the same command a user would; returns its status (docs/exit_codes.md)."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    return ended(words, lambda: _run(words))


def _run(words: list[str]) -> int:
    parser = Parser(prog="pkp demo", description="Plan a synthetic patient's fractured vertebra.")
    parser.add_argument("--out", type=Path, default=Path("cases") / "demo")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(words)
    print("pkp: making the synthetic patient", file=sys.stderr, flush=True)
    patient = generate(PatientSpec(seed=given.seed))
    series = given.out / "dicom"
    patient.write_dicom(series)
    # the operator points at the fractured body, as on a screen
    point = ",".join(f"{c:.1f}" for c in patient.centres_lps_mm[VertebraLevel.L1])
    return pkp(
        ["plan", str(series), "--level", "L1", "--at", point, "--out", str(given.out), *(["--json"] if given.json else [])]
    )


if __name__ == "__main__":
    raise SystemExit(main())
