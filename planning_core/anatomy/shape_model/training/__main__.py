"""Learn the shape models: ``python -m planning_core.anatomy.shape_model.training OUT [--data DATA] [--extra FOLDER] …``.

Without ``--data`` the shapes that the shipped models were learned from are taken as they are (seconds); with it they are drawn
anew from the project's shared data (minutes). ``--extra`` adds one's own: label maps in VerSe's or CTSpine1K's layout, or meshes.
``--without PATIENT`` leaves one out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from planning_core.anatomy.shape_model.region import Region
from planning_core.anatomy.shape_model.store import save_shape_model
from planning_core.anatomy.shape_model.training.correspondence import Correspondence, correspond, shipped_shapes
from planning_core.anatomy.shape_model.training.learning import learn
from planning_core.anatomy.shape_model.training.surfaces import folder_subjects, shared_subjects
from planning_core.errors import PkpError


def tell(line: str) -> None:
    """One line of progress."""
    print(line, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw, learn and write ``shapes.npz`` and a model per region."""
    parser = argparse.ArgumentParser(prog="python -m planning_core.anatomy.shape_model.training")
    parser.add_argument("out", type=Path, help="folder for the models")
    parser.add_argument("--data", type=Path, help="folder of the shared data, to draw everything anew")
    parser.add_argument("--extra", type=Path, action="append", default=[], help="folder of further patients")
    parser.add_argument("--without", default="", help="a patient to leave out")
    parser.add_argument("--region", choices=[r.value for r in Region], action="append", help="only these; all by default")
    given = parser.parse_args(arguments)
    try:
        known = correspond(list(shared_subjects(given.data)), tell) if given.data else shipped_shapes()
        for folder in given.extra:
            known = known.with_more(folder_subjects(folder), tell)
        given.out.mkdir(parents=True, exist_ok=True)
        known.save(given.out / "shapes.npz")
        known = Correspondence.load(given.out / "shapes.npz")  # rounded: drawn anew or read, the same models come out
        for region in Region if given.region is None else map(Region, given.region):
            model = learn(known, region, given.without)
            save_shape_model(model, given.out / f"{region.value}.npz")
            tell(f"{region.value}: {len(model.mean)} vertices, {model.mode_count} modes of {model.sigma_mm.round(2).tolist()} mm")
    except PkpError as error:
        tell(f"refused: {error.message}")
        return error.exit_status
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
