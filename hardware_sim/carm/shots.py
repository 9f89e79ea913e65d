"""``./pkp drr``: X-ray pictures of a CT as a C-arm would send them, to try plans on X-rays where there are none."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from hardware_sim.carm.xray_dicom import is_simulated, write_xa
from planning_core.command import joined, numbers
from planning_core.edge import Parser, ended
from planning_core.errors import InputError
from planning_core.geometry import RigidTransform
from planning_core.imaging.drr.acquisition import FLUOROSCOPY, Materials, acquire
from planning_core.imaging.ingest import load_ct
from planning_core.imaging.volume import CtVolume
from planning_core.xray.click_words import letter
from planning_core.xray.geometry import PinholeView

SIZE, SPACING_MM = (576, 576), (0.5, 0.5)
SOURCE_TO_DETECTOR_MM, SOURCE_TO_ISOCENTRE_MM = 1020.0, 640.0
MOST = 8
"""So many pictures make a case at most."""


class OtherPicturesError(InputError):
    """The folder holds pictures among which the new ones would lie, or that they would replace. Carries ``found``: how many."""

    code = "other_pictures"


def take_xrays(ct: CtVolume, carm_from_ct: RigidTransform, views: Sequence[PinholeView], out: Path, seed: int = 1) -> list[Path]:
    """One XA file per view in ``carm``, the CT lying there as ``carm_from_ct`` says; a.dcm, b.dcm, … below ``out``.

    Raises:
        OutsideViewError: nothing of the CT is in a view.
    """
    patient, images = Materials.of(ct, FLUOROSCOPY), []
    for number, view in enumerate(views):
        made = acquire(patient, view.seen_from(carm_from_ct), FLUOROSCOPY.model_copy(update={"seed": seed + number}))
        images.append(attrs.evolve(made, view=view))
    out.mkdir(parents=True, exist_ok=True)
    places = [out / f"{letter(number)}.dcm" for number in range(len(images))]
    for place, image in zip(places, images, strict=True):
        write_xa(image, place, seed)
    return places


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; returns the exit status (docs/exit_codes.md)."""
    return ended(arguments, _run)


def _run(words: list[str]) -> int:
    parser = Parser(
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
    given = parser.parse_args(joined(words, "--at", "--view"))
    if given.seed < 0:
        parser.error("--seed is 0 or more")
    result = _made(given)
    middle = f"{(SIZE[0] - 1) / 2:g},{(SIZE[1] - 1) / 2:g}"
    clicks = " ".join(f"--click {Path(place).stem}:{middle}" for place in result["pictures"])
    plan = f"./pkp plan --xray {' '.join(result['pictures'])} --level LEVEL {clicks}"
    print(json.dumps(result) if given.json else f"{len(result['pictures'])} pictures; the point lies in their middle:\n  {plan}")
    return 0


def _refuse_others(out: Path, names: Sequence[str]) -> None:
    """Simulated pictures are made anew; what else lies there might be taken for one of them, or be somebody's."""
    others = [place for place in out.glob("*.dcm") if place.name not in names or not is_simulated(place)]
    if others:
        raise OtherPicturesError(
            f"the folder of --out already holds {len(others)} other DICOM pictures: choose another, or take them away",
            found=len(others),
        )


def _made(given: argparse.Namespace) -> dict[str, Any]:
    at = numbers(given.at, 3, "--at needs 3 numbers with commas between")
    angles = [numbers(words, 2, "--view needs 2 numbers with commas between").tolist() for words in given.view or ("0,0", "90,0")]
    if len(angles) > MOST:
        raise InputError(f"{len(angles)} views, at most {MOST}", given=len(angles))
    _refuse_others(given.out, [f"{letter(number)}.dcm" for number in range(len(angles))])
    ct = load_ct(given.ct, given.series)
    if not ct.grid.contains(at):
        raise InputError(f"--at {given.at} lies outside the CT", given=given.at)
    here = RigidTransform.from_parts("carm", "ct_lps", np.eye(3), -at)
    distances = SOURCE_TO_DETECTOR_MM, SOURCE_TO_ISOCENTRE_MM
    views = [PinholeView.isocentric(primary, secondary, *distances, SIZE, SPACING_MM) for primary, secondary in angles]
    places = take_xrays(ct, here, views, given.out, given.seed)
    return {
        "pictures": [str(place) for place in places],
        "angles_deg": angles,
        "at_lps_mm": at.tolist(),
        "warnings": list(ct.warnings),
    }


if __name__ == "__main__":
    raise SystemExit(main())
