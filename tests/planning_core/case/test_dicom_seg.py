import attrs
import highdicom as hd
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from planning_core.anatomy.levels import VertebraLevel
from planning_core.anatomy.segmentation import Numbering, SpineSegmentation
from planning_core.case.dicom_seg import SNOMED, write_dicom_seg
from planning_core.case.exports import as_image
from planning_core.case.folder import Case
from planning_core.geometry import Grid
from planning_core.imaging.identity import PatientIdentity
from planning_core.imaging.volume import DicomSource


@pytest.fixture(scope="module")
def stored(folder):
    return hd.seg.segread(folder / "segmentation.dcm")


def _written(place, segmentation, seed="a1" * 32):
    return hd.seg.segread(write_dicom_seg(Case(place), segmentation, seed))


def _segments(dataset):
    return [dataset.get_segment_description(n) for n in dataset.segment_numbers]


def _back_on(image, dataset):
    """The segments' voxels put back on a label map's grid by their places in space, as VerSe ids."""
    volume = dataset.get_volume(combine_segments=True)
    verse = np.array([0, *(VertebraLevel(s.segment_label).verse_id for s in _segments(dataset))])
    found = np.argwhere(volume.array)
    places = volume.map_indices_to_reference(found)
    exact = np.array([image.TransformPhysicalPointToContinuousIndex(p.tolist()) for p in places])
    index = np.rint(exact).astype(int)
    np.testing.assert_allclose(exact, index, atol=1e-3)
    labels = np.zeros(image.GetSize()[::-1], np.uint8)
    labels[index[:, 2], index[:, 1], index[:, 0]] = verse[volume.array[tuple(found.T)]]
    return labels


def test_it_holds_the_voxels_of_the_label_map_at_the_same_places(stored, folder):
    image = sitk.ReadImage(str(folder / "labels.nii.gz"))
    np.testing.assert_array_equal(_back_on(image, stored), sitk.GetArrayFromImage(image))


@pytest.mark.parametrize(
    "direction",
    [
        [[-1, 0, 0], [0, -1, 0], [0, 0, 1]],
        [[0, 0, 1], [1, 0, 0], [0, -1, 0]],
        [[1, 0, 0], [0, 1, 0], [0, 0, -1]],
        [[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]],
    ],
    ids=["turned", "sagittal slices", "left-handed", "oblique"],
)
def test_the_places_are_right_on_any_grid(tmp_path, direction):
    labels = np.zeros((40, 24, 30), np.uint8)
    labels[4:16, 5:19, 6:20], labels[22:36, 8:20, 4:25] = VertebraLevel.L1.verse_id, VertebraLevel.L2.verse_id
    grid = Grid(labels.shape, [1.5, 2, 2.5], [11, -7, 300], np.array(direction))
    made = SpineSegmentation(labels, grid, {}, (), Numbering(1.0, "labels"), "label file")
    np.testing.assert_array_equal(_back_on(as_image(made.labels, made.grid), _written(tmp_path, made)), labels)


def test_each_segment_says_which_vertebra_it_is(stored):
    for segment in _segments(stored):
        assert segment.segmented_property_type.meaning == f"{segment.segment_label} vertebra"
        assert segment.segmented_property_type.value == SNOMED[segment.segment_label]


def test_outlines_from_a_file_are_not_passed_off_as_ours(stored):
    for segment in _segments(stored):
        assert segment.algorithm_type is hd.seg.SegmentAlgorithmTypeValues.SEMIAUTOMATIC
        assert "OpenPKP" not in segment.SegmentAlgorithmName


@pytest.mark.parametrize("source", ["anatomy", "operator"])
def test_outlines_of_the_network_are_automatic(subject, tmp_path, source):
    made = attrs.evolve(subject.segmentation, method="built-in network", numbering=Numbering(0.9, source))
    for segment in _segments(_written(tmp_path, made)):
        assert segment.algorithm_type is hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC
        assert segment.SegmentAlgorithmName == "OpenPKP built-in network"


def test_no_uid_stands_for_two_patients(stored, subject, tmp_path):
    other = _written(tmp_path, subject.segmentation, "c3" * 32)
    assert _uids(stored).isdisjoint(_uids(other))


def test_other_outlines_of_the_same_patient_are_another_instance_of_the_same_vertebrae(stored, subject, tmp_path):
    labels = np.where(subject.segmentation.labels == VertebraLevel.L2.verse_id, 0, subject.segmentation.labels)
    other = _written(tmp_path, attrs.evolve(subject.segmentation, labels=labels))
    assert other.SOPInstanceUID != stored.SOPInstanceUID
    assert other.FrameOfReferenceUID == stored.FrameOfReferenceUID
    ours, theirs = ({s.segment_label: s.tracking_uid for s in _segments(d)} for d in (stored, other))
    assert theirs == {name: uid for name, uid in ours.items() if name != "L2"}


def test_it_carries_no_name(stored):
    assert str(stored.PatientName) == ""
    assert stored.PatientBirthDate in ("", None)


def _uids(dataset):
    """All UIDs that this file made up."""
    found = set()
    dataset.walk(lambda _, e: found.add(str(e.value)) if e.VR == "UI" else None)
    known = {u for u in found if pydicom.uid.UID(u).is_private is False}
    return found - known


def test_with_the_patients_identity_it_refers_to_the_slices_it_was_drawn_on(tmp_path):
    labels = np.zeros((3, 24, 30), np.uint8)
    labels[:, 5:19, 6:20] = VertebraLevel.L1.verse_id
    made = SpineSegmentation(labels, Grid(labels.shape, [1, 1, 2], [0, 0, 0]), {}, (), Numbering(1.0, "anatomy"), "network")
    source = DicomSource("1.2.3", "1.2.3.4", "1.2.3.5", ("1.2.3.4.1", "1.2.3.4.2", "1.2.3.4.3"))
    identity = PatientIdentity("Doe^Jane", "4711", "19400101")
    path = write_dicom_seg(Case(tmp_path / "named"), made, "a1" * 32, source, identity)
    seg = pydicom.dcmread(path)
    assert (seg.StudyInstanceUID, seg.FrameOfReferenceUID, seg.PatientID) == ("1.2.3", "1.2.3.5", "4711")
    referenced = seg.ReferencedSeriesSequence[0]
    assert referenced.SeriesInstanceUID == "1.2.3.4"
    assert {i.ReferencedSOPInstanceUID for i in referenced.ReferencedInstanceSequence} == set(source.instance_uids)
    unnamed = pydicom.dcmread(write_dicom_seg(Case(tmp_path / "unnamed"), made, "a1" * 32, source, None))
    assert "Doe" not in str(unnamed)
    assert "1.2.3.5" not in str(unnamed)
