import numpy as np
import pydicom
import pytest

from hardware_sim.patient.dicom import write_enhanced
from planning_core.imaging import refusals
from planning_core.imaging.ingest import load_ct


def change(folder, edit, only=None):
    for number, file in enumerate(sorted(folder.iterdir())):
        if only is None or number in only:
            image = pydicom.dcmread(file)
            edit(image, number)
            image.save_as(file, enforce_file_format=True)


def test_a_series_comes_in_as_it_was_written(series, small_ct):
    hu, grid = small_ct
    ct = load_ct(series)
    np.testing.assert_array_equal(ct.hu, hu)
    np.testing.assert_allclose(ct.grid.points([3, 4, 5]), grid.points([3, 4, 5]), atol=1e-3)


def test_file_names_say_nothing_about_order(series, small_ct):
    for number, file in enumerate(sorted(series.iterdir())):
        file.rename(series / f"{(number * 5) % 14:02d}-renamed.dcm")
    np.testing.assert_array_equal(load_ct(series).hu, small_ct[0])


def test_a_missing_slice_is_refused_with_the_gap(series):
    sorted(series.iterdir())[6].unlink()
    with pytest.raises(refusals.MissingSliceError) as caught:
        load_ct(series)
    assert caught.value.gap_mm == pytest.approx(3.0)
    assert caught.value.after_slice == 5


def test_a_duplicate_slice_is_refused(series):
    first = pydicom.dcmread(sorted(series.iterdir())[3])
    first.SOPInstanceUID += ".1"
    first.save_as(series / "again.dcm", enforce_file_format=True)
    with pytest.raises(refusals.DuplicateSliceError):
        load_ct(series)


def test_sheared_slices_are_refused_with_the_tilt(series):
    def tilt(image, number):
        x, y, z = (float(v) for v in image.ImagePositionPatient)
        image.ImagePositionPatient = [x, y + 1.5 * number * np.tan(np.radians(12)), z]

    change(series, tilt)
    with pytest.raises(refusals.GantryTiltError) as caught:
        load_ct(series)
    assert caught.value.tilt_deg == pytest.approx(12, abs=0.1)


def test_uneven_gaps_are_refused(series):
    def shift(image, number):
        x, y, z = (float(v) for v in image.ImagePositionPatient)
        image.ImagePositionPatient = [x, y, z + (0.3 if number > 7 else 0)]

    change(series, shift)
    with pytest.raises(refusals.UnevenSpacingError):
        load_ct(series)


@pytest.mark.parametrize(
    ("edit", "attribute"),
    [
        (lambda image, n: setattr(image, "ConvolutionKernel", "SHARP"), "kernel"),
        (lambda image, n: setattr(image, "PixelSpacing", [0.9, 0.9]), "spacing_mm"),
        (lambda image, n: setattr(image, "ImageOrientationPatient", [0, 1, 0, -1, 0, 0]), "orientation"),
    ],
)
def test_slices_of_two_kinds_are_refused(series, edit, attribute):
    change(series, edit, only={3, 4})
    with pytest.raises(refusals.MixedSeriesError) as caught:
        load_ct(series)
    assert caught.value.attribute == attribute


def test_another_modality_is_refused(series):
    change(series, lambda image, n: setattr(image, "Modality", "MR"))
    with pytest.raises(refusals.WrongModalityError) as caught:
        load_ct(series)
    assert caught.value.modality == "MR"


def test_a_rescale_to_something_else_than_hu_is_refused(series):
    change(series, lambda image, n: setattr(image, "RescaleType", "US"))
    with pytest.raises(refusals.NotHounsfieldError):
        load_ct(series)


def test_slices_without_position_are_refused(series):
    change(series, lambda image, n: delattr(image, "ImagePositionPatient"), only={2})
    with pytest.raises(refusals.MissingPositionError) as caught:
        load_ct(series)
    assert caught.value.tag == "ImagePositionPatient"


def test_too_few_slices_are_refused_with_their_number(series):
    for file in sorted(series.iterdir())[5:]:
        file.unlink()
    with pytest.raises(refusals.TooFewSlicesError) as caught:
        load_ct(series)
    assert caught.value.slices == 5


def test_several_series_are_listed_and_one_is_chosen_by_number(series, tmp_path, small_ct):
    other = series / "other"
    other.mkdir()
    for file in [f for f in series.iterdir() if f.is_file()]:
        image = pydicom.dcmread(file)
        image.SeriesInstanceUID += ".9"
        image.SOPInstanceUID += ".9"
        image.SeriesNumber = 7
        image.save_as(other / file.name, enforce_file_format=True)
    with pytest.raises(refusals.AmbiguousSeriesError) as caught:
        load_ct(series)
    assert sorted(s["number"] for s in caught.value.series) == ["2", "7"]
    np.testing.assert_array_equal(load_ct(series, "7").hu, small_ct[0])
    with pytest.raises(refusals.NoSuchSeriesError):
        load_ct(series, "99")


def test_junk_beside_the_slices_is_passed_over(series, small_ct):
    (series / "readme.txt").write_text("hello")
    (series / "DICOMDIR").write_bytes(b"\0" * 300)
    np.testing.assert_array_equal(load_ct(series).hu, small_ct[0])


def test_truncated_pixels_end_in_a_named_error(series):
    file = sorted(series.iterdir())[4]
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(refusals.UnreadableFileError):
        load_ct(series)


def cut(file, at):
    file.write_bytes(file.read_bytes()[:at])


@pytest.mark.parametrize("number", [0, 6, 13])
def test_a_slice_cut_in_the_length_of_its_pixels_is_refused_wherever_it_lies(series, number):
    file = sorted(series.iterdir())[number]
    cut(file, file.read_bytes().index(b"\xe0\x7f\x10\x00OW") + 10)
    with pytest.raises(refusals.UnreadableFileError, match="cannot be read"):
        load_ct(series)


@pytest.mark.parametrize("number", [0, 6, 13])
def test_a_slice_cut_before_its_rows_is_not_passed_over(series, number):
    file = sorted(series.iterdir())[number]
    cut(file, file.read_bytes().index(b"\x28\x00\x10\x00US"))
    with pytest.raises(refusals.UnreadableFileError, match="cut off"):
        load_ct(series)


def test_a_number_of_too_few_bytes_is_refused(series):
    file = sorted(series.iterdir())[6]
    whole = file.read_bytes()
    at = whole.index(b"\x28\x00\x10\x00US") + 6
    file.write_bytes(whole[:at] + b"\x01\x00\x07" + whole[at + 4 :])
    with pytest.raises(refusals.UnreadableFileError):
        load_ct(series)


def test_no_name_of_the_patient_is_in_what_comes_out(series):
    ct = load_ct(series)
    assert "Synthetic" not in f"{ct.source} {ct.warnings} {ct.sha256}"


@pytest.mark.parametrize(
    ("edit", "attribute"),
    [
        (lambda image, n: setattr(image, "PatientID", "somebody-else"), "patient"),
        (lambda image, n: setattr(image, "FrameOfReferenceUID", "1.2.3"), "frame_of_reference"),
        (lambda image, n: setattr(image, "RescaleSlope", 2), "slope"),
        (lambda image, n: setattr(image, "ImageType", ["ORIGINAL", "PRIMARY", "LOCALIZER"]), "image type"),
    ],
)
def test_slices_that_do_not_belong_together_are_refused(series, edit, attribute):
    change(series, edit, only={3})
    with pytest.raises(refusals.MixedSeriesError) as caught:
        load_ct(series)
    assert caught.value.attribute == attribute
    assert "somebody" not in str(caught.value.as_dict())


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        ("ImagePositionPatient", [float("nan"), 0, 0]),
        ("ImageOrientationPatient", [1, 0, float("inf"), 0, 1, 0]),
        ("PixelSpacing", [0, 0.8]),
        ("PixelSpacing", [-0.8, 0.8]),
        ("RescaleIntercept", float("nan")),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_impossible_geometry_ends_in_a_named_error(series, tag, value):
    change(series, lambda image, n: setattr(image, tag, value))
    with pytest.raises(refusals.UnreadableFileError):
        load_ct(series)


def test_a_scout_beside_the_volume_asks_no_question(series, small_ct):
    scout = pydicom.dcmread(sorted(series.iterdir())[0])
    scout.SeriesInstanceUID += ".5"
    scout.SOPInstanceUID += ".5"
    scout.SeriesNumber = 1
    scout.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    scout.save_as(series / "scout.dcm", enforce_file_format=True)
    np.testing.assert_array_equal(load_ct(series).hu, small_ct[0])


def test_the_list_of_series_helps_to_choose_and_names_nobody(series):
    other = series / "other"
    other.mkdir()
    for number, file in enumerate(sorted(f for f in series.iterdir() if f.is_file())):
        image = pydicom.dcmread(file)
        image.SeriesInstanceUID += ".9"
        image.SOPInstanceUID += ".9"
        image.SeriesDescription = f"bone {str(image.PatientName).split('^')[0]}" if number == 0 else "bone"
        image.save_as(other / file.name, enforce_file_format=True)
    with pytest.raises(refusals.AmbiguousSeriesError) as caught:
        load_ct(series)
    assert all(entry["spacing_mm"] == 1.5 for entry in caught.value.series)
    assert "Synthetic" not in str(caught.value.as_dict())


def test_an_image_of_many_frames_reads_as_its_slices_do(small_ct, series, tmp_path):
    write_enhanced(*small_ct, 5, tmp_path / "enhanced")
    one, other = load_ct(tmp_path / "enhanced/volume.dcm"), load_ct(series)
    np.testing.assert_array_equal(one.hu, other.hu)
    np.testing.assert_allclose(one.grid.origin_mm, other.grid.origin_mm)
    np.testing.assert_allclose(one.grid.spacing_mm, other.grid.spacing_mm)


def test_a_frame_without_position_is_refused(small_ct, tmp_path):
    write_enhanced(*small_ct, 5, tmp_path)
    image = pydicom.dcmread(tmp_path / "volume.dcm")
    del image.PerFrameFunctionalGroupsSequence[3].PlanePositionSequence
    image.save_as(tmp_path / "volume.dcm")
    with pytest.raises(refusals.MissingPositionError, match="slice 3"):
        load_ct(tmp_path / "volume.dcm")
