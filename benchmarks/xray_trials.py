"""Trials of the fit to X-rays: pictures of real patients' vertebrae with known truth, models without the patient, scores."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator

import attrs
import numpy as np
import scipy.ndimage as ndi

from benchmarks.cases import CTS, MASKS, shared
from benchmarks.compression import compression
from benchmarks.xray_paths import drawn_from_points
from benchmarks.xray_registration import small_move, view_pair
from planning_core.anatomy.label_file import LabelFileSegmenter
from planning_core.anatomy.levels import USUAL_LEVELS, VertebraLevel
from planning_core.anatomy.modelling import model_spine
from planning_core.anatomy.pedicles import measure_pedicles
from planning_core.anatomy.shape_model.model import ShapeInstance, ShapeModel
from planning_core.anatomy.shape_model.region import Region
from planning_core.anatomy.shape_model.surface import PointSurface
from planning_core.anatomy.shape_model.training.anatomy import field_of
from planning_core.anatomy.shape_model.training.correspondence import shipped_shapes
from planning_core.anatomy.shape_model.training.learning import learn
from planning_core.anatomy.shape_model.training.surfaces import NoShapesError
from planning_core.anatomy.vertebra import Side, Vertebra
from planning_core.geometry import DistanceField, RigidTransform
from planning_core.geometry.arrays import FloatArray
from planning_core.geometry.solid import inside_mesh
from planning_core.imaging.drr.acquisition import FLUOROSCOPY, Materials, acquire
from planning_core.imaging.ingest import load_ct
from planning_core.imaging.volume import CtVolume
from planning_core.xray.atlas.atlas import load_bone_atlas
from planning_core.xray.clicks import Clicks
from planning_core.xray.fitting.chain import Chain, chain_of
from planning_core.xray.geometry import PinholeView
from planning_core.xray.image import XrayImage
from planning_core.xray.pair import angle_deg
from planning_core.xray.triangulation import CLICK_MM as POINT_MM

LEVELS = {
    "thoracic_ct": tuple(f"T{n}" for n in range(1, 13)) + ("L1",),
    "totalseg_ct": ("L1", "L2", "L3", "L4", "L5"),
    "verse012": ("T11", "T12", "L1", "L2", "L3"),
}
"""Vertebrae that are complete in a CT; verse012's L1 is fractured."""
COLLAPSES = {"thoracic_ct": (("T12", "wedge", 0.35), ("L1", "crush", 0.3)), "totalseg_ct": (("L2", "biconcave", 0.4),)}
"""Sound bodies pressed flat in the CT itself: level, kind, largest share of height lost."""
CLICK_MM = 3.0
TURN_DEG, SHIFT_MM = 10.0, 15.0
CYLINDER_MM, HALF_PEDICLE_MM, SURFACE_MM = 2.5, 6.0, 2.0


Taken = tuple[XrayImage, FloatArray]
"""A picture, and (m, 2) pixels clicked in it."""


@attrs.frozen(eq=False)
class Trial:
    """Pictures of one vertebra.

    Args:
        vertebra: the truth, its frame in ct_lps. truth: T_carm_ct_lps. collapse: what was done to it, or nothing.
        take: a further view's picture, with what is clicked in it.
    """

    case: str
    level: VertebraLevel
    collapse: str
    number: int
    orthogonal: bool
    angle_deg: float
    images: tuple[XrayImage, ...]
    clicks: Clicks
    truth: RigidTransform
    vertebra: Vertebra
    take: Callable[[PinholeView], Taken]

    @property
    def name(self) -> str:
        """Unique among all trials."""
        return f"{self.case}/{self.level.value}{self.collapse}/{self.number}"


@functools.cache
def model_without(patient: str, region: Region) -> ShapeModel | None:
    """A region's model without a patient; none where too few are left to learn from."""
    try:
        return learn(shipped_shapes(), region, patient)
    except NoShapesError:
        return None


@functools.cache
def usual_without(patient: str, level: VertebraLevel) -> Chain | None:
    """Shape models and atlas without a patient, in the C-arm's frame."""
    models = {v: m for v in USUAL_LEVELS if abs(v.ordinal - level.ordinal) <= 1 and (m := model_without(patient, Region.of(v)))}
    if level not in models:
        return None
    return chain_of(models[level], level, load_bone_atlas().without(patient), models, "carm")


def collapsed(ct: CtVolume, vertebra: Vertebra, kind: str, loss: float) -> tuple[CtVolume, Vertebra]:
    """A CT whose one body has been pressed flat, and that vertebra: Hounsfield units come from where the bone was before.

    What lies above the sunken endplate is taken for disc and flesh.
    """
    how, pose = compression(vertebra, kind, loss), vertebra.ct_lps_from_vertebra
    whole = vertebra.whole
    field = DistanceField(whole.at(how.source(whole.grid.all_points())), whole.grid)
    body = vertebra.body
    hu = ct.hu.copy()
    index = _near(ct, vertebra)
    here = pose.inverse().apply(ct.grid.points(index))
    in_body = body.at(here) < 0.0
    index, here = index[in_body], here[in_body]
    before = how.source(here)
    at = ct.grid.indices(pose.apply(before))
    values = ndi.map_coordinates(ct.hu.astype(np.float32), at.T, order=1, mode="nearest")
    gone = whole.at(before) > 0
    values = np.where(gone, np.minimum(values, 60.0), values)
    hu[tuple(index.T)] = np.round(values).astype(hu.dtype)
    return attrs.evolve(ct, hu=hu), attrs.evolve(vertebra, whole=field)


def _near(ct: CtVolume, vertebra: Vertebra) -> np.ndarray:
    """(n, 3) voxels of the CT in the box about a vertebra."""
    corners = vertebra.whole.grid.points(
        np.stack(np.meshgrid(*[(0, n - 1) for n in vertebra.whole.grid.shape], indexing="ij"), -1)
    )
    seen = ct.grid.indices(vertebra.ct_lps_from_vertebra.apply(corners.reshape(-1, 3)))
    low = np.maximum(np.floor(seen.min(axis=0)), 0).astype(int)
    high = np.minimum(np.ceil(seen.max(axis=0)) + 1, ct.hu.shape).astype(int)
    return np.stack(np.meshgrid(*[np.arange(a, b) for a, b in zip(low, high, strict=True)], indexing="ij"), -1).reshape(-1, 3)


def body_centre(vertebra: Vertebra) -> FloatArray:
    """(3,) ct_lps: the middle of the box that a body fills."""
    points = vertebra.body.grid.points(np.argwhere(vertebra.body.inside()))
    return vertebra.ct_lps_from_vertebra.apply((points.min(axis=0) + points.max(axis=0)) / 2)


def trials(
    case: str, pairs: int, seed: int, done: frozenset[str] = frozenset(), points: int = 1, first: int = 1
) -> Iterator[Trial]:
    """Every vertebra of a case in so many pairs of views, a frontal with a lateral and random ones in turn; those done are left out.

    Args:
        points: clicked in each view: 1, the body, or 3, with both pedicles, as exactly as the triangulation baseline's.
        first: number of the uppermost level, from T1 on.
    """
    ct = load_ct(shared(CTS[case]))
    spine = model_spine(LabelFileSegmenter(shared(MASKS[case])).read(), None)
    sound = Materials.of(ct, FLUOROSCOPY)
    wanted = [(level, "", 0.0) for level in LEVELS[case]] + list(COLLAPSES.get(case, ()))
    for name, kind, loss in wanted:
        level = VertebraLevel(name)
        if USUAL_LEVELS.index(level) + 1 < first:
            continue
        vertebra, patient = spine.vertebrae[level], sound
        count = pairs if not kind else min(pairs, 2)
        suffix = f"+{kind}" if kind else ""
        if all(f"{case}/{name}{suffix}/{n}" in done for n in range(count)):
            continue
        if kind:
            pressed, vertebra = collapsed(ct, vertebra, kind, loss)
            patient = Materials.of(pressed, FLUOROSCOPY)
        middle = body_centre(vertebra)
        pedicles = measure_pedicles(vertebra)
        shown = [middle, *(pedicles[side].centre_lps_mm for side in Side if side in pedicles)][:points]
        if len(shown) < points:
            continue
        for number in range(count):
            if f"{case}/{name}{suffix}/{number}" in done:
                continue
            rng = np.random.default_rng([seed, level.verse_id, len(kind), number])
            straight = number % 2 == 0
            views = view_pair(rng, orthogonal=straight)
            move = small_move(rng, middle, SHIFT_MM, TURN_DEG)
            truth = RigidTransform.from_parts("carm", "ct_lps", move.rotation, move.translation_mm - middle)
            take = _camera(patient, truth, np.array(shown), rng, seed + 10 * number)
            images, clicks = zip(*map(take, views), strict=True)
            yield Trial(case, level, suffix, number, straight, angle_deg(*views), images, Clicks(clicks), truth, vertebra, take)


def _camera(
    patient: Materials, truth: RigidTransform, shown: FloatArray, rng: np.random.Generator, seed: int
) -> Callable[[PinholeView], Taken]:
    """What takes pictures of a patient and clicks the points shown (m, 3) ct_lps in them: one with 3 mm, several as exactly as the
    triangulation baseline's."""
    at, seeds = truth.apply(shown), itertools.count(seed)

    def take(view: PinholeView) -> Taken:
        made = acquire(patient, view.seen_from(truth), FLUOROSCOPY.model_copy(update={"seed": next(seeds)}))
        if len(at) == 1:
            px_per_mm = float(np.linalg.norm(view.project_slope(at[0]))) / np.sqrt(2)
            clicked = view.project(at) + rng.normal(size=(1, 2)) * CLICK_MM * px_per_mm
        else:
            clicked = view.project(at) + rng.normal(size=at[:, :2].shape) * POINT_MM / view.pixel_spacing_mm
        return attrs.evolve(made, view=view), clicked

    return take


@functools.lru_cache(maxsize=4)
def _surface(vertebra: Vertebra) -> PointSurface:
    return PointSurface.of_field(vertebra.whole)


def deepest(model: DistanceField, entry: FloatArray, body: FloatArray) -> FloatArray:
    """(33, 3) mm: the path through a pedicle that keeps furthest from the model's own surface, from its axis by small steps."""

    def path(ends: FloatArray) -> FloatArray:
        along = (ends[1] - ends[0]) / np.linalg.norm(ends[1] - ends[0])
        return ends.mean(axis=0) + np.linspace(-HALF_PEDICLE_MM, HALF_PEDICLE_MM, 33)[:, None] * along

    along = (body - entry) / np.linalg.norm(body - entry)
    across = np.linalg.svd(along[None])[2][1:]
    ends = np.array([entry, body])
    least = float(model.at(path(ends)).max())
    for step in (1.0, 0.5, 0.25):
        for _ in range(6):
            moves = [(n, sign * step * way) for n in (0, 1) for way in across for sign in (1, -1)]
            tried = []
            for n, move in moves:
                other = ends.copy()
                other[n] = other[n] + move
                tried.append((float(model.at(path(other)).max()), other))
            value, better = min(tried, key=lambda pair: pair[0])
            if value >= least:
                break
            least, ends = value, better
    return path(ends)


@functools.lru_cache(maxsize=8)
def holds_paths(vertebra: Vertebra) -> bool:
    """Whether the true bone of both pedicles holds the cylinder at all, along any of a fan of directions: width alone does not say."""
    pedicles = measure_pedicles(vertebra)
    to_frame = vertebra.ct_lps_from_vertebra.inverse()

    def room(side: Side, convergence: float, tilt: float) -> float:
        a, t, inwards = np.radians(convergence), np.radians(tilt), -1.0 if side is Side.LEFT else 1.0
        way = np.array([inwards * np.sin(a) * np.cos(t), -np.cos(a) * np.cos(t), np.sin(t)])
        middle = to_frame.apply(pedicles[side].centre_lps_mm)
        path = deepest(vertebra.whole, middle - HALF_PEDICLE_MM * way, middle + HALF_PEDICLE_MM * way)
        return -float(vertebra.whole.at(path).max())

    fan = [(a, t) for a in range(-10, 51, 10) for t in range(-30, 31, 10)]
    return set(pedicles) == set(Side) and all(any(room(side, a, t) >= CYLINDER_MM for a, t in fan) for side in Side)


def drawn_inside(trial: Trial) -> float:
    """The triangulation baseline on a trial: 1 where both paths drawn from four points clicked in each view keep their cylinder.

    The points are the true ones, clicked with ``xray_paths``' error; a path is looked at over the same length as a fitted one's.
    """
    vertebra, whole = trial.vertebra, trial.vertebra.whole
    views = [image.view for image in trial.images]
    drawn = drawn_from_points(vertebra, views, trial.truth, seed=[trial.level.verse_id, trial.number, 1])
    pedicles, to_frame = measure_pedicles(vertebra), vertebra.ct_lps_from_vertebra.inverse()
    inside = []
    for side, ends in drawn.items():
        entry, target = (to_frame.apply(end) for end in ends)
        along = (target - entry) / np.linalg.norm(target - entry)
        middle = entry + ((to_frame.apply(pedicles[side].centre_lps_mm) - entry) @ along) * along
        path = middle + np.linspace(-HALF_PEDICLE_MM, HALF_PEDICLE_MM, 33)[:, None] * along
        inside.append(bool(whole.at(path).max() <= -CYLINDER_MM))
    return float(len(inside) == 2 and all(inside))


def scores(shape: ShapeInstance, trial: Trial) -> dict[str, float]:
    """How near a shape in the C-arm's frame comes to the truth."""
    vertebra, whole = trial.vertebra, trial.vertebra.whole
    own = (trial.truth @ vertebra.ct_lps_from_vertebra).inverse()
    back = RigidTransform.from_parts("vertebra", "carm", own.rotation, own.translation_mm)
    found = attrs.evolve(shape, pose=back @ shape.pose)
    vertices, triangles, surface = found.vertices, found.model.triangles, _surface(vertebra)
    model = field_of(vertices, triangles)
    there, home = np.abs(whole.at(vertices)), np.abs(model.at(surface.points))
    mask, fit = whole.inside(), inside_mesh(vertices, triangles, whole.grid)
    near = ((there < SURFACE_MM).sum() + (home < SURFACE_MM).sum()) / (len(there) + len(home))
    out = {
        "dice": 2 * float((mask & fit).sum()) / float(mask.sum() + fit.sum()),
        "surface_dice": float(near),
        "hd95_mm": float(max(np.percentile(there, 95), np.percentile(home, 95))),
        "mean_mm": float(there.mean() + home.mean()) / 2,
    }
    inside, away = [], []
    to_frame = vertebra.ct_lps_from_vertebra.inverse()
    for side, pedicle in measure_pedicles(vertebra).items():
        entry, body = found.pedicle_axis(side)
        along = (body - entry) / np.linalg.norm(body - entry)
        path = deepest(model, entry, body)
        inside.append(bool(whole.at(path).max() <= -CYLINDER_MM))
        gap = to_frame.apply(pedicle.centre_lps_mm) - (entry + body) / 2
        away.append(float(np.linalg.norm(gap - (gap @ along) * along)))
    return out | {
        "both_inside": float(len(inside) == 2 and all(inside)),
        "could": float(holds_paths(vertebra)),
        "pedicle_mm": float(np.mean(away)) if away else float("nan"),
    }
