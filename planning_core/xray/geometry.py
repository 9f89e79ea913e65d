"""How an X-ray image was taken: a point source, a flat detector, and where both stood.

The camera frame has its origin in the source, z along the beam onto the detector, y along the image's rows downwards, x to make
it right-handed. Pixels are (row, column), the centre of the first at (0, 0). X-ray pictures are shown as seen from the detector
(a frontal one as if facing the patient); the first entry of the intrinsic matrix is then negative, as columns run against x.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import attrs
import numpy as np
from numpy.typing import ArrayLike

from planning_core.geometry import RigidTransform
from planning_core.geometry.arrays import FloatArray, frozen, frozen_vector
from planning_core.xray.refusals import InvalidViewError, OutsideViewError

CAMERA = "camera"
MOST_SKEW = 0.05
MOST_ANISOTROPY = 0.05


def _size(values: Iterable[int]) -> tuple[int, int]:
    rows, columns = (int(n) for n in values)
    return rows, columns


def _pair(values: Iterable[float]) -> tuple[float, float]:
    row, column = (float(v) for v in values)
    return row, column


def _intrinsic(values: ArrayLike) -> FloatArray:
    return frozen(np.array(values, dtype=np.float64))


@attrs.frozen(eq=False)
class PinholeView:
    """One X-ray view.

    Args:
        camera_from_scene: T_camera_<frame>; the frame is ``ct_lps``, or ``carm``: the isocentre with the patient's L, P and S.
        intrinsic: (3, 3) float64, (column, row, 1) ~ intrinsic @ (x, y, z) of the camera frame; pixels.
        size: (rows, columns).
        pixel_spacing_mm: (between rows, between columns) on the detector, as DICOM's Imager Pixel Spacing.

    Raises:
        InvalidViewError: not finite, not upper triangular, pixels that are far from rectangular, or nothing to see.
    """

    camera_from_scene: RigidTransform
    intrinsic: FloatArray = attrs.field(converter=_intrinsic)
    size: tuple[int, int] = attrs.field(converter=_size)
    pixel_spacing_mm: tuple[float, float] = attrs.field(converter=_pair)

    def __attrs_post_init__(self) -> None:
        k = self.intrinsic
        if self.camera_from_scene.dst != CAMERA:
            raise InvalidViewError(
                f"a view leads into {CAMERA!r}, not {self.camera_from_scene.dst!r}", dst=self.camera_from_scene.dst
            )
        if (
            k.shape != (3, 3)
            or not np.isfinite(k).all()
            or k[1, 0]
            or k[2, 0]
            or k[2, 1]
            or k[2, 2] != 1
            or not k[0, 0]
            or k[1, 1] <= 0
        ):
            raise InvalidViewError(f"not an intrinsic matrix: {np.round(k, 6).tolist()}", intrinsic=k.tolist())
        if min(self.size) < 2 or not all(math.isfinite(s) and s > 0 for s in self.pixel_spacing_mm):
            raise InvalidViewError(
                f"a view needs pixels: {self.size} of {self.pixel_spacing_mm} mm",
                size=list(self.size),
                spacing_mm=list(self.pixel_spacing_mm),
            )
        by_row, by_column = k[1, 1] * self.pixel_spacing_mm[0], abs(k[0, 0]) * self.pixel_spacing_mm[1]
        skew = abs(k[0, 1] / k[0, 0])
        if abs(by_row / by_column - 1) > MOST_ANISOTROPY or skew > MOST_SKEW:
            raise InvalidViewError(
                f"source to detector is {by_row:.1f} mm by the rows, {by_column:.1f} mm by the columns, skew {skew:.3f}",
                by_row_mm=by_row,
                by_column_mm=by_column,
                skew=skew,
            )

    @classmethod
    def isocentric(
        cls,
        primary_deg: float,
        secondary_deg: float,
        source_to_detector_mm: float,
        source_to_isocentre_mm: float,
        size: tuple[int, int],
        pixel_spacing_mm: tuple[float, float],
        *,
        frame: str = "carm",
        isocentre_mm: ArrayLike = (0.0, 0.0, 0.0),
        from_detector_side: bool = True,
    ) -> PinholeView:
        """The view of a C-arm at its positioner angles (DICOM PS3.3 C.8.7.5.1.2).

        Args:
            primary_deg: where the detector stands about the patient's long axis: 0 before the chest, +90 at the left hand (LAO).
            secondary_deg: its tilt to the head (CRA) is positive.
            source_to_detector_mm, source_to_isocentre_mm: SID and SOD.
            isocentre_mm: (3,) in ``frame``, whose axes are the patient's L, P, S.
            from_detector_side: columns run as seen from the detector; else as seen from the source.

        Raises:
            InvalidViewError: the numbers cannot be.
        """
        numbers = (primary_deg, secondary_deg, source_to_detector_mm, source_to_isocentre_mm, *pixel_spacing_mm)
        possible = 0 < source_to_isocentre_mm < source_to_detector_mm and min(pixel_spacing_mm) > 0
        if not all(map(math.isfinite, numbers)) or not possible:
            raise InvalidViewError(
                f"angles {primary_deg}°, {secondary_deg}°, source to detector {source_to_detector_mm} mm, to isocentre "
                f"{source_to_isocentre_mm} mm, pixels of {pixel_spacing_mm} mm cannot be",
                numbers=[float(n) for n in numbers],
            )
        a, b = math.radians(primary_deg), math.radians(secondary_deg)
        beam = np.array([math.sin(a) * math.cos(b), -math.cos(a) * math.cos(b), math.sin(b)])
        head = np.array([-math.sin(a) * math.sin(b), math.cos(a) * math.sin(b), math.cos(b)])
        rotation = np.stack([np.cross(beam, head), -head, beam])
        shift = np.array([0.0, 0.0, source_to_isocentre_mm]) - rotation @ np.asarray(isocentre_mm, np.float64)
        pose = RigidTransform.from_parts(CAMERA, frame, rotation, shift)
        sign = -1.0 if from_detector_side else 1.0
        across, down = source_to_detector_mm / pixel_spacing_mm[1], source_to_detector_mm / pixel_spacing_mm[0]
        middle = (size[1] - 1) / 2, (size[0] - 1) / 2
        k = np.array([[sign * across, 0.0, middle[0]], [0.0, down, middle[1]], [0.0, 0.0, 1.0]])
        return cls(pose, k, size, pixel_spacing_mm)

    @classmethod
    def from_matrix(
        cls,
        matrix: ArrayLike,
        size: tuple[int, int],
        pixel_spacing_mm: tuple[float, float],
        *,
        frame: str,
        before_source_mm: ArrayLike = (0.0, 0.0, 0.0),
    ) -> PinholeView:
        """From a 3x4 projection matrix: (column, row, 1) ~ matrix @ (x, y, z, 1), by RQ (Hartley and Zisserman 2004, 6.2.4).

        Args:
            matrix: (3, 4), any scale and sign. frame: of its points. before_source_mm: (3,) any point that the X-rays pass.

        Raises:
            InvalidViewError: no pinhole, or none whose source lies on that side.
        """
        values = np.array(matrix, dtype=np.float64)
        if values.shape != (3, 4) or not np.isfinite(values).all() or np.linalg.cond(values[:, :3]) > 1e12:
            raise InvalidViewError(f"not a finite projection matrix of rank 3, shape {values.shape}", shape=list(values.shape))
        values = values / np.linalg.norm(values[2, :3])
        depth = float(values[2] @ [*np.asarray(before_source_mm, np.float64), 1.0])
        values = values if depth > 0 else -values
        beam = values[2, :3]
        down = values[1, :3] - (values[1, :3] @ beam) * beam
        focal = float(np.linalg.norm(down))
        down = down / focal
        rotation = np.stack([np.cross(down, beam), down, beam])
        k = values[:, :3] @ rotation.T
        k = np.array([[k[0, 0], k[0, 1], k[0, 2]], [0.0, k[1, 1], k[1, 2]], [0.0, 0.0, 1.0]])
        return cls(
            RigidTransform.from_parts(CAMERA, frame, rotation, np.linalg.solve(k, values[:, 3])), k, size, pixel_spacing_mm
        )

    @property
    def frame(self) -> str:
        """What the scene's points are given in."""
        return self.camera_from_scene.src

    @property
    def source_mm(self) -> FloatArray:
        """(3,) the X-ray source in ``frame``."""
        return frozen_vector(self.camera_from_scene.inverse().translation_mm)

    @property
    def beam(self) -> FloatArray:
        """(3,) unit direction from the source straight onto the detector, in ``frame``."""
        return self.camera_from_scene.rotation[2]

    @property
    def source_to_detector_mm(self) -> float:
        """SID."""
        return float(self.intrinsic[1, 1]) * self.pixel_spacing_mm[0]

    @property
    def source_to_isocentre_mm(self) -> float:
        """SOD: how deep the origin of ``frame`` lies along the beam."""
        return float(self.camera_from_scene.translation_mm[2])

    @property
    def from_detector_side(self) -> bool:
        """The picture is laid out as seen from the detector, as X-ray pictures are shown."""
        return bool(self.intrinsic[0, 0] < 0)

    @property
    def matrix(self) -> FloatArray:
        """(3, 4) projection matrix: (column, row, 1) ~ matrix @ (x, y, z, 1) mm."""
        return self.intrinsic @ self.camera_from_scene.matrix[:3]

    def depth_mm(self, points: ArrayLike) -> FloatArray:
        """(...,) mm from the source along the beam of points (..., 3) mm in ``frame``."""
        return self.camera_from_scene.apply(points)[..., 2]

    def project(self, points: ArrayLike) -> FloatArray:
        """Points (..., 3) mm in ``frame`` to pixels (..., 2) (row, column); within the picture or not.

        Raises:
            OutsideViewError: points at or behind the source.
        """
        seen = self._before(points)
        across, down = seen[..., 0] / seen[..., 2], seen[..., 1] / seen[..., 2]
        k = self.intrinsic
        return np.stack([k[1, 1] * down + k[1, 2], k[0, 0] * across + k[0, 1] * down + k[0, 2]], axis=-1)

    def project_slope(self, points: ArrayLike) -> FloatArray:
        """(..., 2, 3): pixels (row, column) per mm of each point (..., 3) in ``frame``.

        Raises:
            OutsideViewError: points at or behind the source.
        """
        seen = self._before(points)
        x, y, z = np.moveaxis(seen, -1, 0)
        k, zero = self.intrinsic, np.zeros_like(z)
        row = np.stack([zero, k[1, 1] / z, -k[1, 1] * y / z**2], axis=-1)
        column = np.stack([k[0, 0] / z, k[0, 1] / z, -(k[0, 0] * x + k[0, 1] * y) / z**2], axis=-1)
        return np.stack([row, column], axis=-2) @ self.camera_from_scene.rotation

    def _before(self, points: ArrayLike) -> FloatArray:
        seen = self.camera_from_scene.apply(points)
        behind = int((seen[..., 2] <= 1e-6).sum())
        if behind:
            raise OutsideViewError(f"{behind} of {seen[..., 2].size} points lie behind the X-ray source", count=behind)
        return seen

    def detector_points(self, pixels: ArrayLike) -> FloatArray:
        """Pixels (..., 2) (row, column) to where they lie on the detector (..., 3) mm in ``frame``."""
        rc = np.asarray(pixels, dtype=np.float64)
        ones = np.ones(rc.shape[:-1])
        ahead = np.stack([rc[..., 1], rc[..., 0], ones], axis=-1) @ np.linalg.inv(self.intrinsic).T
        return self.camera_from_scene.inverse().apply(ahead * self.source_to_detector_mm)

    def directions(self, pixels: ArrayLike) -> FloatArray:
        """Pixels (..., 2) (row, column) to unit directions (..., 3) from ``source_mm`` in ``frame``."""
        way = self.detector_points(pixels) - self.source_mm
        return way / np.linalg.norm(way, axis=-1, keepdims=True)

    def contains(self, pixels: ArrayLike) -> np.ndarray:
        """(...,) bool: pixels (..., 2) within the picture, up to the borders of its outer pixels."""
        rc = np.asarray(pixels, dtype=np.float64)
        return np.asarray(((rc >= -0.5) & (rc <= np.array(self.size) - 0.5)).all(axis=-1))

    def seen_from(self, scene_from_other: RigidTransform) -> PinholeView:
        """The same view of a scene given in another frame (T_<frame>_<other>).

        Raises:
            FrameMismatchError: it does not lead into this view's frame.
        """
        return attrs.evolve(self, camera_from_scene=self.camera_from_scene @ scene_from_other)

    def binned(self, factor: int) -> PinholeView:
        """The view of the picture whose pixels are means of ``factor`` x ``factor`` (what is left over at the end is cut)."""
        shrink = np.diag([1 / factor, 1 / factor, 1.0])
        shrink[:2, 2] = (1 / factor - 1) / 2
        size = (self.size[0] // factor, self.size[1] // factor)
        spacing = (self.pixel_spacing_mm[0] * factor, self.pixel_spacing_mm[1] * factor)
        return attrs.evolve(self, intrinsic=shrink @ self.intrinsic, size=size, pixel_spacing_mm=spacing)

    def cropped(self, rows: slice, columns: slice) -> PinholeView:
        """The view of ``pixels[rows, columns]`` (non-negative, step 1)."""
        first = rows.start or 0, columns.start or 0
        last = [n if s.stop is None else min(s.stop, n) for s, n in zip((rows, columns), self.size, strict=True)]
        moved = self.intrinsic.copy()
        moved[0, 2] -= first[1]
        moved[1, 2] -= first[0]
        return attrs.evolve(self, intrinsic=moved, size=(last[0] - first[0], last[1] - first[1]))

    def mirrored(self) -> PinholeView:
        """The view of ``pixels[:, ::-1]``."""
        flip = np.array([[-1.0, 0.0, self.size[1] - 1.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
        return attrs.evolve(self, intrinsic=flip @ self.intrinsic)
