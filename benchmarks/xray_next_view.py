"""What a third X-ray view is worth, and whether the one that ``next_view`` names is worth more than any: ``./pkp bench xray_next_view``.

    ./pkp bench xray_next_view [--cases ...] [--pairs 4] [--points 3] [--out FILE.jsonl]

The trials of ``./pkp bench xray`` from T10 to L5, models and atlas without the tested patient. Each is fitted with its two views, then
with a third one more: the one that the fit itself asks for, and one drawn at random at least 20 degrees from both, clicked alike. Every
trial is a line of FILE; what is there is not run again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from benchmarks.xray import LOW, calibrated, good
from benchmarks.xray_registration import random_view, view_at
from benchmarks.xray_trials import LEVELS, Trial, scores, trials, usual_without
from planning_core.xray.clicks import Clicks
from planning_core.xray.fit import Findings, find
from planning_core.xray.fitting.config import FitConfig
from planning_core.xray.fitting.judge import axis_sd_mm, next_view
from planning_core.xray.geometry import PinholeView
from planning_core.xray.pair import LEAST_ANGLE_DEG, angle_deg

Row = dict[str, Any]
WAYS = {"two": "two views", "asked": "and the one asked for", "random": "and a random one"}


def another_view(trial: Trial) -> PinholeView:
    """One drawn as the trials' random pairs are, far enough from both."""
    rng = np.random.default_rng([trial.level.verse_id, trial.number, 3])
    while True:
        view = random_view(rng)
        if all(angle_deg(view, image.view) >= LEAST_ANGLE_DEG for image in trial.images):
            return view


def with_view(trial: Trial, view: PinholeView) -> Trial:
    """The trial with one more picture."""
    image, clicked = trial.take(view)
    return attrs.evolve(trial, images=(*trial.images, image), clicks=Clicks([*trial.clicks.pixels, clicked]))


def measured(trial: Trial) -> Row | None:
    """One line of the results; none where no model can be learned without the patient."""
    usual, config = usual_without(trial.case, trial.level), FitConfig()
    if usual is None:
        return None

    def fitted(one: Trial) -> tuple[Findings, Row]:
        found = find(one.images, one.level, one.clicks, config, usual=usual)
        row: Row = {key: round(value, 4) for key, value in scores(found.chain.shape, one).items()}
        row["sd_mm"] = round(axis_sd_mm(found.chain.shape, found.covariance), 4)
        row["signs"] = [round(float(v), 5) for v in found.signs.values()]
        return found, row | {"doubts": len(found.plain_doubts(config))}

    two, scored = fitted(trial)
    row: Row = {"name": trial.name, "case": trial.case, "level": trial.level.value, "orthogonal": trial.orthogonal, "two": scored}
    asked = next_view(two.chain, two.known, two.windows, two.likeness, config)
    if asked is not None:
        row["angles"], row["gain"] = (asked.primary_deg, asked.secondary_deg), asked.gain
        row["asked"] = fitted(with_view(trial, view_at(*row["angles"])))[1]
    row["random"] = fitted(with_view(trial, another_view(trial)))[1]
    return row


def flagged(rows: Sequence[Row], row: Row, way: str) -> bool:
    """Whether a doubt of the fit's own speaks against a result, or a calibration on the other patients' pairs of views."""
    others = [other["two"] for other in rows if other["case"] != row["case"]]
    if len({good(other) for other in others}) < 2:
        return bool(row[way]["doubts"])
    calibration = calibrated(others)
    return bool(row[way]["doubts"] or calibration.probability_of(np.array(row[way]["signs"])) < calibration.threshold)


def table(rows: Sequence[Row]) -> str:
    """All lines, of those trials in which a view was asked for."""
    out = [
        "| | n | Dice | HD95 mm | pedicle off, mm, median | both paths in | axes' expected sd, mm | flagged | bad caught |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    asked = [row for row in rows if "asked" in row]
    parts = {
        "orthogonal": [row for row in asked if row["orthogonal"]],
        "random": [row for row in asked if not row["orthogonal"]],
        "flagged with two": [row for row in asked if flagged(rows, row, "two")],
    }
    for name, some in parts.items():
        for way, words in WAYS.items():
            if some:
                column = {key: np.array([row[way][key] for row in some]) for key in some[0][way] if key != "signs"}
                doubted = [flagged(rows, row, way) for row in some]
                caught = [doubt for row, doubt in zip(some, doubted, strict=True) if not good(row[way])]
                out.append(
                    f"| {name}, {words} | {len(some)} | {column['dice'].mean():.3f} | {column['hd95_mm'].mean():.2f} | "
                    f"{np.median(column['pedicle_mm']):.2f} | {column['both_inside'].mean():.0%} | {np.median(column['sd_mm']):.2f} | {np.mean(doubted):.0%} | {sum(caught)}/{len(caught)} |"
                )
    unasked = sum("asked" not in row for row in rows)
    return "\n".join([*out, "", f"No further view was asked for in {unasked} of {len(rows)} trials."])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is not there yet, print the table."""
    parser = argparse.ArgumentParser(
        prog="./pkp bench xray_next_view", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", nargs="*", default=list(LEVELS), choices=list(LEVELS))
    parser.add_argument("--pairs", type=int, default=4, help="of views per vertebra")
    parser.add_argument("--points", type=int, choices=(1, 3), default=3, help="clicked in each view")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--out", type=Path, default=Path("xray_next_view.jsonl"), help="one line per trial")
    given = parser.parse_args(arguments)
    rows = [json.loads(text) for text in given.out.read_text().splitlines()] if given.out.exists() else []
    done = frozenset(row["name"] for row in rows)
    with given.out.open("a") as stream:
        for case in given.cases:
            for trial in trials(case, given.pairs, given.seed, done, given.points, first=LOW.start):
                row = None if trial.collapse else measured(trial)
                if row is not None:
                    rows.append(row)
                    stream.write(json.dumps(row) + "\n")
                    stream.flush()
    print(table(rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
