"""The picture that goes with an ambiguous numbering: the spine with what each vertebra could be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from planning_core.case.folder import Case
from planning_core.case.report.colours import BODY, INK, PAPER
from planning_core.case.report.pictures import WINDOW_HU, finished, outlined, plt
from planning_core.imaging.ingest import load_ct


def write_numbering_picture(case: Case, ct_path: Path, series: str | None, candidates: list[dict[str, Any]]) -> Path:
    """``numbering.png``: a sagittal picture along the spine, one column of names per candidate, and each body's point.

    Args:
        candidates: as carried by ``AmbiguousLevelError``.
    """
    ct = load_ct(ct_path, series)
    places = sorted({tuple(point) for c in candidates for point in c["levels"].values()}, key=lambda p: p[2])
    known = np.array(places)
    z = np.arange(known[:, 2].min() - 40, known[:, 2].max() + 40, 0.8)
    y = np.arange(known[:, 1].min() - 50, known[:, 1].max() + 90, 0.8)
    x = np.interp(z, known[:, 2], known[:, 0])
    points = np.stack(np.broadcast_arrays(x[::-1, None], y[None, :], z[::-1, None]), axis=-1)
    figure = plt.figure(figsize=(9, 9), dpi=110, facecolor=PAPER)
    axes = figure.add_axes((0.01, 0.01, 0.98, 0.93))
    axes.imshow(ct.at(points), cmap="gray", vmin=WINDOW_HU[0], vmax=WINDOW_HU[1], extent=(y[0], y[-1], z[0], z[-1]))
    for number, candidate in enumerate(candidates):
        column = y[-1] + 14 + 22 * number
        axes.text(column, z[-1] - 4, f"{candidate['probability']:.0%}", color=BODY, fontsize=10, ha="center", va="top")
        for name, (_, _, height) in candidate["levels"].items():
            axes.text(column, height, name, color=INK, fontsize=10, ha="center", va="center")
    for px, py, pz in places:
        axes.plot(py, pz, "+", color=BODY)
        axes.text(py + 3, pz + 3, f"{px:.0f},{py:.0f},{pz:.0f}", color=BODY, fontsize=7, path_effects=outlined())
    axes.set_xlim(y[0], y[-1] + 22 * len(candidates) + 8)
    axes.set_axis_off()
    figure.text(0.02, 0.96, "Which numbering? Name one vertebra: --level LEVEL --at x,y,z", color=INK, fontsize=11)
    return case.write("numbering.png", finished("numbering", figure).png())
