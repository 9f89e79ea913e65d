"""The projector against the PyPI package diffdrr: the same volume, rays and picture, on this CPU, in one run.

    ./pkp bench drr [--size 256] [--angles 0 0 90 0 35 -15] [--peer FOLDER]

diffdrr stays out of this project's environment (it needs torch). To compare, put it in a folder of its own and name that:

    pip install --target FOLDER "torch==2.13.0" --index-url https://download.pytorch.org/whl/cpu
    pip install --target FOLDER --no-deps diffdrr==0.6.1

Only its Siddon renderer is timed, on rays made beforehand, in blocks of rows that fit in memory: what it spends on poses and detector is
left out, to its advantage. Ours is timed whole, from the view to the picture, on the same number of threads. "cpu" compares processor
time, which other work on the machine disturbs less.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np

from planning_core.imaging.drr import attenuation, line_integrals, line_integrals_and_slopes
from planning_core.imaging.drr.projector import smooth_line_integrals
from planning_core.imaging.ingest import load_ct
from planning_core.xray.geometry import PinholeView
from tests.data import SHARED, THORACIC_CT

REPEATS = 5
ROWS_OF_PEER = 32
FIELD_MM = 420.0
NEEDED_FASTER, NEEDED_SAME = 100.0, 0.01


def best_of(what, repeats=REPEATS):
    """The result, the shortest of several runs and the least processor time, s; the first run, which compiles, does not count."""
    what()
    wall = cpu = np.inf
    for _ in range(repeats):
        began, worked = time.perf_counter(), time.process_time()
        result = what()
        wall, cpu = min(wall, time.perf_counter() - began), min(cpu, time.process_time() - worked)
    return result, wall, cpu


def peer_renderer(folder, threads):
    """diffdrr's Siddon, or why not."""
    if folder:
        sys.path.append(str(folder))
    try:
        import torch
        from diffdrr.renderers import Siddon
    except ImportError as missing:
        return None, f"peer not installed ({missing}); this module's docstring says how"
    torch.set_num_threads(threads)
    return (torch, Siddon()), f"diffdrr Siddon, torch {torch.__version__}, {threads} threads"


def peer_picture(peer, volume, view):
    """diffdrr's picture of the same rays, and the seconds that its renderer took by the clock and of the processors."""
    torch, renderer = peer
    pixels = np.stack(np.mgrid[: view.size[0], : view.size[1]], axis=-1).astype(float)
    target_mm = view.detector_points(pixels)
    source = volume.grid.indices(view.source_mm)[::-1]
    target = volume.grid.indices(target_mm)[..., ::-1]
    length = np.linalg.norm(target_mm - view.source_mm, axis=-1)
    mu = torch.from_numpy(np.ascontiguousarray(volume.mu.transpose(2, 1, 0)))
    s = torch.tensor(source.copy(), dtype=torch.float32)[None, None]
    picture, wall, cpu = np.empty(view.size, np.float32), 0.0, 0.0
    with torch.no_grad():
        for start in range(0, view.size[0], ROWS_OF_PEER):
            rows = slice(start, start + ROWS_OF_PEER)
            t = torch.tensor(target[rows].reshape(1, -1, 3).copy(), dtype=torch.float32)
            lengths = torch.tensor(length[rows].reshape(1, 1, -1), dtype=torch.float32)
            began, worked = time.perf_counter(), time.process_time()
            rendered = renderer(mu, s, t, lengths)
            wall, cpu = wall + time.perf_counter() - began, cpu + time.process_time() - worked
            picture[rows] = rendered.numpy().reshape(-1, view.size[1])
    return picture, wall, cpu


def main(arguments: list[str] | None = None) -> int:
    """Print the table; 1 where the peer is there and the figures are not reached."""
    parser = argparse.ArgumentParser(
        prog="pkp bench drr", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument(
        "--angles", type=float, nargs="+", default=[0.0, 0.0, 90.0, 0.0, 35.0, -15.0], help="primary, secondary, ..."
    )
    parser.add_argument("--peer", type=Path, help="folder that holds torch and diffdrr")
    given = parser.parse_args(arguments)
    path = SHARED / THORACIC_CT
    if not path.exists():
        print(f"{THORACIC_CT} is not here (looked in {SHARED}; set OPENPKP_DATA)")
        return 1
    threads = len(os.sched_getaffinity(0))
    ct = load_ct(path)
    volume = attenuation(ct)
    middle = ct.grid.points((np.array(ct.grid.shape) - 1) / 2)
    peer, word = peer_renderer(given.peer, threads)
    print(
        f"{path.name}, {' x '.join(map(str, ct.grid.shape[::-1]))} voxels, {given.size} x {given.size} pixels, {threads} threads\npeer: {word}\n"
    )
    print(
        f"{'view':>12} {'Siddon ms':>10} {'smooth ms':>10} {'+ 6 slopes':>10} {'peer ms':>9} {'faster':>7} {'cpu':>7} {'differ max':>10} {'mean':>8} {'>1 %':>7}"
    )
    reached = True
    for primary, secondary in zip(given.angles[::2], given.angles[1::2], strict=True):
        view = PinholeView.isocentric(
            primary,
            secondary,
            1020.0,
            700.0,
            (given.size,) * 2,
            (FIELD_MM / given.size,) * 2,
            frame="ct_lps",
            isocentre_mm=middle,
        )
        ours, siddon_s, siddon_cpu_s = best_of(partial(line_integrals, volume, view))
        _, smooth_s, _ = best_of(partial(smooth_line_integrals, volume, view), 2)
        _, slopes_s, _ = best_of(partial(line_integrals_and_slopes, volume, view, middle), 2)
        row = f"{primary:6.0f} {secondary:5.0f} {siddon_s * 1e3:10.1f} {smooth_s * 1e3:10.1f} {slopes_s * 1e3:10.1f}"
        if peer is None:
            print(row, f"{'-':>9}")
            continue
        peer_picture(peer, volume, view.binned(8))  # warms up
        theirs, peer_s, peer_cpu_s = peer_picture(peer, volume, view)
        # against each pixel's own integral; rays that only graze the volume against a hundredth of the largest
        apart = np.abs(ours - theirs) / np.maximum(theirs, 0.01 * theirs.max())
        faster, off = peer_s / siddon_s, float((apart > NEEDED_SAME).mean())
        reached &= faster >= NEEDED_FASTER and float(apart.max()) <= NEEDED_SAME
        print(
            row,
            f"{peer_s * 1e3:9.0f} {faster:6.0f}x {peer_cpu_s / siddon_cpu_s:6.0f}x {apart.max():10.5f} {apart.mean():8.1e} {off:7.4%}",
            flush=True,
        )
    if peer is not None:
        print(
            f"\n{'reached' if reached else 'NOT REACHED'}: at least {NEEDED_FASTER:.0f}x faster, every pixel within {NEEDED_SAME:.0%}"
        )
    return 0 if reached else 1


if __name__ == "__main__":
    raise SystemExit(main())
