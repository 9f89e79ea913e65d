"""Line integrals of a volume along a view's rays, and their derivative with respect to the volume's pose."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from planning_core.geometry import FrameMismatchError
from planning_core.geometry.arrays import Float32Array, FloatArray
from planning_core.imaging.drr.attenuation import AttenuationVolume
from planning_core.xray.geometry import PinholeView
from planning_core.xray.refusals import OutsideViewError

ROWS_AT_ONCE = 8
"""A block of rows is a thread's piece of work: small, for rays through bone take longer than those beside it."""

IndexRays = tuple[FloatArray, FloatArray, FloatArray, FloatArray]


def line_integrals(volume: AttenuationVolume, view: PinholeView, threads: int | None = None) -> Float32Array:
    """(rows, columns) float32: exact integrals over constant voxels along the ray of each pixel's centre (Siddon 1985).

    Args:
        volume: in the view's frame. threads: as many as the process may use when ``None``.

    Raises:
        FrameMismatchError: volume and view are of different frames.
        OutsideViewError: the source or the detector stands inside the volume.
    """
    from planning_core.imaging.drr.kernels import siddon_rows

    rays = _rays(volume, view)
    out = np.empty(view.size, np.float32)
    voxels, spacing = volume.in_memory(), np.array(volume.grid.spacing_mm)

    def rows(start: int, stop: int) -> None:
        siddon_rows(*voxels, *rays, spacing, start, stop, out)

    _in_threads(rows, view.size[0], threads)
    return out


def line_integrals_and_slopes(
    volume: AttenuationVolume, view: PinholeView, about_mm: FloatArray, threads: int | None = None
) -> tuple[Float32Array, Float32Array]:
    """Integrals over interpolated values (Joseph 1982) and how they change as the volume moves.

    Siddon's integral jumps in its derivative wherever a ray passes an edge of voxels; this one does not, which a search needs.

    Args:
        about_mm: (3,) in the view's frame: what the volume turns about.

    Returns:
        (rows, columns) float32, and (rows, columns, 6) float32 per radian about and per mm along the frame's x, y, z: the
        volume's points move by ``turn x (p - about) + shift``.

    Raises:
        FrameMismatchError, OutsideViewError: see ``line_integrals``.
    """
    out, ends = _joseph(volume, view, True, threads)
    per_mm = -(volume.grid.direction / np.array(volume.grid.spacing_mm)).T.astype(np.float32)
    # moving the volume is moving the rays the other way: hence the minus
    by_source, by_pixel = ends[..., :3] @ per_mm, ends[..., 3:] @ per_mm
    rows, columns = np.mgrid[: view.size[0], : view.size[1]]
    pixels = (view.detector_points(np.stack([rows, columns], axis=-1)) - about_mm).astype(np.float32)
    source = (view.source_mm - about_mm).astype(np.float32)
    turn = np.cross(np.broadcast_to(source, pixels.shape), by_source) + np.cross(pixels, by_pixel)
    return out, np.concatenate([turn, by_source + by_pixel], axis=-1)


def smooth_line_integrals(volume: AttenuationVolume, view: PinholeView, threads: int | None = None) -> Float32Array:
    """(rows, columns) float32: the integrals of ``line_integrals_and_slopes`` alone.

    Raises:
        FrameMismatchError, OutsideViewError: see ``line_integrals``.
    """
    return _joseph(volume, view, False, threads)[0]


def _joseph(volume: AttenuationVolume, view: PinholeView, slopes: bool, threads: int | None) -> tuple[Float32Array, Float32Array]:
    from planning_core.imaging.drr.kernels import joseph_rows

    source, first, down, across = rays = _rays(volume, view)
    # one main direction for the whole picture: where it changed, the picture would jump
    main = int(np.abs(first + down * (view.size[0] - 1) / 2 + across * (view.size[1] - 1) / 2 - source).argmax())
    out = np.empty(view.size, np.float32)
    ends = np.empty((*view.size, 6) if slopes else (0, 0, 6), np.float32)
    voxels, spacing = volume.in_memory(), np.array(volume.grid.spacing_mm)

    def rows(start: int, stop: int) -> None:
        joseph_rows(*voxels, main, *rays, spacing, start, stop, out, ends)

    _in_threads(rows, view.size[0], threads)
    return out, ends


def _rays(volume: AttenuationVolume, view: PinholeView) -> IndexRays:
    """Source, first pixel, steps to the next row and column, (3,) i, j, k each, the volume's faces at whole numbers."""
    if volume.grid.frame != view.frame:
        raise FrameMismatchError(
            f"a volume in {volume.grid.frame} cannot be seen by a view of {view.frame}", left=volume.grid.frame, right=view.frame
        )
    corners = volume.grid.points(np.stack(np.meshgrid(*[(-0.5, n - 0.5) for n in volume.grid.shape], indexing="ij"), axis=-1))
    depth = view.depth_mm(corners)
    if depth.min() <= 0 or depth.max() >= view.source_to_detector_mm:
        raise OutsideViewError(
            f"the volume reaches from {depth.min():.0f} to {depth.max():.0f} mm before the source, the detector stands at "
            f"{view.source_to_detector_mm:.0f} mm",
            count=int((depth <= 0).sum() + (depth >= view.source_to_detector_mm).sum()),
        )
    at = volume.grid.indices(np.vstack([view.source_mm, view.detector_points([[0, 0], [1, 0], [0, 1]])]))[:, ::-1] + 0.5
    source, first, below, beside = np.ascontiguousarray(at)
    return source, first, below - first, beside - first


def _in_threads(rows: Callable[[int, int], None], count: int, threads: int | None) -> None:
    threads = threads or len(os.sched_getaffinity(0))
    starts = range(0, count, ROWS_AT_ONCE)
    if threads == 1:
        rows(0, count)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda start: rows(start, min(start + ROWS_AT_ONCE, count)), starts))
