import numpy as np
import pytest
import SimpleITK as sitk

from planning_core.case.folder import Case
from planning_core.case.inputs import (
    CtChangedError,
    CtMovedError,
    NoCtLinkError,
    UnreadableInputsError,
    case_of,
    ct_series,
    ct_source,
    held_sha256,
    link_ct,
    load_case_ct,
)
from planning_core.imaging.ingest import load_ct


def volume(place, seed=1):
    hu = np.random.default_rng(seed).normal(40.0, 20.0, (12, 20, 20)).astype(np.int16)
    hu[:, :4], hu[4:8, 8:12, 8:12] = -1000, 700
    place.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(sitk.GetImageFromArray(hu), str(place))
    return place


@pytest.fixture
def linked(tmp_path):
    """A case with a link to its CT: (case, place of the CT)."""
    ct, case = volume(tmp_path / "there" / "ct.nii.gz"), Case(tmp_path / "case")
    with case.writing():
        case.claim(load_ct(ct).sha256, None)
        link_ct(case, ct)
    return case, ct


def test_a_case_alone_finds_its_ct(linked):
    case, ct = linked
    assert ct_source(case.path) == ct
    np.testing.assert_array_equal(load_case_ct(case.path).hu, load_ct(ct).hu)
    assert load_ct(case.path / "inputs/ct").sha256 == load_ct(ct).sha256


def test_a_relative_place_is_kept_as_an_absolute_one(linked, monkeypatch):
    case, ct = linked
    monkeypatch.chdir(ct.parent)
    link_ct(case, type(ct)("ct.nii.gz"))
    monkeypatch.chdir("/")
    assert ct_source(case.path) == ct


def test_the_link_given_again_does_not_lead_to_itself(linked):
    case, ct = linked
    link_ct(case, case.path / "inputs/ct")
    assert ct_source(case.path) == ct


def test_a_ct_that_moved_is_named_by_its_hash_and_not_by_its_place(linked):
    case, ct = linked
    held = load_ct(ct).sha256
    ct.rename(ct.with_name("elsewhere.nii.gz"))
    with pytest.raises(CtMovedError) as caught:
        load_case_ct(case.path)
    assert caught.value.ct_sha256 == held
    assert "there" not in caught.value.message.split()
    assert str(ct) not in str(caught.value.as_dict())


def test_another_ct_at_its_place_is_refused_with_both_hashes(linked):
    case, ct = linked
    held = load_ct(ct).sha256
    volume(ct, seed=2)
    with pytest.raises(CtChangedError) as caught:
        load_case_ct(case.path)
    assert (caught.value.held, caught.value.found) == (held, load_ct(ct).sha256)


def test_a_case_from_masks_has_no_ct(tmp_path):
    Case(tmp_path).claim(None, "b" * 64)
    with pytest.raises(NoCtLinkError):
        ct_source(tmp_path)


def test_the_series_chosen_is_remembered(linked):
    case, ct = linked
    link_ct(case, ct, "3")
    assert ct_series(case.path) == "3"
    link_ct(case, ct)
    assert ct_series(case.path) is None


def test_only_a_cases_own_link_is_taken_for_one(linked, tmp_path):
    case, ct = linked
    assert case_of(case.path / "inputs/ct") == case.path
    assert case_of(ct) is None
    assert case_of(tmp_path / "inputs/ct") is None


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[]", b"{}", b"{"])
def test_a_damaged_note_of_the_input_is_refused_by_name(linked, content):
    case, _ = linked
    case.write("inputs.json", content)
    with pytest.raises(UnreadableInputsError) as caught:
        held_sha256(case.path)
    assert caught.value.case == case.path.name
    with pytest.raises(UnreadableInputsError):
        load_case_ct(case.path)
