import json

import attrs
import numpy as np
import pydicom
import pytest

from hardware_sim.carm.xray_dicom import write_xa
from planning_core.xray.geometry import PinholeView
from planning_core.xray.image import XrayImage, read_xray
from planning_core.xray.picture import write_xray
from planning_core.xray.refusals import (
    AmbiguousFrameError,
    ContradictingOrientationError,
    EmptyImageError,
    InvalidViewError,
    MissingGeometryError,
    NotXrayError,
    UnknownGreyError,
    UnreadableXrayError,
)

POINT = (12.0, -7.0, 30.0)


def view_of(primary_deg=20.0, secondary_deg=-10.0):
    return PinholeView.isocentric(primary_deg, secondary_deg, 1000.0, 600.0, (60, 80), (2.0, 2.5))


def made(view=None, valid=None):
    """A trunk, thick in the middle, with a dense spot where a point is projected."""
    view = view or view_of()
    row, column = np.mgrid[: view.size[0], : view.size[1]]
    pixels = 3.0 * np.exp(-(((column - 39.5) / 30) ** 2)).astype(np.float32)
    r, c = view.project(POINT)
    pixels += 1.5 * np.exp(-((row - r) ** 2 + (column - c) ** 2) / 8)
    return XrayImage(pixels, view, np.ones(view.size, bool) if valid is None else valid, line_integrals=True)


@pytest.fixture
def xa(tmp_path):
    path = tmp_path / "a.dcm"
    write_xa(made(), path, seed=3)
    return path


def changed(path, **tags):
    header = pydicom.dcmread(path)
    for name, value in tags.items():
        if value is None:
            delattr(header, name)
        else:
            setattr(header, name, value)
    header.save_as(path)
    return path


@pytest.mark.parametrize("angles", [(0, 0), (90, 0), (-35, 25), (170, -5)])
def test_an_xa_file_gives_view_and_attenuation_back(tmp_path, angles):
    image = made(view_of(*angles))
    write_xa(image, tmp_path / "a.dcm", seed=3)
    read = read_xray(tmp_path / "a.dcm")
    assert read.view.project(POINT) == pytest.approx(image.view.project(POINT), abs=1e-3)
    assert read.view.frame == "carm"
    apart = read.pixels - image.pixels
    assert np.ptp(apart) < 0.01 * np.ptp(image.pixels)
    assert not read.warnings
    assert len(read.sha256) == 64


def test_the_same_image_and_seed_give_the_same_file(tmp_path):
    for name in "ab":
        write_xa(made(), tmp_path / name, seed=3)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_collimated_pixels_are_known_as_such(tmp_path):
    valid = np.zeros((60, 80), bool)
    valid[10:50, 5:70] = True
    write_xa(made(valid=valid), tmp_path / "a.dcm", seed=3)
    assert np.array_equal(read_xray(tmp_path / "a.dcm").valid, valid)


@pytest.mark.parametrize(
    "tag",
    [
        "PositionerPrimaryAngle",
        "PositionerSecondaryAngle",
        "DistanceSourceToDetector",
        "DistanceSourceToPatient",
        "ImagerPixelSpacing",
    ],
)
def test_missing_geometry_is_refused_by_name(xa, tag):
    with pytest.raises(MissingGeometryError) as refused:
        read_xray(changed(xa, **{tag: None}))
    assert refused.value.missing == [tag]


def test_impossible_distances_are_refused(xa):
    with pytest.raises(InvalidViewError):
        read_xray(changed(xa, DistanceSourceToPatient="1200"))


def test_a_mirrored_image_is_laid_out_as_its_orientation_says(xa):
    header = pydicom.dcmread(xa)
    flipped = header.pixel_array[:, ::-1]
    words = list(header.PatientOrientation)
    other = words[0].translate(str.maketrans("LRAPHF", "RLPAFH"))
    read = read_xray(changed(xa, PixelData=flipped.tobytes(), PatientOrientation=[other, words[1]]))
    row, column = read.view.project(POINT)
    spot = read.pixels[round(float(row)), round(float(column))]
    assert spot == pytest.approx(read.pixels.max(), abs=0.3)
    assert not read.view.from_detector_side
    assert "other way" in read.warnings[0]


def test_an_image_without_orientation_is_taken_as_shown_and_says_so(xa):
    read = read_xray(changed(xa, PatientOrientation=None))
    assert read.view.project(POINT) == pytest.approx(made().view.project(POINT), abs=1e-3)
    assert "which side is left" in read.warnings[0]
    assert not read.sided


@pytest.mark.parametrize("words", [["H", "F"], ["F", "L"]])
def test_an_orientation_that_is_not_that_of_the_angles_is_refused(xa, words):
    with pytest.raises(ContradictingOrientationError) as refused:
        read_xray(changed(xa, PatientOrientation=words))
    assert refused.value.said == words


def test_inverted_values_are_turned_by_their_sign(xa):
    header = pydicom.dcmread(xa)
    inverted = (2**16 - 1 - header.pixel_array).astype(np.uint16)
    plain = read_xray(xa).pixels
    read = read_xray(changed(xa, PixelData=inverted.tobytes(), PixelIntensityRelationshipSign=-1))
    assert read.pixels == pytest.approx(plain, abs=1e-4)


def test_an_inverted_picture_that_claims_not_to_be_is_doubted(xa):
    header = pydicom.dcmread(xa)
    inverted = (2**16 - 1 - header.pixel_array).astype(np.uint16)
    assert "inverted" in read_xray(changed(xa, PixelData=inverted.tobytes())).warnings[0]


def test_grey_without_a_meaning_is_refused(xa):
    with pytest.raises(UnknownGreyError):
        read_xray(changed(xa, PixelIntensityRelationship=None))


def test_another_modality_and_damaged_files_are_refused(xa, tmp_path):
    with pytest.raises(NotXrayError) as refused:
        read_xray(changed(xa, Modality="CT"))
    assert refused.value.modality == "CT"
    (tmp_path / "b.dcm").write_bytes(b"no image")
    with pytest.raises(UnreadableXrayError):
        read_xray(tmp_path / "b.dcm")
    with pytest.raises(UnreadableXrayError):
        read_xray(tmp_path / "c.dcm")
    with pytest.raises(UnreadableXrayError):
        read_xray(changed(xa, Modality="XA", PixelData=b"\0\0"))


def test_one_of_several_frames_must_be_chosen(xa):
    header = pydicom.dcmread(xa)
    frames = np.stack([header.pixel_array] * 3)
    run = changed(xa, NumberOfFrames=3, PixelData=frames.tobytes(), PositionerPrimaryAngleIncrement=[0.0, 10.0, 20.0])
    with pytest.raises(AmbiguousFrameError) as refused:
        read_xray(run)
    assert refused.value.frames == 3
    assert read_xray(run, frame=2).view.project(POINT) == pytest.approx(view_of(40.0).project(POINT), abs=1e-3)
    with pytest.raises(UnreadableXrayError, match="no frame 3"):
        read_xray(run, frame=3)


def test_a_radiograph_for_display_shows_bone_bright(xa):
    read = read_xray(changed(xa, Modality="CR", PixelIntensityRelationship=None, PhotometricInterpretation="MONOCHROME1"))
    assert np.corrcoef(read.pixels.ravel(), np.exp(-made().pixels).ravel())[0, 1] < -0.99
    assert any("display" in word for word in read.warnings)


def test_an_array_with_its_geometry_file_comes_back_as_it_was(tmp_path):
    valid = np.ones((60, 80), bool)
    valid[:4] = False
    image = made(valid=valid)
    write_xray(image, tmp_path / "a.npz")
    read = read_xray(tmp_path / "a.npz")
    assert np.array_equal(read.pixels, image.pixels)
    assert np.array_equal(read.valid, valid)
    assert np.array_equal(read.view.matrix, image.view.matrix)
    assert read.line_integrals
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json", "a.npz"]


def test_an_array_that_its_geometry_file_was_not_written_for_is_refused(tmp_path):
    """As a write that was cut off between the two leaves them, or a file that was changed since."""
    write_xray(made(), tmp_path / "a.npz")
    write_xray(attrs.evolve(made(), pixels=2 * made().pixels), tmp_path / "b.npz")
    (tmp_path / "b.npz").replace(tmp_path / "a.npz")
    with pytest.raises(UnreadableXrayError, match="another picture") as refused:
        read_xray(tmp_path / "a.npz")
    assert refused.value.reason == "sha256"
    said = json.loads((tmp_path / "a.json").read_text())
    (tmp_path / "a.json").write_text(json.dumps({k: v for k, v in said.items() if k != "sha256"}))
    assert np.array_equal(read_xray(tmp_path / "a.npz").pixels, 2 * made().pixels)  # who gives no hash is not asked for one


def test_a_write_that_fails_leaves_the_picture_that_was_there(tmp_path, monkeypatch):
    write_xray(made(), tmp_path / "a.npz")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("planning_core.xray.picture.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_xray(attrs.evolve(made(), pixels=2 * made().pixels), tmp_path / "a.npz")
    assert np.array_equal(read_xray(tmp_path / "a.npz").pixels, made().pixels)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json", "a.npz"]


def png(tmp_path, **said):
    from skimage.io import imsave

    grey = np.clip(255 * np.exp(-made().pixels), 0, 255).astype(np.uint8)
    imsave(tmp_path / "a.png", grey, check_contrast=False)
    angles = {"primary_deg": 20, "secondary_deg": -10, "source_to_detector_mm": 1000, "source_to_isocentre_mm": 600}
    geometry = {"angles": angles, "pixel_spacing_mm": [2.0, 2.5], "bone": "dark"} | said
    (tmp_path / "a.json").write_text(json.dumps({k: v for k, v in geometry.items() if v is not None}))
    return tmp_path / "a.png"


def test_a_picture_with_its_geometry_file_is_read(tmp_path):
    read = read_xray(png(tmp_path))
    assert read.view.project(POINT) == pytest.approx(made().view.project(POINT), abs=1e-6)
    assert np.corrcoef(read.pixels.ravel(), np.exp(-made().pixels).ravel())[0, 1] < -0.99


def test_a_projection_matrix_will_do(tmp_path):
    read = read_xray(png(tmp_path, angles=None, matrix=(-2 * made().view.matrix).tolist()))
    assert read.view.project(POINT) == pytest.approx(made().view.project(POINT), abs=1e-6)


def test_pictures_that_say_too_little_are_refused(tmp_path):
    with pytest.raises(UnknownGreyError):
        read_xray(png(tmp_path, bone=None))
    with pytest.raises(MissingGeometryError, match="exactly one"):
        read_xray(png(tmp_path, angles=None))
    with pytest.raises(UnreadableXrayError, match="geometry says"):
        read_xray(png(tmp_path, size=[10, 10]))
    path = png(tmp_path)
    path.with_suffix(".json").unlink()
    with pytest.raises(MissingGeometryError, match="not beside"):
        read_xray(path)


def test_means_of_exposed_pixels_leave_the_others_out():
    valid = np.ones((60, 80), bool)
    valid[0, :] = False
    image = attrs.evolve(made(valid=valid), pixels=np.where(valid, made().pixels, 100))
    binned = image.binned(2)
    assert binned.pixels[0] == pytest.approx(image.pixels[1].reshape(-1, 2).mean(axis=1))
    assert binned.valid.all()


def test_images_without_contrast_or_of_another_size_are_refused():
    with pytest.raises(EmptyImageError):
        XrayImage(np.full((60, 80), 7.0), view_of())
    with pytest.raises(EmptyImageError):
        XrayImage(np.full((60, 80), np.nan), view_of())
    with pytest.raises(InvalidViewError):
        XrayImage(np.zeros((60, 81)), view_of())


def test_an_enhanced_files_functional_groups_hold_the_geometry_too(xa):
    header = pydicom.dcmread(xa)
    shared, own = pydicom.Dataset(), pydicom.Dataset()
    position, distance = pydicom.Dataset(), pydicom.Dataset()
    position.PositionerPrimaryAngle, position.PositionerSecondaryAngle = 20.0, -10.0
    distance.DistanceSourceToDetector, distance.DistanceSourceToIsocenter = 1000.0, 600.0
    own.PositionerPositionSequence, shared.XRayGeometrySequence = [position], [distance]
    for name in ("PositionerPrimaryAngle", "PositionerSecondaryAngle", "DistanceSourceToDetector", "DistanceSourceToPatient"):
        delattr(header, name)
    header.SharedFunctionalGroupsSequence, header.PerFrameFunctionalGroupsSequence = [shared], [own]
    header.save_as(xa)
    assert read_xray(xa).view.project(POINT) == pytest.approx(view_of().project(POINT), abs=1e-3)


@pytest.fixture
def npz(tmp_path):
    place = tmp_path / "a.npz"
    write_xray(made(), place)
    return place


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_truncated_array_is_refused_as_such(npz, share):
    content = npz.read_bytes()
    npz.write_bytes(content[: int(share * len(content))])
    with pytest.raises(UnreadableXrayError):
        read_xray(npz)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6])
def test_an_array_that_was_damaged_inside_is_refused_as_such(npz, share):
    content = bytearray(npz.read_bytes())
    at = int(share * len(content))
    content[at : at + 40] = bytes(255 - b for b in content[at : at + 40])
    npz.write_bytes(bytes(content))
    with pytest.raises(UnreadableXrayError):
        read_xray(npz)


def foreign(npz, pixels, valid):
    """Arrays of somebody else's making, whose geometry file names no hash."""
    np.savez_compressed(npz, pixels=pixels, valid=valid)
    beside = npz.with_suffix(".json")
    said = json.loads(beside.read_text())
    del said["sha256"]
    beside.write_text(json.dumps(said))


def test_what_was_not_exposed_may_hold_anything_and_spreads_nowhere(npz):
    valid = np.ones((60, 80), bool)
    valid[:7, :], valid[30, 40] = False, False
    pixels = np.where(valid, made().pixels, np.nan)
    foreign(npz, pixels, valid)
    read = read_xray(npz)
    assert np.isfinite(read.pixels).all()
    for factor in (1, 2, 3, 4):
        assert np.isfinite(read.binned(factor).pixels).all()
    seen = valid[6:8, :2]
    assert read.binned(2).pixels[3, 0] == pytest.approx(made().pixels[6:8, :2][seen].mean(), rel=1e-5)


def test_values_that_are_not_finite_where_it_was_exposed_are_refused(npz):
    pixels = np.where(np.arange(80) == 40, np.nan, made().pixels)
    foreign(npz, pixels, np.ones((60, 80), bool))
    with pytest.raises(EmptyImageError):
        read_xray(npz)


def test_angles_alone_do_not_say_which_side_is_left(tmp_path):
    read = read_xray(png(tmp_path))
    assert not read.sided
    assert "which side is left" in read.warnings[0]
    angles = json.loads((tmp_path / "a.json").read_text())["angles"]
    for side in (True, False):
        read = read_xray(png(tmp_path, angles={**angles, "from_detector_side": side}))
        assert (read.sided, read.view.from_detector_side, read.warnings) == (True, side, ())
    read = read_xray(png(tmp_path, angles=None, matrix=made().view.matrix.tolist()))
    assert read.sided
