import json

import pytest

from planning_core.command import main
from planning_core.imaging.identity import PatientIdentity, read_identity
from planning_core.imaging.refusals import UnreadableFileError


def test_the_headers_say_who_it_is_through_a_link_too(series, tmp_path):
    (tmp_path / "link").symlink_to(series)
    for place in (series, tmp_path / "link"):
        assert read_identity(place) == PatientIdentity("Synthetic^Patient", "SYN5", "19500101")


def test_a_volume_file_names_nobody(tmp_path):
    (tmp_path / "ct.nii.gz").write_bytes(b"")
    assert read_identity(tmp_path / "ct.nii.gz") == PatientIdentity()


@pytest.mark.parametrize("name", ["nowhere", "nowhere.nii.gz", "dangling"])
def test_what_is_not_there_is_not_called_damaged(tmp_path, capsys, name):
    (tmp_path / "dangling").symlink_to(tmp_path / "gone")
    with pytest.raises(UnreadableFileError) as refused:
        read_identity(tmp_path / name)
    assert refused.value.reason == "not there"
    status = main(["plan", str(tmp_path / name), "--level", "L1", "--with-identity", "--out", str(tmp_path / "case"), "--json"])
    said = json.loads(capsys.readouterr().out)
    assert (status, said["code"], said["reason"]) == (2, "unreadable", "not there")
