"""One vertebra of a CT laid over two simulated X-ray images from seeded wrong starts: error, capture range, and what was flagged.

    ./pkp bench xray_registration [--pairs 2] [--starts 4] [--cases thoracic_ct totalseg_ct verse012] [--csv FILE]

The images are the whole CT's (three energies, scatter, blur, noise: ``FLUOROSCOPY``), the bone laid over them is one vertebra under its
mask. Half of the pairs are a frontal and a lateral, half random ones at least 20 degrees apart. Starts are off by up to so many mm along
and degrees about each axis. The error is the mean over 400 points of the vertebra (mTRE). The images come from the same CT as the bone:
what changes between a CT and an operation (posture, other bone quality, instruments) is not in these figures, and real films have no truth
here.
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path

import attrs
import numpy as np
from scipy.spatial.transform import Rotation

from benchmarks.cases import CTS, MASKS, shared
from planning_core.anatomy.levels import VertebraLevel
from planning_core.geometry import RigidTransform
from planning_core.imaging.drr.acquisition import FLUOROSCOPY, Materials, acquire
from planning_core.imaging.ingest import load_ct
from planning_core.imaging.volume_file import read_image_file
from planning_core.registration.refusals import XrayRegistrationError
from planning_core.registration.xray_to_ct import bone_volume, register_to_xrays
from planning_core.xray.geometry import PinholeView
from planning_core.xray.pair import angle_deg

LEVELS = {"thoracic_ct": ("T7", "T9", "T11", "L1"), "totalseg_ct": ("L2", "L3", "L4"), "verse012": ("T12", "L1", "L2")}
OFF = ((4.0, 4.0), (8.0, 8.0), (12.0, 12.0), (16.0, 20.0))
"""Starts: up to so many mm and degrees per axis."""
GOOD_MM = 2.0
SIZE, SPACING_MM = (288, 288), (1.0, 1.0)
SOURCE_TO_DETECTOR_MM, SOURCE_TO_ISOCENTRE_MM = 1020.0, 640.0
POINTS = 400


def view_at(primary_deg, secondary_deg):
    """One isocentric view in ``carm``."""
    return PinholeView.isocentric(
        primary_deg, secondary_deg, SOURCE_TO_DETECTOR_MM, SOURCE_TO_ISOCENTRE_MM, SIZE, SPACING_MM, frame="carm"
    )


def random_view(rng):
    """One from where a C-arm stands beside a table."""
    return view_at(rng.uniform(-60, 110), rng.uniform(-20, 20))


def view_pair(rng, orthogonal):
    """Two views in ``carm``, a frontal and a lateral or random ones far enough apart."""
    while True:
        pair = [view_at(0.0, 0.0), view_at(90.0, 0.0)] if orthogonal else [random_view(rng) for _ in range(2)]
        if angle_deg(*pair) >= 20:
            return pair


def small_move(rng, middle, mm, deg):
    """T_ct_lps_ct_lps: a turn about the middle and a shift, each axis up to so much."""
    turn = Rotation.from_rotvec(np.radians(rng.uniform(-deg, deg, 3))).as_matrix()
    return RigidTransform.from_parts("ct_lps", "ct_lps", turn, middle - turn @ middle + rng.uniform(-mm, mm, 3))


def trials(case, pairs, starts, seed):
    """One row per registration."""
    ct = load_ct(shared(CTS[case]))
    labels, _ = read_image_file(shared(MASKS[case]))
    patient = Materials.of(ct, FLUOROSCOPY)
    for name in LEVELS[case]:
        level = VertebraLevel.parse(name)
        number = level.totalsegmentator_id if "verse" not in case else level.verse_id
        mask = labels == number
        rng = np.random.default_rng([seed, level.verse_id])
        points = ct.grid.points(rng.permutation(np.argwhere(mask))[:POINTS])
        middle = points.mean(axis=0)
        bone = bone_volume(ct, mask)
        for pair in range(pairs):
            views = view_pair(rng, orthogonal=pair % 2 == 0)
            truth = small_move(rng, middle, 15.0, 8.0)
            truth = RigidTransform.from_parts("carm", "ct_lps", truth.rotation, truth.translation_mm - middle)
            images = []
            for n, view in enumerate(views):
                made = acquire(patient, view.seen_from(truth), FLUOROSCOPY.model_copy(update={"seed": seed + 10 * pair + n}))
                images.append(attrs.evolve(made, view=view))
            for off in OFF:
                for _ in range(starts):
                    start = truth @ small_move(rng, middle, *off)
                    began = time.perf_counter()
                    row = {
                        "case": case,
                        "level": name,
                        "angle_deg": angle_deg(*views),
                        "off": off[0],
                        "orthogonal": pair % 2 == 0,
                    }
                    row["start_mm"] = float(np.linalg.norm(start.apply(points) - truth.apply(points), axis=1).mean())
                    try:
                        found = register_to_xrays(bone, images, start)
                    except XrayRegistrationError as refused:
                        yield row | {
                            "mtre_mm": np.nan,
                            "trusted": False,
                            "doubts": str(refused),
                            "expected_mm": np.nan,
                            "likeness": np.nan,
                            "significance": np.nan,
                            "lead": np.nan,
                            "s": time.perf_counter() - began,
                        }
                        continue
                    seconds = time.perf_counter() - began
                    error = found.scene_from_ct.transform.apply(points) - truth.apply(points)
                    expected = np.sqrt(np.trace(found.scene_from_ct.covariance_at(points), axis1=1, axis2=2).mean())
                    yield row | {
                        "mtre_mm": float(np.linalg.norm(error, axis=1).mean()),
                        "trusted": found.trusted,
                        "doubts": "; ".join(found.doubts),
                        "expected_mm": float(expected),
                        "likeness": min(found.likeness),
                        "significance": min(found.significance),
                        "lead": found.lead,
                        "s": seconds,
                    }


def line(name, rows):
    """One line of the table."""
    error = np.array([r["mtre_mm"] for r in rows])
    good, trusted = error < GOOD_MM, np.array([r["trusted"] for r in rows])
    bad_said = f"{(~trusted[~good]).sum()}/{(~good).sum()}"
    kept = error[good]
    median, high = (np.median(kept), np.percentile(kept, 95)) if kept.size else (np.nan, np.nan)
    expected = np.median([r["expected_mm"] for r in rows if r["mtre_mm"] < GOOD_MM]) if kept.size else np.nan
    return (
        f"{name:<26}{len(rows):>5}{np.mean([r['start_mm'] for r in rows]):>9.1f}{good.mean():>9.0%}{median:>9.2f}{high:>8.2f}{expected:>10.2f}"
        f"{trusted[good].mean() if good.any() else np.nan:>10.0%}{bad_said:>10}{np.median([r['s'] for r in rows]):>8.1f}"
    )


def main(arguments: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="pkp bench xray_registration", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=2, help="of views per vertebra")
    parser.add_argument("--starts", type=int, default=4, help="per pair and size of start")
    parser.add_argument("--cases", nargs="+", default=list(LEVELS), choices=list(LEVELS))
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--csv", type=Path, help="every trial")
    given = parser.parse_args(arguments)
    rows = []
    for case in given.cases:
        for row in trials(case, given.pairs, given.starts, given.seed):
            rows.append(row)
            if given.csv:
                with given.csv.open("w", newline="") as stream:
                    writer = csv.DictWriter(stream, list(row))
                    writer.writeheader()
                    writer.writerows(rows)
    print(
        f"{'':<26}{'n':>5}{'start':>9}{'< 2 mm':>9}{'median':>9}{'95 %':>8}{'expected':>10}{'trusted':>10}{'bad said':>10}{'s':>8}"
    )
    print(f"{'':<26}{'':>5}{'mm':>9}{'':>9}{'mm':>9}{'mm':>8}{'mm':>10}{'of good':>10}{'':>10}")
    for case in given.cases:
        print(line(case, [r for r in rows if r["case"] == case]))
    for off in OFF:
        print(line(f"start to {off[0]:.0f} mm, {off[1]:.0f}°", [r for r in rows if r["off"] == off[0]]))
    for name, which in (("frontal and lateral", True), ("random views", False)):
        some = [r for r in rows if r["orthogonal"] is which]
        if some:
            print(line(name, some))
    print(line("all", rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
