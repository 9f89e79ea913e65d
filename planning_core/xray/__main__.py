"""``./pkp calibrate``: a C-arm's geometry from a picture of the bead phantom, and the picture straightened."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from planning_core.edge import Parser, ended
from planning_core.errors import InputError
from planning_core.xray.calibration import CarmCalibration, calibrate
from planning_core.xray.image import read_xray
from planning_core.xray.phantom import helix_phantom, read_phantom
from planning_core.xray.picture import write_xray


class OutTakenError(InputError):
    """``--out`` would replace a file that belongs to something else. Carries ``given`` and ``taken``, their names."""

    code = "out_taken"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; returns the exit status (docs/exit_codes.md)."""
    return ended(arguments, _run)


def _run(words: list[str]) -> int:
    parser = Parser(
        prog="pkp calibrate",
        description="Where the source was and how the detector bends lines, from one picture with the bead phantom in it.",
        epilog="The picture is written straightened, in the phantom's frame, for ./pkp plan --xray: lay the phantom with its x "
        "to the patient's left, y to the back, z to the head, and take every picture with it in view.",
    )
    parser.add_argument(
        "image", type=Path, help="X-ray image (DICOM, or a picture with a geometry file): its own geometry is a start"
    )
    parser.add_argument(
        "--phantom", type=Path, help="JSON file of the phantom's beads (default: the helix of docs/algorithms/xray.md)"
    )
    parser.add_argument("--frame", type=int, help="of a run of several, from 0")
    parser.add_argument("--out", type=Path, help="NPZ file to write, its geometry beside it (default: <image>_calibrated.npz)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args(words)
    result = _calibrated(given)
    print(json.dumps(result) if given.json else _summary(result))
    return 0


def _calibrated(given: argparse.Namespace) -> dict[str, Any]:
    out = _free_place(given)
    phantom = helix_phantom() if given.phantom is None else read_phantom(given.phantom)
    image = read_xray(given.image, given.frame)
    found = calibrate(image, phantom)
    write_xray(found.straightened(image), out)
    return {**_facts(found), "of_beads": len(phantom.beads_mm), "picture": str(out), "warnings": list(image.warnings)}


def _free_place(given: argparse.Namespace) -> Path:
    """Where to write the NPZ; its geometry file lies beside it under the same name.

    Raises:
        OutTakenError: that is one of the files that are read, or the geometry of some other picture. InputError: no NPZ file.
    """
    out: Path = given.out or given.image.parent / f"{given.image.stem}_calibrated.npz"
    if out.suffix != ".npz":
        raise InputError(f"--out names an .npz file, not {out.name}", given=out.name)
    beside = out.with_suffix(".json")
    inputs = (given.image, given.image.parent / f"{given.image.stem}.json", given.phantom)
    read = {place.resolve() for place in inputs if place is not None}
    for place in (out, beside):
        of_another = place is beside and not out.exists()
        if place.exists() and (of_another or place.resolve() in read):
            raise OutTakenError(
                f"--out {out.name} would replace {place.name}, which belongs to something else: choose another name",
                given=out.name,
                taken=place.name,
            )
    return out


def _facts(found: CarmCalibration) -> dict[str, Any]:
    view = found.view
    return {
        "beads": len(found.pairs),
        "rms_mm": round(found.rms_mm, 4),
        "rms_px": round(found.rms_px, 4),
        "source_to_detector_mm": round(view.source_to_detector_mm, 2),
        "source_sigma_mm": round(found.source_sigma_mm, 2),
        "principal_point_px": [round(float(c), 2) for c in view.intrinsic[1::-1, 2]],
        "centre_sigma_px": round(found.centre_sigma_px, 2),
        "distortion": {"radial": round(found.distortion.radial, 5), "spiral": round(found.distortion.spiral, 5)},
    }


def _summary(result: dict[str, Any]) -> str:
    row, column = result["principal_point_px"]
    bent = result["distortion"]
    lines = [
        f"{result['beads']} of {result['of_beads']} beads, reprojected to {result['rms_mm']:.3f} mm rms on the detector",
        f"source {result['source_to_detector_mm']:.1f} mm from the detector (± {result['source_sigma_mm']:.1f}), "
        f"above row {row:.1f}, column {column:.1f} (± {result['centre_sigma_px']:.1f})",
        f"distortion: radial {bent['radial']:+.4f}, S-shaped {bent['spiral']:+.4f} rad, at the border",
        *(f"note: {words}" for words in result["warnings"]),
        f"straightened: {result['picture']}",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
