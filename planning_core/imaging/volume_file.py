"""NIfTI, NRRD and MetaImage in, read by SimpleITK with its errors turned into ours."""

from __future__ import annotations

import gzip
import hashlib
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from planning_core.geometry.arrays import FloatArray
from planning_core.geometry.grid import Grid
from planning_core.imaging.checks import as_hounsfield, check_grid, check_size
from planning_core.imaging.config import ImagingConfig
from planning_core.imaging.refusals import GantryTiltError, NotThreeDimensionalError, UnreadableFileError
from planning_core.imaging.volume import CtVolume

SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")
MOST_VOXELS_APART = 0.5  # between the origins of a NIfTI's two forms
DETACHABLE = (".nrrd", ".nhdr", ".mha", ".mhd")  # formats whose voxels may lie in another file


def is_volume_file(path: Path) -> bool:
    """Whether the name ends like a volume file."""
    return path.name.lower().endswith(SUFFIXES)


def _suffix(path: Path) -> str:
    return next((s for s in sorted(SUFFIXES, key=len, reverse=True) if path.name.lower().endswith(s)), "volume")


def read_image_file(path: Path, config: ImagingConfig | None = None) -> tuple[NDArray[np.generic], Grid]:
    """Any 3D scalar volume, CT or label map.

    Returns:
        Array (nk, nj, ni) in the file's own type, and its grid in ct_lps.

    Raises:
        UnreadableFileError, NotThreeDimensionalError, TooLargeError, GantryTiltError: by name what is wrong.
    """
    config = config or ImagingConfig()
    name = f"the {_suffix(path)} file"  # never its own name, which may be the patient's
    if not path.is_file():
        raise UnreadableFileError(f"{name} is not there", reason="not there")
    if path.stat().st_size == 0:
        raise UnreadableFileError(f"{name} is empty", reason="empty")
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    sitk.ProcessObject.GlobalWarningDisplayOff()
    try:
        reader.ReadImageInformation()
        size, components = reader.GetSize(), reader.GetNumberOfComponents()
        if len(size) == 4 and size[3] == 1:
            size = size[:3]
        if len(size) != 3 or components != 1 or min(size) < 1:
            raise NotThreeDimensionalError(
                f"{name} is {len(size)}D of size {list(size)} with {components} values per voxel, not one 3D volume",
                size=list(size),
                components=components,
            )
        check_size(size, config)
        _check_sform(reader, name, config)
        image = reader.Execute()
    except RuntimeError as error:
        text = str(error)
        if "orthonormal" in text:
            raise GantryTiltError(f"{name} has sheared axes, as under a tilted gantry", tilt_deg=None) from error
        raise UnreadableFileError(
            f"{name} cannot be read: truncated, corrupt or not what its name says", reason=_last(text)
        ) from error
    if image.GetDimension() == 4:
        image = image[:, :, :, 0]
    direction = np.array(image.GetDirection()).reshape(3, 3)
    shear = float(np.abs(direction.T @ direction - np.eye(3)).max())
    if shear > 1e-4:
        tilt = float(np.degrees(np.arcsin(min(1.0, shear))))
        raise GantryTiltError(f"{name} has axes sheared by {tilt:.2f}°", tilt_deg=tilt)
    array = sitk.GetArrayFromImage(image)
    spacing = image.GetSpacing()
    if not (np.isfinite(spacing).all() and min(spacing) > 1e-3 and np.isfinite(image.GetOrigin()).all()):
        raise UnreadableFileError(f"{name} has spacing {spacing} mm", reason="impossible spacing")
    return array, Grid(array.shape, spacing, image.GetOrigin(), direction)


def read_ct_file(path: Path, config: ImagingConfig) -> CtVolume:
    """A CT from one volume file.

    Raises:
        InputError: one of ``refusals``.
    """
    array, grid = read_image_file(path, config)
    warnings = check_grid(grid, config)
    suffix = _suffix(path)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    if suffix in DETACHABLE:
        digest.update(np.ascontiguousarray(array).data)
    return CtVolume(as_hounsfield(array, config), grid, digest.hexdigest(), f"volume file {suffix}", warnings)


def _check_sform(reader: sitk.ImageFileReader, name: str, config: ImagingConfig) -> None:
    """Refuse a NIfTI whose sform is sheared, scaled otherwise than its spacing or lies elsewhere than its qform: ITK chooses
    between the two without a word, and which of them is right the file does not say."""
    if not reader.HasMetaDataKey("sform_code") or int(reader.GetMetaData("sform_code")) <= 0:
        return
    sform = np.array([reader.GetMetaData(f"srow_{axis}").split() for axis in "xyz"], dtype=float)
    affine = sform[:, :3]
    lengths, spacing = np.linalg.norm(affine, axis=0), np.array(reader.GetSpacing()[:3])
    if not np.isfinite(sform).all() or float(np.abs(lengths / spacing - 1).max()) > config.spacing_tolerance:
        raise UnreadableFileError(
            f"{name} has an sform with voxels of {np.round(lengths, 3).tolist()} mm where its spacing is "
            f"{np.round(spacing, 3).tolist()} mm",
            reason="sform contradicts spacing",
        )
    axes = affine / lengths
    tilt = float(np.degrees(np.arcsin(min(1.0, float(np.abs(axes.T @ axes - np.eye(3)).max())))))
    if tilt > config.tilt_tolerance_deg:
        raise GantryTiltError(f"{name} has axes sheared by {tilt:.2f}°, as under a tilted gantry", tilt_deg=tilt)

    if int(reader.GetMetaData("qform_code")) > 0:
        _check_agreement(reader, axes, sform[:, 3], name, config)


def _check_agreement(
    reader: sitk.ImageFileReader, axes: FloatArray, origin_mm: FloatArray, name: str, config: ImagingConfig
) -> None:
    """Refuse a qform that lies elsewhere than the sform's axes (3, 3) and origin (3,), both in RAS."""
    keys = ("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z")
    b, c, d, *offset = (float(reader.GetMetaData(key)) for key in keys)
    turn = Rotation.from_quat([b, c, d, max(0.0, 1 - b * b - c * c - d * d) ** 0.5]).as_matrix()
    turn[:, 2] *= _qfac(Path(reader.GetFileName()), name)
    angle = float(np.degrees(np.arccos(np.clip((axes * turn).sum(axis=0), -1, 1)).max()))
    way = np.array(offset) - origin_mm
    voxels = float(np.abs(turn.T @ way / reader.GetSpacing()[:3]).max())
    if not (angle <= config.tilt_tolerance_deg and voxels <= MOST_VOXELS_APART):
        apart = float(np.linalg.norm(way))
        raise UnreadableFileError(
            f"{name} has an sform and a qform whose axes differ by {angle:.1f}° and whose origins lie {apart:.1f} mm "
            f"({voxels:.1f} voxels) apart: left could be right; export it anew",
            reason="sform contradicts qform",
            angle_deg=angle,
            apart_mm=apart,
        )


def _qfac(path: Path, name: str) -> int:
    """-1 where a NIfTI's qform turns its third axis round, else 1: the one number of the header that ITK does not tell."""
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            header = (gzip.GzipFile(fileobj=file) if zipped else file).read(80)
        order = {348: "<", 0x5C010000: ">"}[struct.unpack_from("<i", header)[0]]
        return -1 if struct.unpack_from(f"{order}f", header, 76)[0] < 0 else 1
    except (OSError, EOFError, KeyError, zlib.error, struct.error) as error:
        raise UnreadableFileError(f"{name} has no header of a NIfTI-1 file", reason="header") from error


def _last(text: str) -> str:
    """The last line of an ITK message, without paths: they name folders, and files that may be named after patients."""
    last = text.strip().splitlines()[-1].split(":")[-1].strip()
    return re.sub(r"[\"']?/\S+", "the file", last)[:120]
