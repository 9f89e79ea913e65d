"""One training subject: a CT (or none), its labels and what can be derived from them, on an upright 1 mm grid."""

from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np
import scipy.ndimage as ndi

from planning_core.anatomy.pose import VertebraPose, body_centre, chain_directions
from planning_core.geometry import Grid
from planning_core.geometry.arrays import BoolArray, FloatArray, LabelArray
from planning_core.imaging.resample import coarsen, upright_grid
from planning_core.imaging.volume import AIR_HU, CtVolume

SPACING_MM = 1.0
SACRUM = 26  # VerSe id
MARGIN_MM = 45
LEAST_ML = 5.0
LARGEST_DISC_MM = 16.0

BACKGROUND, BODY, POSTERIOR, DISC, SACRAL = range(5)
"""Classes of the spine map."""
UNKNOWN = 255
"""Where the labels cannot be trusted: spine beyond the last labelled vertebra of a real CT."""


@attrs.frozen(eq=False)
class Instance:
    """One labelled vertebra of a subject; ``complete`` means that the field of view does not cut its body."""

    verse_id: int
    pose: VertebraPose
    complete: bool


@attrs.frozen(eq=False)
class Subject:
    """Everything a sampler needs of one patient.

    Args:
        name: of the patient; patients, not volumes, are left out.
        hu: (nk, nj, ni) int16, or None for a mask without CT.
        labels: uint8 VerSe ids. classes: uint8 spine-map classes or ``UNKNOWN``.
        distance: int8, signed distance to the union of vertebrae in quarters of a millimetre.
        grid: upright 1 mm.
        instances: labelled vertebrae from head to foot.
    """

    name: str
    hu: np.ndarray | None
    labels: LabelArray
    classes: LabelArray
    distance: np.ndarray
    grid: Grid
    instances: tuple[Instance, ...]

    def save(self, path: Path) -> None:
        """Write as one compressed npz."""
        poses = np.array([[*i.pose.centre_lps_mm, *i.pose.superior, *i.pose.posterior] for i in self.instances])
        np.savez_compressed(
            path,
            name=self.name,
            hu=self.hu if self.hu is not None else np.zeros(0, np.int16),
            labels=self.labels,
            classes=self.classes,
            distance=self.distance,
            origin=self.grid.origin_mm,
            ids=[i.verse_id for i in self.instances],
            complete=[i.complete for i in self.instances],
            poses=poses,
        )

    @classmethod
    def load(cls, path: Path) -> Subject:
        """Read what ``save`` wrote."""
        with np.load(path) as z:
            grid = Grid(z["labels"].shape, [SPACING_MM] * 3, z["origin"])
            instances = tuple(
                Instance(int(i), VertebraPose(p[:3], p[3:6], p[6:]), bool(c))
                for i, c, p in zip(z["ids"], z["complete"], z["poses"], strict=True)
            )
            hu = z["hu"] if z["hu"].size else None
            return cls(str(z["name"]), hu, z["labels"], z["classes"], z["distance"], grid, instances)


def prepare(name: str, labels: LabelArray, grid: Grid, ct: CtVolume | None) -> Subject:
    """Bring one patient onto an upright 1 mm grid and derive poses and spine-map classes from its labels.

    Args:
        labels: (nk, nj, ni) uint8 VerSe ids with 26 for the sacrum, on ``grid``.
        ct: the CT, or None.
    """
    box = ndi.find_objects((labels > 0).astype(np.uint8))[0]
    near = []
    for s, n, h in zip(box, labels.shape, grid.spacing_mm[::-1], strict=True):
        pad = int(MARGIN_MM / h)
        near.append(slice(max(0, s.start - pad), min(n, s.stop + pad)))
    cropped, region = labels[tuple(near)], grid.crop(tuple(near))  # type: ignore[arg-type]
    upright = upright_grid(region, SPACING_MM)
    upright_labels = _interpolate_labels(cropped, region, upright)
    hu = None
    if ct is not None:
        sampled = coarsen(ct, SPACING_MM).on(upright)
        hu = np.clip(sampled, AIR_HU, 3000).astype(np.int16)
    instances = _instances(upright_labels, upright, labels, grid)
    bone = upright_labels > 0
    depth = ndi.distance_transform_edt(~bone) - ndi.distance_transform_edt(bone)
    depth -= 0.5 * np.sign(depth)
    distance = np.clip(np.round(depth * 4), -127, 127).astype(np.int8)
    classes = _classes(upright_labels, upright, instances)
    if ct is not None:
        _forget_beyond_labels(classes, upright, instances, has_sacrum=bool((labels == SACRUM).any()))
    return Subject(name, hu, upright_labels, classes, distance, upright, instances)


def _interpolate_labels(labels: LabelArray, grid: Grid, onto: Grid) -> LabelArray:
    """Label by label: smoothed occupancy, linear interpolation, strongest wins."""
    best = np.full(onto.shape, 0.5, np.float32)
    result = np.zeros(onto.shape, np.uint8)
    index = grid.indices(onto.all_points())
    sigma = 0.45 * np.minimum(1.0, SPACING_MM / grid.spacing_mm[::-1])
    for number, box in enumerate(ndi.find_objects(labels), start=1):
        if box is None:
            continue
        wide = tuple(slice(max(0, s.start - 2), s.stop + 2) for s in box)
        occupancy = ndi.gaussian_filter((labels[wide] == number).astype(np.float32), sigma)
        local = index - [s.start for s in wide]
        inside = ((local > -1) & (local < occupancy.shape)).all(axis=-1)
        value = np.zeros(onto.shape, np.float32)
        value[inside] = ndi.map_coordinates(occupancy, local[inside].T, order=1, mode="nearest")
        wins = value > best
        best[wins], result[wins] = value[wins], number
    return result


def _instances(labels: LabelArray, grid: Grid, stored: LabelArray, stored_grid: Grid) -> tuple[Instance, ...]:
    found: list[tuple[int, FloatArray, FloatArray, bool]] = []
    for number, box in enumerate(ndi.find_objects(labels), start=1):
        if box is None or number == SACRUM:
            continue
        mask = labels[box] == number
        if mask.sum() * grid.voxel_ml < LEAST_ML:
            continue
        local = grid.crop(box)
        centre = body_centre(mask, local)
        back = local.points(np.argwhere(mask).mean(axis=0)) - centre
        found.append((number, centre, back, not _cut(stored == number, stored_grid)))
    found.sort(key=lambda f: -f[1][2])
    if len(found) == 1:
        ups = np.array([[0.0, 0.0, 1.0]])
    else:
        ups = chain_directions(np.array([f[1] for f in found]))
    return tuple(
        Instance(n, VertebraPose.facing(c, up, back), complete) for (n, c, back, complete), up in zip(found, ups, strict=True)
    )


def _cut(mask: BoolArray, grid: Grid) -> bool:
    """Whether a mask touches the head or foot end of its volume (processes cut at the sides do no harm)."""
    along = int(np.abs(grid.direction[2]).argmax())  # the index axis that runs head to foot
    return any(int(np.take(mask, end, axis=2 - along).sum()) > 4 for end in (0, -1))


def _forget_beyond_labels(classes: LabelArray, grid: Grid, instances: tuple[Instance, ...], *, has_sacrum: bool) -> None:
    """Mark what lies above the first and below the last labelled vertebra as unknown."""
    ends = [(instances[0], 1.0)] + ([] if has_sacrum else [(instances[-1], -1.0)])
    points = grid.all_points()
    for one, sign in ends:
        along = sign * ((points - one.pose.centre_lps_mm) @ one.pose.superior)
        middle = np.linalg.norm(points - one.pose.centre_lps_mm, axis=-1) < 22
        top = float(np.percentile(along[middle & (classes == BODY)], 98))
        classes[along > top + 2] = UNKNOWN
    if has_sacrum:
        lowest = np.argwhere(classes == SACRAL)[:, 0].min()
        classes[: lowest + 3] = UNKNOWN


def _classes(labels: LabelArray, grid: Grid, instances: tuple[Instance, ...]) -> LabelArray:
    classes = np.where(labels > 0, POSTERIOR, BACKGROUND).astype(np.uint8)
    classes[labels == SACRUM] = SACRAL
    boxes = ndi.find_objects(labels)
    for one in instances:
        box = boxes[one.verse_id - 1]
        local = grid.crop(box)
        mask = labels[box] == one.verse_id
        offset = (local.all_points() - one.pose.centre_lps_mm) @ one.pose.axes
        classes[box][mask & (offset[..., 1] < _posterior_wall(mask, offset))] = BODY
    for upper, lower in zip(instances, instances[1:], strict=False):
        _fill_disc(classes, labels, grid, upper, lower)
    # columns land between voxels and leave pinholes
    classes[ndi.binary_closing(classes == DISC) & (labels == 0)] = DISC
    return classes


def _posterior_wall(mask: BoolArray, offset: FloatArray) -> float:
    """How far behind the body's centre the mask first ends on lines through its middle, mm."""
    middle = (np.abs(offset[..., 0]) < 5) & (np.abs(offset[..., 2]) < 5) & (offset[..., 1] > 0)
    depth = np.arange(0, 40)
    near, filled = offset[..., 1][middle], mask[middle]
    bands = [filled[np.abs(near - d) < 0.75] for d in depth]
    gap = np.flatnonzero([not len(band) or band.mean() < 0.5 for band in bands])
    return float(depth[gap[0]]) if len(gap) else 16.0


def _fill_disc(classes: LabelArray, labels: LabelArray, grid: Grid, upper: Instance, lower: Instance) -> None:
    """Mark what lies between two bodies, column by column along the line that joins their centres."""
    pose = VertebraPose.facing(
        (upper.pose.centre_lps_mm + lower.pose.centre_lps_mm) / 2,
        upper.pose.centre_lps_mm - lower.pose.centre_lps_mm,
        upper.pose.posterior + lower.pose.posterior,
    )
    patch = pose.patch((64, 56, 60), 1.0, (0, 0, 0))
    index = np.round(grid.indices(patch.all_points())).astype(int)
    inside = ((index >= 0) & (index < grid.shape)).all(axis=-1)
    clipped = tuple(np.clip(index, 0, np.array(grid.shape) - 1).reshape(-1, 3).T)
    number = np.where(inside, labels[clipped].reshape(patch.shape), 0)
    body = np.where(inside, classes[clipped].reshape(patch.shape), 0) == BODY
    below, above = body & (number == lower.verse_id), body & (number == upper.verse_id)
    top = np.where(below.any(axis=0), len(body) - 1 - below[::-1].argmax(axis=0), 10**6)
    bottom = np.where(above.any(axis=0), above.argmax(axis=0), -(10**6))
    k = np.arange(len(body))[:, None, None]
    disc = (k > top) & (k < bottom) & (bottom - top < LARGEST_DISC_MM + 1) & (number == 0) & inside
    chosen = tuple(index[disc].T)
    classes[chosen] = np.where(labels[chosen] == 0, DISC, classes[chosen])
