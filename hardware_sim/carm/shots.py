"""``./pkp drr``: X-ray pictures of a CT as a C-arm would send them, to try plans on X-rays where there are none."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from hardware_sim.carm.xray_dicom import write_xa
from planning_core.errors import InputError, PkpError
from planning_core.geometry import RigidTransform
from planning_core.geometry.arrays import FloatArray
from planning_core.imaging.drr.acquisition import FLUOROSCOPY, Materials, acquire
from planning_core.imaging.ingest import load_ct
from planning_core.imaging.volume import CtVolume
from planning_core.xray.geometry import PinholeView

SIZE, SPACING_MM = (576, 576), (0.5, 0.5)
SOURCE_TO_DETECTOR_MM, SOURCE_TO_ISOCENTRE_MM = 1020.0, 640.0
LETTERS = "abcdefgh"


def take_xrays(
    ct: CtVolume, at_lps_mm: FloatArray, angles_deg: Sequence[tuple[float, float]], out: Path, seed: int = 1
) -> list[Path]:
    """One XA file per pair of positioner angles, the point (3,) ct_lps mm in the isocentre; a.dcm, b.dcm, … below ``out``.

    Raises:
        OutsideViewError: nothing of the CT is in a view.
    """
    here = RigidTransform.from_parts("carm", "ct_lps", np.eye(3), -np.asarray(at_lps_mm))
    patient, images = Materials.of(ct, FLUOROSCOPY), []
    for number, (primary, secondary) in enumerate(angles_deg):
        view = PinholeView.isocentric(primary, secondary, SOURCE_TO_DETECTOR_MM, SOURCE_TO_ISOCENTRE_MM, SIZE, SPACING_MM)
        made = acquire(patient, view.seen_from(here), FLUOROSCOPY.model_copy(update={"seed": seed + number}))
        images.append(attrs.evolve(made, view=view))
    out.mkdir(parents=True, exist_ok=True)
    places = [out / f"{letter}.dcm" for letter, _ in zip(LETTERS, images, strict=False)]
    for place, image in zip(places, images, strict=True):
        write_xa(image, place, seed)
    return places


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="pkp drr",
        description="Simulated X-ray pictures (DICOM XA) of a CT: three energies, scatter, blur, noise; seeded.",
        epilog="The pictures are those of ./pkp bench xray; a real C-arm's are not so kind.",
    )
    parser.add_argument("ct", type=Path, help="DICOM folder or file, NIfTI, NRRD or MetaImage")
    parser.add_argument(
        "--at", required=True, help="x,y,z in ct_lps mm: the middle of the vertebral body, put into the isocentre"
    )
    parser.add_argument("--view", action="append", help="PRIMARY,SECONDARY in degrees, once a picture (default: 0,0 and 90,0)")
    parser.add_argument("--series", help="SeriesInstanceUID or number, where a folder holds several")
    parser.add_argument("--seed", type=int, default=1, help="of the noise")
    parser.add_argument("--out", type=Path, default=Path("xrays"), help="folder for a.dcm, b.dcm, …")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args(_joined(sys.argv[1:] if arguments is None else list(arguments)))
    try:
        result = _made(given)
    except PkpError as error:
        if given.json:
            print(json.dumps(error.as_dict(), default=str))
        print(f"pkp: {error.message}", file=sys.stderr)
        return error.exit_status
    middle = f"{(SIZE[0] - 1) / 2:g},{(SIZE[1] - 1) / 2:g}"
    clicks = " ".join(f"--click {Path(place).stem}:{middle}" for place in result["pictures"])
    plan = f"./pkp plan --xray {' '.join(result['pictures'])} --level LEVEL {clicks}"
    print(json.dumps(result) if given.json else f"{len(result['pictures'])} pictures; the point lies in their middle:\n  {plan}")
    return 0


def _made(given: argparse.Namespace) -> dict[str, Any]:
    at = np.array(_numbers("--at", given.at, 3))
    views = [_numbers("--view", words, 2) for words in given.view or ("0,0", "90,0")]
    if len(views) > len(LETTERS):
        raise InputError(f"{len(views)} views, at most {len(LETTERS)}", given=len(views))
    ct = load_ct(given.ct, given.series)
    inside = ct.grid.indices(at)
    if not all(0 <= i <= n - 1 for i, n in zip(inside[::-1], ct.grid.shape, strict=True)):
        raise InputError(f"--at {given.at} lies outside the CT", given=given.at)
    places = take_xrays(ct, at, [(primary, secondary) for primary, secondary in views], given.out, given.seed)
    return {
        "pictures": [str(place) for place in places],
        "angles_deg": views,
        "at_lps_mm": at.tolist(),
        "warnings": list(ct.warnings),
    }


def _numbers(option: str, words: str, count: int) -> list[float]:
    try:
        found = [float(word) for word in words.split(",")]
    except ValueError:
        found = []
    if len(found) != count or not np.isfinite(found).all():
        raise InputError(f"{option} needs {count} numbers with commas between, got {words!r}", given=words)
    return found


def _joined(words: list[str]) -> list[str]:
    """``--at -1,2,3`` as one word, which argparse would else take for an option."""
    for number, word in enumerate(words[:-1]):
        if word in ("--at", "--view"):
            words[number : number + 2] = [f"{word}={words[number + 1]}", ""]
    return [word for word in words if word]


if __name__ == "__main__":
    raise SystemExit(main())
