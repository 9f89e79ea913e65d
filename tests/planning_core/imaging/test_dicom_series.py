import shutil

import numpy as np
import pytest

from planning_core.imaging.ingest import load_ct
from planning_core.imaging.refusals import UnreadableFileError


def emptied(file):
    file.write_bytes(b"")


def zeroed(file):
    """As a copy that was broken off leaves it: all its bytes, and nothing in them."""
    file.write_bytes(b"\0" * file.stat().st_size)


def headless(file):
    file.write_bytes(file.read_bytes()[132:])


def cut_behind_the_mark(file):
    file.write_bytes(file.read_bytes()[:132])


@pytest.mark.parametrize("harm", [emptied, zeroed, headless, cut_behind_the_mark])
@pytest.mark.parametrize("numbers", [(0,), (13,), (0, 1, 13)])
@pytest.mark.parametrize("name", ["{}", "{:06d}.dcm", "IM{:04d}.IMA", "I{}", "1.2.840.{}"])
def test_slices_that_lost_their_content_are_refused_with_their_number(series, harm, numbers, name):
    """At an end of the stack nobody would miss them."""
    files = [
        file.rename(series / (file.name if name == "{}" else name.format(n))) for n, file in enumerate(sorted(series.iterdir()))
    ]
    for number in numbers:
        harm(files[number])
    with pytest.raises(UnreadableFileError, match=f"{len(numbers)} of 14 files") as refused:
        load_ct(series)
    assert (refused.value.reason, refused.value.count) == ("damaged", len(numbers))


def test_what_is_called_otherwise_is_passed_over_however_empty(series, small_ct):
    for name in ("readme.txt", "DICOMDIR", "LOCKFILE", ".DS_Store", "Thumbs.db", "slice_0001.txt", "slice_0001.dcm.md5", "2.png"):
        (series / name).write_bytes(b"")
    for file in sorted(series.glob("*.dcm")):  # beside every file on a foreign disk
        (series / f"._{file.name}").write_bytes(b"\0\5\x16\7" + b"\0" * 200)
    np.testing.assert_array_equal(load_ct(series).hu, small_ct[0])


def test_names_without_numbers_say_nothing(series, small_ct, tmp_path):
    (series / "sub").mkdir()
    shutil.move(sorted(series.glob("*.dcm"))[3], series / "sub" / "slice")
    (series / "slice").write_bytes(b"")
    np.testing.assert_array_equal(load_ct(series).hu, small_ct[0])


def test_what_was_given_a_number_for_a_name_is_known_by_its_content(series, small_ct):
    """As an upload of a whole disk leaves it: every file is called alike, and what is none of the slices is passed over."""
    for number, file in enumerate(sorted(series.iterdir())):
        file.rename(series / f"{number:06d}.dcm")
    for number, content in enumerate(
        (b"[autorun]\r\nopen=viewer.exe", b"MZ\x90\0\3" + b"\0" * 500, b"<html>", b"GIF89a"), start=20
    ):
        (series / f"{number:06d}.dcm").write_bytes(content)
    np.testing.assert_array_equal(load_ct(series).hu, small_ct[0])
    (series / "000020.dcm").rename(series / "scan20.dcm")
    with pytest.raises(UnreadableFileError, match="1 of 18 files"):
        load_ct(series)
