"""Registration measured: bead centres, error at the target against its prediction, surfaces, vertebrae carried between scans.

    python -m benchmarks.registration [--trials 1000] [--scans 4] [--quick]

Scans and camera frames are simulated with their truth kept apart; bones are real ones of the shared masks and CTs.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

import numpy as np
import scipy.ndimage as ndi
from rich.console import Console
from rich.table import Table
from scipy.spatial.transform import Rotation

from benchmarks.cases import CTS, MASKS, shared
from hardware_sim.carm import Rod, ScanSpec, scan
from hardware_sim.patient import PatientSpec, generate
from hardware_sim.patient.volume import SACRUM_ID
from planning_core.anatomy.label_file import LabelFileSegmenter, from_labels
from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.modelling import model_spine
from planning_core.anatomy.vertebra import Vertebra
from planning_core.geometry import Grid, RigidTransform
from planning_core.geometry.arrays import FloatArray
from planning_core.imaging.ingest import load_ct
from planning_core.imaging.volume import CtVolume
from planning_core.registration.carry import Carried, carry_by_intensity, carry_by_surface, surface_points
from planning_core.registration.config import BeadConfig, CarryConfig, SurfaceConfig, TrackerConfig
from planning_core.registration.plate import load_plate
from planning_core.registration.points import fit_points, rigid_fit
from planning_core.registration.refusals import RegistrationError
from planning_core.registration.registration import find_plate
from planning_core.registration.start_search import find_start
from planning_core.registration.surface import register_surface
from planning_core.registration.target_error import error_at, fit_covariance, radius_holding, uncertain_fit
from planning_core.registration.tracked import Sighting, TrackedPose, plate_in_reference

PLATE = load_plate()
REFERENCE_MARKERS = np.array([[0.0, 0, 0], [75, 0, 0], [12, 65, 0], [70, 60, 15]])
SPACINGS: tuple[tuple[float, float, float], ...] = ((0.5, 0.5, 0.5), (1.0, 1.0, 1.0), (1.25, 1.25, 1.25), (0.5, 0.5, 1.25))
STARTS = ((0, 0), (5, 3), (10, 6), (20, 12), (30, 18), (45, 25))
PLAN = np.array([[0.0, 0, 0], [12, -8, 3], [16, 28, 6], [-16, 28, 6]])
TARGET_PLATE = np.array([0.0, 5, -75])
"""A body's middle under the plate, mm in ``plate``."""


class Block:
    """A patient for beads alone: soft tissue, a bar of bone, air above."""

    def __init__(self) -> None:
        self.grid = Grid((50, 70, 70), [3, 3, 3], [-103.5, -103.5, -73.5])
        x, y, _ = np.moveaxis(self.grid.all_points(), -1, 0)
        self.hu = np.where(y < 20, 40, -1000).astype(np.int16)
        self.hu[(np.abs(x) < 15) & (np.abs(y) < 15)] = 300
        self.hu[(np.abs(x) < 5) & (np.abs(y - 20) < 9)] = 1200


def beads(console: Console, scans: int) -> None:
    """Centre error by voxel size, with screws in view."""
    table = Table(title="bead centres (9 beads of 3 mm, saturated, blooming, noise 45 HU, two screws in view)")
    for column in ("voxel mm", "beads found", "mean mm", "95 % mm", "max mm", "axis rms / voxel", "target mm", "find s"):
        table.add_column(column, justify="right")
    block = Block()
    for spacing in SPACINGS:
        found = shown = 0
        off, per_axis, at_target, took = [], [], [], []
        for seed in range(scans):
            rng = np.random.default_rng(seed)
            turn = (Rotation.from_rotvec(rng.normal(0, 0.06, 3)) * Rotation.from_euler("x", -90, degrees=True)).as_matrix()
            pose = RigidTransform.from_parts("carm", "plate", turn, [0, 24, 0] + rng.uniform(-2, 2, 3))
            lies = RigidTransform.from_parts(
                "carm", "patient", Rotation.from_rotvec(rng.normal(0, 0.05, 3)).as_matrix(), [0, 0, 0]
            )
            rods = [Rod([-40, -20, -8], [-30, 8, 4], 2.75), Rod([35, -20, 10], [30, 12, 5], 2.75)]
            made, truth = scan(block, lies, PLATE, pose, ScanSpec(seed=seed, spacing_mm=spacing, field_mm=(124, 70)), rods)
            began = time.perf_counter()
            seen = find_plate(made.as_ct(), PLATE)
            took.append(time.perf_counter() - began)
            mine, theirs = (list(c) for c in zip(*seen.match.pairs, strict=True))
            error = seen.search.centres_lps_mm[theirs] - truth.beads_lps_mm[mine]
            off.extend(np.linalg.norm(error, axis=1))
            per_axis.append(error / spacing)
            found, shown = found + len(mine), shown + int(truth.in_view.sum())
            assert truth.ct_from_plate is not None
            target = truth.ct_from_plate.apply(TARGET_PLATE)
            at_target.append(np.linalg.norm(seen.plate_from_ct.transform.apply(target) - TARGET_PLATE))
        rms = float(np.sqrt(np.mean(np.concatenate(per_axis) ** 2)))
        table.add_row(
            "×".join(f"{s:g}" for s in spacing),
            f"{found}/{shown}",
            f"{np.mean(off):.3f}",
            f"{np.percentile(off, 95):.3f}",
            f"{np.max(off):.3f}",
            f"{rms:.3f}",
            f"{np.mean(at_target):.3f}",
            f"{np.median(took):.1f}",
        )
    console.print(table)


def coverage(console: Console, trials: int) -> None:
    """True against predicted error: a fit alone with anisotropic errors, and the whole chain with camera noise."""
    table = Table(title=f"error at the target against its prediction ({trials} registrations each)")
    for column in ("", "true rms mm", "predicted rms mm", "median true mm", "95 % true mm", "mean 95 % bound mm", "within bound"):
        table.add_column(column, justify="left" if not column else "right")
    for name, run in (("anisotropic FLE per bead, fit alone", _fit_alone), ("beads 0.5 mm voxels + camera 0.25 mm", _chain)):
        errors, covariances = zip(*(run(seed) for seed in range(trials)), strict=True)
        away, covariance = np.array(errors), np.array(covariances)
        bound = radius_holding(covariance, 0.95)
        table.add_row(
            name,
            f"{np.sqrt(np.mean(away**2)):.3f}",
            f"{np.sqrt(np.trace(covariance, axis1=1, axis2=2).mean()):.3f}",
            f"{np.median(away):.3f}",
            f"{np.percentile(away, 95):.3f}",
            f"{bound.mean():.3f}",
            f"{(away <= bound).mean():.1%}",
        )
    console.print(table)


def _fit_alone(seed: int) -> tuple[float, FloatArray]:
    """A subset of the plate's beads, each with its own anisotropic error, to a target in the body."""
    rng = np.random.default_rng(seed)
    here = PLATE.beads_mm[rng.permutation(9)[: rng.integers(5, 10)]]
    turn = Rotation.random(len(here), rng=rng).as_matrix()
    fle = turn @ (rng.uniform(0.05, 0.5, (len(here), 3, 1)) ** 2 * np.swapaxes(turn, -1, -2))
    noise = (np.linalg.cholesky(fle) @ rng.normal(0, 1, (len(here), 3, 1)))[..., 0]
    weights = 1 / np.trace(fle, axis1=1, axis2=2)
    rotation, shift = rigid_fit(here + noise, here, weights)
    fit = fit_covariance(here @ rotation.T + shift, fle, weights)
    at = rotation @ TARGET_PLATE + shift
    jacobian = np.concatenate([np.array([[0, at[2], -at[1]], [-at[2], 0, at[0]], [at[1], -at[0], 0]]), np.eye(3)], axis=1)
    return float(np.linalg.norm(at - TARGET_PLATE)), jacobian @ fit @ jacobian.T


def _chain(seed: int) -> tuple[float, FloatArray]:
    """Beads with their error in the scan and in the making, camera frames with theirs, each drawn as configured."""
    rng = np.random.default_rng([seed, 1])
    config = TrackerConfig()
    ct_from_plate = RigidTransform.from_parts("ct_lps", "plate", Rotation.random(rng=rng).as_matrix(), rng.uniform(-50, 50, 3))
    scanned = np.eye(3) * (BeadConfig().centre_error_voxel * 0.5) ** 2
    made = np.eye(3) * PLATE.bead_tolerance_mm**2
    true_beads = PLATE.beads_mm + rng.normal(0, PLATE.bead_tolerance_mm, (9, 3))
    found = ct_from_plate.apply(true_beads) + rng.multivariate_normal(np.zeros(3), scanned, 9)
    fit = fit_points(PLATE.beads_mm, found, "plate", "ct_lps")
    in_scan = uncertain_fit(fit, made, scanned)
    tilt = Rotation.from_euler("xyz", rng.uniform(-25, 25, 3), degrees=True) * Rotation.from_euler("x", 150, degrees=True)
    tracker_from_plate = RigidTransform.from_parts("tracker", "plate", tilt.as_matrix(), [50, -30, 1450])
    lies = Rotation.from_euler("xyz", [10, -15, 40], degrees=True).as_matrix()
    plate_from_reference = RigidTransform.from_parts("plate", "patient_ref", lies, TARGET_PLATE + [70, -25, 65])
    tracker_from_reference = tracker_from_plate @ plate_from_reference
    fixed = [_marker_noise(rng, config, m, config.systematic_share, True) for m in (PLATE.markers_mm, REFERENCE_MARKERS)]
    frames = []
    for n in range(20):
        seen = []
        for pose, markers, bias in zip(
            (tracker_from_plate, tracker_from_reference), (PLATE.markers_mm, REFERENCE_MARKERS), fixed, strict=True
        ):
            noise = bias + _marker_noise(rng, config, markers, 1 - config.systematic_share, False)
            turn, shift = rigid_fit(pose.apply(markers) + noise, markers)
            seen.append(TrackedPose(RigidTransform.from_parts("tracker", pose.src, turn, shift), n, n / 60, 0.2))
        frames.append(Sighting(*seen))
    relative = plate_in_reference(frames, PLATE.beads_mm, PLATE.markers_mm, REFERENCE_MARKERS, 1.0)
    found_transform = relative @ in_scan
    target = ct_from_plate.apply(TARGET_PLATE)
    truth = plate_from_reference.inverse().apply(TARGET_PLATE)
    return float(np.linalg.norm(found_transform.transform.apply(target) - truth)), found_transform.covariance_at(target)


def _marker_noise(rng: np.random.Generator, config: TrackerConfig, markers: FloatArray, share: float, bias: bool) -> FloatArray:
    made = rng.normal(0, config.reference_calibration_mm, markers.shape) if bias else 0.0
    return rng.normal(0, 1, markers.shape) * np.array(config.fle_mm) * np.sqrt(share) + made


def surfaces(console: Console, tries: int) -> None:
    """Probed points on a real vertebra from starts further and further away."""
    vertebra = _vertebrae("verse005", [VertebraLevel.L3])[VertebraLevel.L3]
    field = vertebra.whole
    everywhere = surface_points(field, CarryConfig(points=100_000))
    arch = everywhere[everywhere[:, 1] > vertebra.wall[0] + 8]
    table = Table(
        title=f"probed points on L3 of verse005 (noise 0.3 mm, {tries} tries each), error at the body's middle and over the bone"
    )
    for column in (
        "points",
        "start off",
        "within 1 mm",
        "refused",
        "wrong, not refused",
        "median mm",
        "95 % mm",
        "over bone mm",
        "predicted rms mm",
        "within bound",
        "s",
    ):
        table.add_column(column, justify="right")
    config = SurfaceConfig(point_error_mm=0.3)
    for name, source, count in (("200 all over", everywhere, 200), ("60 on the arch", arch, 60)):
        for turn, shift in STARTS:
            off, over, predicted, held, refused = [], [], [], [], 0
            began = time.perf_counter()
            for seed in range(tries):
                rng = np.random.default_rng([seed, turn])
                chosen = source[rng.permutation(len(source))[:count]] + rng.normal(0, 0.3, (count, 3))
                truth = RigidTransform.from_parts(
                    field.grid.frame, "patient_ref", Rotation.random(rng=rng).as_matrix(), rng.uniform(-99, 99, 3)
                )
                points = truth.inverse().apply(chosen)
                try:
                    found = register_surface(points, field, _off(truth, turn, shift, points.mean(axis=0), rng), config)
                except RegistrationError:
                    refused += 1
                    continue
                middle = truth.inverse().apply(np.zeros(3))
                off.append(float(np.linalg.norm(found.moved.transform.apply(middle))))
                moved = found.moved.transform.apply(truth.inverse().apply(everywhere[::50])) - everywhere[::50]
                over.append(float(np.sqrt((moved**2).sum(axis=1).mean())))
                expected = error_at(found.moved, middle)
                predicted.append(expected.rms_mm)
                held.append(off[-1] <= expected.bound95_mm)
            right = int((np.array(off) < 1.0).sum())
            table.add_row(
                name,
                f"{turn}° {shift} mm",
                f"{right}/{tries}",
                str(refused),
                str(len(off) - right),
                f"{np.median(off):.2f}" if off else "–",
                f"{np.percentile(off, 95):.2f}" if off else "–",
                f"{np.median(over):.2f}" if over else "–",
                f"{np.median(predicted):.2f}" if predicted else "–",
                f"{sum(held)}/{len(held)}",
                f"{(time.perf_counter() - began) / tries:.2f}",
            )
    console.print(table)


def _off(truth: RigidTransform, turn_deg: float, shift_mm: float, middle: FloatArray, rng: np.random.Generator) -> RigidTransform:
    axis, way = (v / np.linalg.norm(v) for v in rng.normal(size=(2, 3)))
    turn = Rotation.from_rotvec(np.radians(turn_deg) * axis).as_matrix() @ truth.rotation
    return RigidTransform.from_parts(truth.dst, truth.src, turn, truth.apply(middle) + shift_mm * way - turn @ middle)


def _vertebrae(patient: str, levels: list[VertebraLevel]) -> dict[VertebraLevel, Vertebra]:
    return dict(model_spine(LabelFileSegmenter(shared(MASKS[patient])).read(), None, levels).vertebrae)


def carried(console: Console, tries: int) -> None:
    """One vertebra from scan to scan, by surface and by intensity."""
    table = Table(title="a vertebra carried to another scan: largest error over target and entries")
    for column in ("way", "start off", "carried", "refused", "median mm", "max mm", "halves mm", "held out mm", "correlation"):
        table.add_column(column, justify="left" if column == "way" else "right")
    levels = [VertebraLevel.L2, VertebraLevel.L3]
    segmentation = LabelFileSegmenter(shared(MASKS["verse005"])).read()
    pair = model_spine(segmentation, None, levels).vertebrae
    preop = pair[VertebraLevel.L3]
    plan = preop.ct_lps_from_vertebra.apply(PLAN)

    def by_surface(rng: np.random.Generator) -> tuple[Carried, FloatArray, FloatArray]:
        centre = preop.ct_lps_from_vertebra.translation_mm
        turn = Rotation.from_rotvec(rng.normal(0, 0.12, 3)).as_matrix()
        truth = RigidTransform.from_parts("ct_lps", "preop_lps", turn, centre - turn @ centre + rng.normal(0, 10, 3))
        grid = Grid((130, 190, 190), (0.7, 0.7, 1.0), truth.apply(centre) - np.array([66, 45, 65]))
        index = segmentation.grid.indices(truth.inverse().apply(grid.all_points())).reshape(-1, 3).T
        mask = ndi.map_coordinates((segmentation.labels == VertebraLevel.L3.verse_id).astype(np.float32), index, order=1)
        labels = np.where(mask.reshape(grid.shape) > 0.5, VertebraLevel.L3.verse_id, 0).astype(np.uint8)
        intraop = model_spine(from_labels(labels, grid), None, [VertebraLevel.L3]).vertebrae[VertebraLevel.L3]
        return carry_by_surface(preop, intraop), plan, truth.apply(plan)

    _row(table, "surface, verse005 L3", "own frames", by_surface, tries)
    for patient, level, beside in (
        ("verse012", VertebraLevel.L2, VertebraLevel.L3),
        ("totalseg_ct", VertebraLevel.L3, VertebraLevel.L4),
    ):
        ct = load_ct(shared(CTS[patient]))
        spine = _vertebrae(patient, [level, beside])
        bone = spine[level]
        centre = bone.ct_lps_from_vertebra.translation_mm
        made, truth = _rescan(ct, centre)
        for turn, shift in ((0, 0), (5, 5), (8, 8), (12, 12)):

            def by_intensity(rng: np.random.Generator) -> tuple[Carried, FloatArray, FloatArray]:
                start = _off(truth, turn, shift, centre, rng)  # noqa: B023
                found = carry_by_intensity(ct, bone, made, start)  # noqa: B023
                points = bone.ct_lps_from_vertebra.apply(PLAN)  # noqa: B023
                return found, points, truth.apply(points)  # noqa: B023

            _row(table, f"intensity, {patient} {level.value}", f"{turn}° {shift} mm", by_intensity, tries)

        def at_neighbour(rng: np.random.Generator) -> tuple[Carried, FloatArray, FloatArray]:
            step = truth.rotate(spine[beside].ct_lps_from_vertebra.translation_mm - centre)  # noqa: B023
            start = RigidTransform.from_parts("ct_lps", "preop_lps", truth.rotation, truth.translation_mm + step)  # noqa: B023
            points = bone.ct_lps_from_vertebra.apply(PLAN)  # noqa: B023
            return carry_by_intensity(ct, bone, made, start), points, truth.apply(points)  # noqa: B023

        _row(table, f"intensity, {patient} {level.value}", "at the neighbour", at_neighbour, 1)
    console.print(table)


def found(console: Console, tries: int) -> None:
    """Every vertebra looked for in a whole new scan, and in one that does not show it."""
    table = Table(title="a vertebra of the planning CT found in another scan, nothing known of its place (field 160 × 130 mm)")
    for column in ("patient", "vertebrae", "the scan", "right", "refused", "wrong place", "largest mm", "least lead", "median s"):
        table.add_column(column, justify="left" if column in ("patient", "the scan") else "right")
    for patient in ("verse012", "thoracic_ct", "totalseg_ct", "synthetic"):
        ct, spine = _planned(patient)
        levels = sorted(spine, key=lambda v: v.ordinal)
        for shown in (True, False):
            right = refused = wrong = 0
            off, leads, took = [], [], []
            for number, level in enumerate(levels):
                for seed in range(tries):
                    at = spine[level].ct_lps_from_vertebra.translation_mm
                    height = 130.0
                    if not shown:  # the neighbour is in view, the vertebra's middle just outside
                        beside = spine[_far_from(level, levels)].ct_lps_from_vertebra.translation_mm
                        at, height = beside, 2 * float(np.linalg.norm(beside - at)) - 16
                    rng = np.random.default_rng([seed, number])
                    made, truth = _anywhere(ct, at, height, rng)
                    began = time.perf_counter()
                    try:
                        start = find_start(ct, spine[level], made)
                        carry = carry_by_intensity(ct, spine[level], made, start.place.transform)
                    except RegistrationError:
                        refused += 1
                        continue
                    finally:
                        took.append(time.perf_counter() - began)
                    points = spine[level].ct_lps_from_vertebra.apply(PLAN)
                    away = carry.intraop_from_preop.transform.apply(points) - truth.apply(points)
                    off.append(float(np.linalg.norm(away, axis=1).max()))
                    leads.append(start.place.correlation - start.other)
                    right, wrong = right + (off[-1] < 1.0), wrong + (off[-1] >= 1.0)
            table.add_row(
                patient,
                str(len(levels)),
                "shows it" if shown else "shows its neighbours",
                str(right),
                str(refused),
                str(wrong),
                f"{max(off):.2f}" if off else "–",
                f"{min(leads):.2f}" if leads else "–",
                f"{np.median(took):.1f}",
            )
    console.print(table)


def _planned(patient: str) -> tuple[CtVolume, dict[VertebraLevel, Vertebra]]:
    """A CT and its vertebrae."""
    if patient != "synthetic":
        ct = load_ct(shared(CTS[patient]))
        return ct, dict(model_spine(LabelFileSegmenter(shared(MASKS[patient])).read(), None).vertebrae)
    made = generate(PatientSpec(seed=3, spacing_mm=(1.2, 1.2, 1.8)))
    vertebrae = np.where(made.labels == SACRUM_ID, 0, made.labels)
    return CtVolume(made.hu, made.grid, ""), dict(model_spine(from_labels(vertebrae, made.grid), None).vertebrae)


def _far_from(level: VertebraLevel, levels: list[VertebraLevel]) -> VertebraLevel:
    """Two levels down, or up at the end of the spine."""
    here = levels.index(level)
    return levels[here + 2 if here + 2 < len(levels) else here - 2]


def _anywhere(ct: CtVolume, at: FloatArray, height_mm: float, rng: np.random.Generator) -> tuple[CtVolume, RigidTransform]:
    """A scan about a place of the patient, who lies turned by 7° (one sigma about each axis) and 8 mm off the middle."""
    turn = Rotation.from_rotvec(rng.normal(0, 0.12, 3)).as_matrix()
    middle = np.array([0.0, -20, 0]) + rng.normal(0, 8, 3)
    lies = RigidTransform.from_parts("carm", "patient", turn, middle - turn @ at)
    spec = ScanSpec(spacing_mm=(0.8, 0.8, 0.8), field_mm=(160, height_mm), noise_hu=60, shading_hu=60)
    made, truth = scan(ct, lies, spec=spec)
    return made.as_ct(), RigidTransform("ct_lps", "preop_lps", truth.ct_from_patient.matrix)


def _rescan(ct: CtVolume, centre: FloatArray) -> tuple[CtVolume, RigidTransform]:
    turn = Rotation.from_rotvec([0.08, -0.1, 0.05]).as_matrix()
    lies = RigidTransform.from_parts("carm", "patient", turn, np.array([3, -20, 5.0]) - turn @ centre)
    made, truth = scan(ct, lies, spec=ScanSpec(spacing_mm=(0.8, 0.8, 0.8), noise_hu=60, shading_hu=60))
    return made.as_ct(), RigidTransform("ct_lps", "preop_lps", truth.ct_from_patient.matrix)


def _row(
    table: Table, way: str, start: str, run: Callable[[np.random.Generator], tuple[Carried, FloatArray, FloatArray]], tries: int
) -> None:
    off, halves, held, correlation, refused = [], [], [], [], 0
    for seed in range(tries):
        try:
            found, points, truth = run(np.random.default_rng(seed))
        except RegistrationError:
            refused += 1
            continue
        off.append(float(np.linalg.norm(found.intraop_from_preop.transform.apply(points) - truth, axis=1).max()))
        halves.append(found.halves_mm)
        held.append(found.held_out_mm)
        correlation.append(found.correlation)
    figures = (f"{np.median(off):.2f}", f"{np.max(off):.2f}", f"{np.median(halves):.2f}") if off else ("–", "–", "–")
    held_out = f"{np.median(held):.2f}" if off and held[0] is not None else "–"
    alike = f"{np.median(correlation):.2f}" if off and correlation[0] is not None else "–"
    table.add_row(way, start, f"{len(off)}/{tries}", str(refused), *figures, held_out, alike)


def main() -> int:
    """Print five tables."""
    parser = argparse.ArgumentParser(prog="pkp bench registration", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trials", type=int, default=1000, help="simulated registrations for the prediction")
    parser.add_argument("--scans", type=int, default=4, help="simulated scans per voxel size")
    parser.add_argument("--tries", type=int, default=20, help="starts per row of the surface table")
    parser.add_argument("--quick", action="store_true", help="a tenth of it")
    given = parser.parse_args()
    if given.quick:
        given.trials, given.scans, given.tries = 100, 1, 4
    console = Console(width=165, file=sys.stdout)
    coverage(console, given.trials)
    beads(console, given.scans)
    surfaces(console, given.tries)
    carried(console, max(2, given.tries // 4))
    found(console, max(1, given.tries // 20))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
