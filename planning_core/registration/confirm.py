"""``./pkp confirm``: a case's plan on its CT, seen in X-ray pictures of the patient on the table, and how far off it may be."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from planning_core.case import audit
from planning_core.case.folder import Case
from planning_core.case.inputs import CtChangedError, ct_series, ct_source, load_case_ct
from planning_core.case.planned import planned_bone
from planning_core.case.revisions import open_plan
from planning_core.command import Progress
from planning_core.edge import Parser, ended
from planning_core.errors import InputError
from planning_core.imaging.identity import read_identity
from planning_core.pipeline import Clock
from planning_core.xray.click_words import letter, read_clicks, read_frames
from planning_core.xray.planning import NotTrustedError
from planning_core.xray.request import WHO, header_of, plain, read_together, words_of

FOLDER, NAME = "confirmation", "confirmation.json"


class NoClicksError(InputError):
    """Nobody showed the vertebra in the pictures; its neighbours look alike."""

    code = "no_clicks"


class NotConfirmedError(NotTrustedError):
    """The vertebra does not lie surely over the pictures. Carries all that a confirmation says, the ``doubts`` first."""

    code = "not_confirmed"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; returns the exit status (docs/exit_codes.md)."""
    return ended(arguments, _run)


def _run(words: list[str]) -> int:
    parser = Parser(
        prog="pkp confirm",
        description="Where the paths of a plan on a CT lie in two or more X-ray pictures, and the error to expect there.",
        epilog="Look at the pictures that it writes: the outline must lie on the bone. Status 5: not to be believed.",
    )
    parser.add_argument("case", type=Path, help="case folder of the plan; its CT must still lie where it was")
    parser.add_argument("images", nargs="+", type=Path, help="X-ray images (DICOM, or pictures with a geometry file)")
    parser.add_argument("--click", action="append", default=[], help="as for ./pkp plan --xray; one on the body at least")
    parser.add_argument("--frame", action="append", default=[], help="b:12: frame of X-ray image b, from 0")
    parser.add_argument("--plan", default="", help="hash of the plan (default: the case's newest)")
    parser.add_argument("--out", type=Path, help=f"folder for the pictures and {NAME} (default: CASE/{FOLDER})")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args(words)
    result = _confirmed(given)
    print(json.dumps(result) if given.json else _summary(result))
    return 0


def _confirmed(given: argparse.Namespace) -> dict[str, Any]:
    plan = open_plan(given.case, given.plan)
    clicks = read_clicks(given.click, len(given.images))
    if clicks is None:
        raise NoClicksError(f"where is {plan.level}? Click the middle of its body in every picture: --click a:ROW,COLUMN …")
    case, out = Case(given.case), Case(given.out or given.case / FOLDER)
    with Progress() as progress, case.writing():
        clock = Clock(progress)
        with clock("read"):
            images = read_together(given.images, read_frames(given.frame, len(given.images)))
            clicks.check([image.view for image in images])
            ct = load_case_ct(case.path, plan.configuration.imaging)
            if ct.sha256 != plan.ct_sha256:
                raise CtChangedError("the plan was not made on the case's CT", held=plan.ct_sha256 or "", found=ct.sha256)
            others = _other_patient(case.path, given.images)
        with clock("model"):
            vertebra, segmentation = planned_bone(case, plan)
        with clock("lay"):
            from planning_core.registration.confirmation import confirm

            done = confirm(plan, ct, vertebra, segmentation, images, clicks, others)
        with clock("report"):
            from planning_core.xray.report import draw_view

            for old in (out.path / NAME, *out.path.glob(f"{FOLDER}_[a-z].png")):
                old.unlink(missing_ok=True)
            result = done.facts()
            for n, (image, lines, said) in enumerate(zip(images, done.lines, result["pictures"], strict=True)):
                title = f"picture {letter(n)}: {plan.level} and its paths as planned on the CT"
                said["drawn"] = str(out.write(f"{FOLDER}_{letter(n)}.png", draw_view(title, image, lines).png()))
            out.write(NAME, (json.dumps(result, sort_keys=True, indent=1) + "\n").encode())
            facts = {key: result[key] for key in ("level", "plan_hash", "trusted", "doubts")}
            audit.record(case.path, "confirmation", **facts, xray_sha256=[image.sha256 for image in images])
    if done.doubts:
        raise NotConfirmedError(
            f"{plan.level}: not confirmed: {'; '.join(done.doubts)}. What was found is drawn in {out.path}, not to be used",
            **result,
        )
    return {**result, "seconds": clock.seconds}


def _other_patient(case: Path, pictures: Sequence[Path]) -> tuple[str, ...]:
    """A doubt where headers of the CT and of the pictures name different patients; whom, they do not learn."""
    of_ct = read_identity(ct_source(case), ct_series(case))
    ours = dict(zip(WHO, map(plain, (of_ct.patient_id, of_ct.birth_date, of_ct.name)), strict=True))
    theirs = [words_of(header_of(path)) for path in pictures]
    differ = [tag for tag, value in ours.items() if value and any(said.get(tag, value) != value for said in theirs)]
    return (f"the pictures name another patient than the CT does, by {', '.join(differ)}",) if differ else ()


def _summary(result: dict[str, Any]) -> str:
    likeness = ", ".join(
        f"{letter(n)} {like:.2f} ({beyond:.0f} sigmas above elsewhere)"
        for n, (like, beyond) in enumerate(zip(result["likeness"], result["significance"], strict=True))
    )
    lines = [f"{result['level']} lies over the pictures as planned on the CT: likeness {likeness}"]
    for path in result["paths"]:
        entry, target = (f"{path[end]['bound95_mm']:.2f} mm ({path[end]['rms_mm']:.2f} rms)" for end in ("entry", "target"))
        lines.append(f"path {path['side']} {path['kind'].replace('_', ' ')}: within {entry} at the entry, {target} at the target")
    lines += [f"  - {words}" for words in result["notes"]]
    for n, picture in enumerate(result["pictures"]):
        lines += [f"note on {letter(n)}: {words}" for words in picture["warnings"]] + [f"look at {picture['drawn']}"]
    return "\n".join([*lines, "Research software, not a medical device."])


if __name__ == "__main__":
    raise SystemExit(main())
