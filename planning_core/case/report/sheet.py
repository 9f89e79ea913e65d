"""report.png: one sheet with the verdict, every reason, the numbers and the pictures."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from planning_core.case.plan import DISCLAIMER, Plan
from planning_core.case.report.colours import INK, PAPER, SOFT, rgb
from planning_core.case.report.drawings import Drawings
from planning_core.case.report.pictures import DPI, Picture, finished, plt

VERDICTS = {"accept": ("Accept", "#7bd88f"), "review": ("Review", "#f0c75e"), "refuse": ("Refused", "#e2574c")}
GAP = 12
CHARACTERS = 165
"""Of a reason that fit on one line of the sheet."""
LINE_IN = 0.24


def sheet(plan: Plan, drawings: Drawings) -> Picture:
    """The sheet; it grows with the reasons, none is cut off."""
    rows = [
        _beside([*drawings.slices.standard, drawings.overview.spine]),
        _beside(drawings.slices.along) if drawings.slices.along else None,
        _beside([drawings.still, drawings.overview.heights]),
    ]
    bodies = [row for row in rows if row is not None]
    width = max(row.shape[1] for row in bodies)
    parts = [_head(plan, width), *bodies, _foot(plan, width)]
    return Picture(f"Plan of {plan.level}", np.concatenate([_widened(part, width) for part in parts]))


def _head(plan: Plan, width: int) -> NDArray[np.uint8]:
    word, colour = VERDICTS[plan.verdict]
    lines = [
        line
        for reason in (*plan.reasons, *(f"no path: {why}" for why in plan.refused_paths))
        for line in textwrap.wrap(reason, CHARACTERS, initial_indent="•  ", subsequent_indent="    ")
    ]
    height = 1.0 + LINE_IN * len(lines)
    figure = plt.figure(figsize=(width / DPI, height), dpi=DPI, facecolor=PAPER)
    inch = 1 / height
    figure.text(0.006, 1 - 0.38 * inch, f"OpenPKP · {plan.level} · {word}", color=colour, fontsize=20, fontweight="bold")
    figure.text(
        0.006,
        1 - 0.72 * inch,
        f"recommended {plan.recommended_ml:.1f} ml liquid ({plan.product})     deficit {plan.defect_ml:.1f} ml "
        f"[{plan.defect_ml_low:.1f}, {plan.defect_ml_high:.1f}]     fill {plan.fill_percent:.0f} %     Genant {plan.genant}",
        color=INK,
        fontsize=13,
        parse_math=False,
    )
    for number, line in enumerate(lines):
        figure.text(0.006, 1 - (1.0 + LINE_IN * number) * inch, line, color=INK, fontsize=10.5, parse_math=False)
    return finished("head", figure).pixels


def _foot(plan: Plan, width: int) -> NDArray[np.uint8]:
    figure = plt.figure(figsize=(width / DPI, 0.28), dpi=DPI, facecolor=PAPER)
    figure.text(0.006, 0.4, f"{DISCLAIMER} plan {plan.plan_hash[:16]}", color=SOFT, fontsize=9)
    return finished("foot", figure).pixels


def _beside(pictures: Sequence[Picture]) -> NDArray[np.uint8]:
    height = max(picture.pixels.shape[0] for picture in pictures) + GAP
    columns = []
    for picture in pictures:
        high, wide, _ = picture.pixels.shape
        column = _paper(height, wide + GAP)
        column[GAP // 2 : GAP // 2 + high, GAP // 2 : GAP // 2 + wide] = picture.pixels
        columns.append(column)
    return np.concatenate(columns, axis=1)


def _widened(row: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    return np.concatenate([row, _paper(row.shape[0], width - row.shape[1])], axis=1)


def _paper(height: int, width: int) -> NDArray[np.uint8]:
    colour = np.round(rgb(PAPER) * 255).astype(np.uint8)
    return np.broadcast_to(colour, (height, width, 3)).copy()
