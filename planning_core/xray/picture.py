"""X-ray images as plain pictures (PNG, TIFF) or arrays (NPZ) with a geometry file in JSON beside them."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
import zlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError, model_validator

from planning_core.geometry import RigidTransform
from planning_core.geometry.arrays import Float32Array
from planning_core.xray.geometry import CAMERA, PinholeView
from planning_core.xray.image import UNSIDED, XrayImage
from planning_core.xray.refusals import MissingGeometryError, UnknownGreyError, UnreadableXrayError

Numbers3 = tuple[float, float, float]
Row4 = tuple[float, float, float, float]


class Angles(BaseModel):
    """A C-arm's position (see ``PinholeView.isocentric``)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    primary_deg: float
    secondary_deg: float
    source_to_detector_mm: PositiveFloat
    source_to_isocentre_mm: PositiveFloat
    from_detector_side: bool = Field(True, description="which side is left hangs on it: to be said, not assumed")


class Explicit(BaseModel):
    """The intrinsic matrix and T_camera_<frame>."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    intrinsic: tuple[Numbers3, Numbers3, Numbers3]
    camera_from_scene: tuple[Row4, Row4, Row4, Row4]


class GeometryFile(BaseModel):
    """What stands in the JSON file beside a picture. Exactly one of ``angles``, ``matrix`` and ``explicit``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    frame: Literal["carm", "ct_lps", "phantom"] = Field("carm", description="what the geometry is given in")
    pixel_spacing_mm: tuple[PositiveFloat, PositiveFloat] = Field(description="between rows, between columns, on the detector")
    angles: Angles | None = None
    matrix: tuple[Row4, Row4, Row4] | None = Field(None, description="(column, row, 1) ~ matrix (x, y, z, 1)")
    explicit: Explicit | None = None
    before_source_mm: Numbers3 = Field((0.0, 0.0, 0.0), description="any point that the X-rays pass, for ``matrix``")
    bone: Literal["bright", "dark"] | None = Field(None, description="how bone looks in the file's values")
    line_integrals: bool = Field(False, description="the values are -ln(I/I0)")
    size: tuple[PositiveInt, PositiveInt] | None = Field(None, description="rows, columns, checked where given")
    sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$", description="of the picture's file, checked where given")

    @model_validator(mode="after")
    def _one_geometry(self) -> GeometryFile:
        if sum(part is not None for part in (self.angles, self.matrix, self.explicit)) != 1:
            raise ValueError("exactly one of angles, matrix and explicit is needed")
        return self

    @property
    def sided(self) -> bool:
        """Whether it says which side of the picture is the patient's left."""
        return self.angles is None or "from_detector_side" in self.angles.model_fields_set

    def view(self, size: tuple[int, int]) -> PinholeView:
        """The view of a picture of (rows, columns).

        Raises:
            InvalidViewError: the numbers cannot be.
        """
        if self.angles is not None:
            a = self.angles
            return PinholeView.isocentric(
                a.primary_deg,
                a.secondary_deg,
                a.source_to_detector_mm,
                a.source_to_isocentre_mm,
                size,
                self.pixel_spacing_mm,
                frame=self.frame,
                from_detector_side=a.from_detector_side,
            )
        if self.explicit is not None:
            pose = RigidTransform(CAMERA, self.frame, self.explicit.camera_from_scene)
            return PinholeView(pose, self.explicit.intrinsic, size, self.pixel_spacing_mm)
        return PinholeView.from_matrix(
            self.matrix or (), size, self.pixel_spacing_mm, frame=self.frame, before_source_mm=self.before_source_mm
        )


def read_picture(path: Path, frame: int | None = None) -> XrayImage:
    """A picture with its geometry file.

    Raises:
        MissingGeometryError: no geometry file, or one that does not validate.
        UnknownGreyError: it does not say whether bone is bright.
        UnreadableXrayError: the picture cannot be read, or is another one than the geometry file was written for.
        XrayError: see ``refusals``.
    """
    beside = path.with_suffix(".json")
    if not beside.is_file():
        raise MissingGeometryError(f"a picture without geometry: {beside.name} is not beside it", missing=["geometry file"])
    try:
        said = GeometryFile.model_validate_json(beside.read_text())
    except (ValidationError, UnicodeDecodeError) as error:
        problems = (
            [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()] if isinstance(error, ValidationError) else []
        )
        raise MissingGeometryError(
            f"the geometry file does not hold: {'; '.join(problems[:3]) or 'not text'}", missing=problems[:8]
        ) from error
    if said.bone is None:
        raise UnknownGreyError("the geometry file does not say whether bone is bright or dark", missing=["bone"])
    if said.sha256 is not None and said.sha256 != hashlib.sha256(path.read_bytes()).hexdigest():
        raise UnreadableXrayError(f"{beside.name} was written for another picture, or the picture was changed", reason="sha256")
    pixels, valid = _pixels(path)
    if said.size is not None and said.size != pixels.shape:
        raise UnreadableXrayError(f"a picture of {pixels.shape} where its geometry says {said.size}", reason="size")
    bright = pixels if said.bone == "bright" else -pixels
    return XrayImage(
        bright,
        said.view(pixels.shape),
        valid,
        said.line_integrals,
        source=path.suffix.lstrip(".").upper(),
        warnings=() if said.sided else (UNSIDED,),
        sided=said.sided,
    )


def write_xray(image: XrayImage, path: Path) -> None:
    """The image as NPZ with its geometry file beside it; ``read_xray`` gives it back as it was.

    Each is whole or not there, and the geometry, which comes last, says by its hash of which NPZ it is.
    """
    stored = io.BytesIO()
    np.savez_compressed(stored, pixels=image.pixels, valid=image.valid)
    said = {
        "frame": image.view.frame,
        "pixel_spacing_mm": image.view.pixel_spacing_mm,
        "explicit": {
            "intrinsic": image.view.intrinsic.tolist(),
            "camera_from_scene": image.view.camera_from_scene.matrix.tolist(),
        },
        "bone": "bright",
        "line_integrals": image.line_integrals,
        "size": image.view.size,
        "sha256": hashlib.sha256(stored.getbuffer()).hexdigest(),
    }
    _put(path, stored.getvalue())
    _put(path.with_suffix(".json"), (json.dumps(said, indent=1) + "\n").encode())


def _put(place: Path, content: bytes) -> None:
    """A file written beside its place, then moved."""
    unfinished = place.with_name(f".part-{place.name}")
    try:
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(place)
    finally:
        unfinished.unlink(missing_ok=True)


def _pixels(path: Path) -> tuple[Float32Array, NDArray[np.bool_]]:
    values: NDArray[Any]
    valid: NDArray[Any] | None = None
    try:
        if path.suffix.lower() == ".npz":
            with np.load(path, allow_pickle=False) as stored:
                values = stored["pixels"]
                valid = stored.get("valid", None)
        else:
            from skimage.io import imread

            values = imread(path)
    except (OSError, ValueError, KeyError, SyntaxError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UnreadableXrayError(f"the picture cannot be read: {type(error).__name__}", reason=str(error)[:120]) from error
    if values.ndim == 3 and values.shape[2] in (3, 4) and np.ptp(values[..., :3], axis=2).max() == 0:
        values = values[..., 0]  # grey saved as colour
    if values.ndim != 2 or values.dtype.kind not in "uif":
        raise UnreadableXrayError(f"not a grey picture: shape {values.shape}, {values.dtype}", reason="not grey")
    seen = np.ones(values.shape, bool) if valid is None else valid.astype(bool)
    if seen.shape != values.shape:
        raise UnreadableXrayError(f"a picture of {values.shape} with {seen.shape} exposed", reason="size")
    # what was not exposed may hold anything: it must not spread into means
    return np.where(seen | np.isfinite(values), values, 0).astype(np.float32), seen
