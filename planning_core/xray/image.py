"""One X-ray image with its view, grey values turned so that more attenuation is brighter, whatever file it came from."""

from __future__ import annotations

import hashlib
from pathlib import Path

import attrs
import numpy as np
from numpy.typing import NDArray

from planning_core.geometry.arrays import BoolArray, Float32Array, frozen, frozen_float32
from planning_core.xray.geometry import PinholeView
from planning_core.xray.refusals import EmptyImageError, InvalidViewError, UnreadableXrayError

FLAT = 1e-6
DICOM_SUFFIXES = ("", ".dcm", ".dicom", ".ima")
UNSIDED = "the image does not say which side is left: laid out as seen from the detector, head up"


def _all_seen(image: XrayImage) -> BoolArray:
    return np.ones(image.pixels.shape, bool)


def _mask(values: NDArray[np.bool_]) -> BoolArray:
    return frozen(values, np.bool_)


@attrs.frozen(eq=False)
class XrayImage:
    """One X-ray image.

    Args:
        pixels: (rows, columns) float32, attenuation: bone is brighter than soft tissue, air darkest.
        view: how it was taken; its size is that of the pixels.
        valid: (rows, columns) bool: exposed pixels, not behind a collimator or a shutter.
        line_integrals: ``pixels`` are -ln(I/I0) itself; else only up to a positive gain and an offset.
        sha256: hash of the input bytes, hex. source: de-identified word on the file's kind.
        warnings: sentences for the report. sided: something beside the angles says which side is the patient's left.

    Raises:
        InvalidViewError: pixels and view differ in size.
        EmptyImageError: no contrast, or values that are not finite.
    """

    pixels: Float32Array = attrs.field(converter=frozen_float32)
    view: PinholeView
    valid: BoolArray = attrs.field(default=attrs.Factory(_all_seen, takes_self=True), converter=_mask)
    line_integrals: bool = False
    sha256: str = ""
    source: str = ""
    warnings: tuple[str, ...] = ()
    sided: bool = True

    def __attrs_post_init__(self) -> None:
        if self.pixels.shape != self.view.size or self.valid.shape != self.view.size:
            raise InvalidViewError(
                f"an image of {self.pixels.shape} with {self.valid.shape} exposed does not belong to a view of {self.view.size}",
                image=list(self.pixels.shape),
                view=list(self.view.size),
            )
        seen = self.pixels[self.valid]
        low, high = (float(seen.min()), float(seen.max())) if seen.size else (0.0, 0.0)
        if not np.isfinite([low, high]).all() or high - low < FLAT * max(abs(low), abs(high), 1e-30):
            raise EmptyImageError(f"an image without contrast: {low:.6g} to {high:.6g}", lowest=low, highest=high)

    @property
    def fingerprint(self) -> str:
        """Hash of all that is reckoned with: values, what was exposed, and the view, wherever that was read."""
        view, said = self.view, hashlib.sha256(self.pixels.tobytes() + self.valid.tobytes())
        said.update(view.camera_from_scene.matrix.tobytes() + view.intrinsic.tobytes())
        said.update(repr((view.size, view.pixel_spacing_mm, view.frame, self.line_integrals, self.sided)).encode())
        return said.hexdigest()

    def binned(self, factor: int) -> XrayImage:
        """Means of ``factor`` x ``factor`` exposed pixels with their view; a pixel is exposed where half of them are."""
        if factor == 1:
            return self
        rows, columns = (n // factor * factor for n in self.view.size)
        cells = (rows // factor, factor, columns // factor, factor)
        weight = self.valid[:rows, :columns].astype(np.float32)
        total = weight.reshape(cells).sum(axis=(1, 3))
        summed = (self.pixels[:rows, :columns] * weight).reshape(cells).sum(axis=(1, 3))
        plain = self.pixels[:rows, :columns].reshape(cells).mean(axis=(1, 3))
        pixels = np.where(total > 0, summed / np.maximum(total, 1), plain)
        return attrs.evolve(self, pixels=pixels, view=self.view.binned(factor), valid=total >= factor * factor / 2)

    def cropped(self, rows: slice, columns: slice) -> XrayImage:
        """The part ``[rows, columns]`` (non-negative, step 1) with its view."""
        return attrs.evolve(
            self, pixels=self.pixels[rows, columns], valid=self.valid[rows, columns], view=self.view.cropped(rows, columns)
        )


def read_xray(path: Path, frame: int | None = None) -> XrayImage:
    """An X-ray image from DICOM (XA, RF, CR, DX), or PNG, TIFF or NPZ with a geometry file (same name, ``.json``) beside it.

    Args:
        frame: which one of several, from 0.

    Raises:
        XrayError, AmbiguousFrameError: see ``refusals``.
    """
    from planning_core.xray.dicom import read_dicom_xray
    from planning_core.xray.picture import read_picture

    if not path.is_file():
        raise UnreadableXrayError("no such X-ray file", reason="not there")
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    read = read_dicom_xray if path.suffix.lower() in DICOM_SUFFIXES else read_picture
    image = read(path, frame)
    if frame is not None:  # of one file: each frame is a picture of its own
        digest = hashlib.sha256(f"{digest} frame {frame}".encode()).hexdigest()
        image = attrs.evolve(image, source=f"{image.source} frame {frame}")
    return attrs.evolve(image, sha256=digest, warnings=(*image.warnings, *doubts(image)))


def doubts(image: XrayImage) -> tuple[str, ...]:
    """What the picture itself says against its grey scale.

    Beside the trunk is air or thin flesh: an attenuation that grows towards both side borders is that of an inverted picture.
    """
    third = image.view.size[1] // 3
    band = max(image.view.size[1] // 12, 1)
    parts = (slice(0, band), slice(third, 2 * third), slice(-band, None))
    left, middle, right = (
        float(np.median(values)) if (values := image.pixels[:, part][image.valid[:, part]]).size else np.nan for part in parts
    )
    if min(left, right) > middle:
        return ("both sides of the picture attenuate more than its middle: its grey may be inverted",)
    return ()
