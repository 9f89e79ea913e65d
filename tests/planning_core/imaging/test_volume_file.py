import struct

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from planning_core.case.exports import as_image
from planning_core.errors import PkpError
from planning_core.geometry import Grid
from planning_core.imaging import refusals
from planning_core.imaging.ingest import load_ct
from planning_core.imaging.volume_file import read_image_file
from tests.data import THORACIC_CT, TOTALSEG_CT, VERSE012_CT, shared_data


@pytest.fixture
def nifti(tmp_path, small_ct):
    path = tmp_path / "ct.nii.gz"
    sitk.WriteImage(as_image(*small_ct), str(path))
    return path


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha"])
def test_every_format_gives_the_same_volume(tmp_path, small_ct, suffix):
    hu, grid = small_ct
    path = tmp_path / f"ct{suffix}"
    sitk.WriteImage(as_image(hu, grid), str(path))
    ct = load_ct(path)
    np.testing.assert_array_equal(ct.hu, hu)
    np.testing.assert_allclose(ct.grid.points([3, 4, 5]), grid.points([3, 4, 5]), atol=1e-4)


def test_flipped_and_oblique_volumes_keep_their_places(tmp_path, small_ct):
    hu, grid = small_ct
    turn = np.array([[0, 0, 1.0], [-1, 0, 0], [0, 1, 0]])
    oblique = Grid(grid.shape, grid.spacing_mm, grid.origin_mm, turn)
    sitk.WriteImage(as_image(hu, oblique), str(tmp_path / "ct.nrrd"))
    ct = load_ct(tmp_path / "ct.nrrd")
    place = oblique.points([6, 10, 9])
    assert ct.at(place, order=0) == hu[6, 10, 9]


@pytest.mark.parametrize("name", [VERSE012_CT, THORACIC_CT, TOTALSEG_CT])
def test_real_volumes_lie_where_simpleitk_says(name):
    path = shared_data(name)
    image = sitk.ReadImage(str(path))
    ct = load_ct(path)
    np.testing.assert_allclose(ct.grid.points([5, 6, 7]), image.TransformIndexToPhysicalPoint([7, 6, 5]), atol=1e-3)
    assert ct.hu[5, 6, 7] == round(image[7, 6, 5])


def test_thick_slices_are_refused_and_moderate_ones_warned_of(tmp_path, small_ct):
    hu, _ = small_ct
    for spacing in (3.0, 6.0):
        sitk.WriteImage(as_image(hu, Grid(hu.shape, [0.8, 0.8, spacing], [0, 0, 0])), str(tmp_path / f"{spacing}.nii"))
    assert "3.00 mm" in load_ct(tmp_path / "3.0.nii").warnings[0]
    with pytest.raises(refusals.SliceSpacingError) as caught:
        load_ct(tmp_path / "6.0.nii")
    assert caught.value.spacing_mm == pytest.approx(6)


def test_a_label_map_is_no_ct(tmp_path, small_ct):
    _, grid = small_ct
    sitk.WriteImage(as_image(np.full(grid.shape, 20, np.uint8), grid), str(tmp_path / "mask.nii.gz"))
    with pytest.raises(refusals.NotHounsfieldError) as caught:
        load_ct(tmp_path / "mask.nii.gz")
    assert caught.value.lowest == 20


def test_values_that_are_not_numbers_are_refused(tmp_path, small_ct):
    hu, grid = small_ct
    sitk.WriteImage(as_image(np.where(hu > 600, np.nan, hu).astype(np.float32), grid), str(tmp_path / "nan.nii"))
    with pytest.raises(refusals.NotHounsfieldError):
        load_ct(tmp_path / "nan.nii")


def test_a_header_that_claims_billions_of_voxels_is_refused_before_reading(tmp_path):
    header = (
        "ObjectType = Image\nNDims = 3\nDimSize = 20000 20000 20000\nElementSpacing = 1 1 1\n"
        "ElementType = MET_SHORT\nElementDataFile = LOCAL\n"
    )
    (tmp_path / "bomb.mha").write_bytes(header.encode() + b"\0" * 64)
    with pytest.raises(refusals.TooLargeError) as caught:
        load_ct(tmp_path / "bomb.mha")
    assert caught.value.count == 8_000_000_000_000


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.floats(0.0, 0.98), noise=st.binary(max_size=40), at=st.floats(0, 1))
def test_a_damaged_file_ends_in_a_named_error_or_a_volume(nifti, cut, noise, at):
    whole = nifti.read_bytes()
    kept = bytearray(whole[: int(cut * len(whole))] if len(noise) % 2 else whole)
    start = int(at * len(kept))
    kept[start : start + len(noise)] = noise
    broken = nifti.with_name("broken.nii.gz")
    broken.write_bytes(bytes(kept))
    try:
        dimensions = load_ct(broken).hu.ndim
    except PkpError:
        dimensions = 3  # refused by name, which is as good
    assert dimensions == 3


@pytest.mark.parametrize("name", ["nothing.nii", "empty.nii", "text.nii.gz", "folder"])
def test_what_is_no_volume_is_refused_by_name(tmp_path, name):
    if name == "empty.nii":
        (tmp_path / name).touch()
    elif name == "text.nii.gz":
        (tmp_path / name).write_text("not a volume")
    elif name == "folder":
        (tmp_path / name).mkdir()
    with pytest.raises(refusals.UnreadableFileError):
        load_ct(tmp_path / name)


def with_srow_y(path, row):
    """Overwrite srow_y of a NIfTI-1 header (bytes 296 to 311) and leave its qform as it is."""
    header = bytearray(path.read_bytes())
    struct.pack_into("<4f", header, 296, *row)
    path.write_bytes(header)


def test_a_sheared_sform_is_refused_although_the_qform_is_not(tmp_path, small_ct):
    path = tmp_path / "ct.nii"
    sitk.WriteImage(as_image(*small_ct), str(path))
    with_srow_y(path, (0, -0.8, 1.5 * np.tan(np.radians(10)), 0))
    with pytest.raises(refusals.GantryTiltError) as caught:
        load_ct(path)
    assert caught.value.tilt_deg == pytest.approx(10, abs=0.01)


def test_an_sform_that_contradicts_the_spacing_is_refused(tmp_path, small_ct):
    path = tmp_path / "ct.nii"
    sitk.WriteImage(as_image(*small_ct), str(path))
    with_srow_y(path, (0, -1.6, 0, 0))
    with pytest.raises(refusals.UnreadableFileError, match="sform"):
        load_ct(path)


def with_forms(path, small_ct, change, codes=(1, 1)):
    """A NIfTI whose sform, a 3×4 array in RAS, was changed; codes of qform and sform."""
    hu, grid = small_ct
    turn = Rotation.from_euler("xyz", [10, -20, 30], degrees=True).as_matrix()
    sitk.WriteImage(as_image(hu, Grid(grid.shape, grid.spacing_mm, grid.origin_mm, turn)), str(path))
    header = bytearray(path.read_bytes())
    sform = np.array(struct.unpack_from("<12f", header, 280)).reshape(3, 4)
    struct.pack_into("<2h", header, 252, *codes)
    struct.pack_into("<12f", header, 280, *np.asarray(change(sform)).ravel())
    path.write_bytes(header)


BOTH = [(1, 1), (1, 2), (2, 1), (2, 2), (1, 4)]


@pytest.mark.parametrize("codes", BOTH)
@pytest.mark.parametrize(
    ("change", "angle_deg", "apart_mm"),
    [
        (lambda s: s * [[-1], [1], [1]], None, None),  # left is right
        (lambda s: s * [-1, 1, 1, 1], 180.0, 0.0),
        (lambda s: s + [[0, 0, 0, 1.0], [0, 0, 0, 0], [0, 0, 0, 0]], 0.0, 1.0),
        (lambda s: np.column_stack([Rotation.from_euler("z", 1, degrees=True).apply(s[:, :3].T).T, s[:, 3]]), None, 0.0),
    ],
)
def test_an_sform_that_lies_elsewhere_than_the_qform_is_refused(tmp_path, small_ct, change, angle_deg, apart_mm, codes):
    with_forms(tmp_path / "ct.nii", small_ct, change, codes)
    with pytest.raises(refusals.UnreadableFileError, match="sform and a qform") as caught:
        load_ct(tmp_path / "ct.nii")
    assert caught.value.reason == "sform contradicts qform"
    for found, meant in ((caught.value.angle_deg, angle_deg), (caught.value.apart_mm, apart_mm)):
        assert meant is None or found == pytest.approx(meant, abs=0.1)


@pytest.mark.parametrize("codes", BOTH)
@pytest.mark.parametrize("turn_deg", [0.0, 0.2])
def test_forms_that_agree_but_for_rounding_are_read(tmp_path, small_ct, turn_deg, codes):
    little = Rotation.from_euler("y", turn_deg, degrees=True)
    with_forms(tmp_path / "ct.nii", small_ct, lambda s: np.column_stack([little.apply(s[:, :3].T).T, s[:, 3] + 0.1]), codes)
    np.testing.assert_array_equal(load_ct(tmp_path / "ct.nii").hu, small_ct[0])


@pytest.mark.parametrize("codes", [(0, 1), (0, 2), (1, 0)])
def test_one_form_alone_contradicts_nothing(tmp_path, small_ct, codes):
    with_forms(tmp_path / "ct.nii", small_ct, lambda s: s * [-1, 1, 1, 1], codes)
    assert load_ct(tmp_path / "ct.nii").hu.shape == small_ct[0].shape


@pytest.mark.parametrize("turn", Rotation.create_group("O").as_matrix())
@pytest.mark.parametrize("hand", [1, -1])
def test_a_qform_of_any_axes_is_the_sform(tmp_path, small_ct, turn, hand):
    hu, _ = small_ct
    image = sitk.GetImageFromArray(hu)
    image.SetDirection((turn * [1, 1, hand]).ravel())
    sitk.WriteImage(image, str(tmp_path / "labels.nii"))
    np.testing.assert_allclose(read_image_file(tmp_path / "labels.nii")[1].direction, turn * [1, 1, hand], atol=1e-5)


@pytest.mark.parametrize("suffix", [".mhd", ".nhdr"])
def test_the_hash_covers_voxels_that_lie_in_another_file(tmp_path, small_ct, suffix):
    hu, grid = small_ct
    hashes = set()
    for name, values in (("one", hu), ("other", hu[::-1].copy())):
        (tmp_path / name).mkdir()
        sitk.WriteImage(as_image(values, grid), str(tmp_path / name / f"ct{suffix}"))
        hashes.add(load_ct(tmp_path / name / f"ct{suffix}").sha256)
    assert len(hashes) == 2
