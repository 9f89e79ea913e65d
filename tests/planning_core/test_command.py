"""What the command refuses before it plans, and how it ends."""

import errno
import json

import pytest

from planning_core.anatomy.naming import AmbiguousLevelError
from planning_core.command import main
from planning_core.xray.picture import write_xray
from tests.planning_core.xray.rebuilding import rebuilt, views
from tests.planning_core.xray.shots import shot, write_shots


def run(capsys, *words):
    status = main(["plan", *map(str, words), "--json"])
    return status, json.loads(capsys.readouterr().out)


def test_labels_that_lie_where_the_plan_writes_its_own_are_refused_and_stay(tmp_path, capsys):
    labels = tmp_path / "case" / "labels.nii.gz"
    labels.parent.mkdir()
    labels.write_bytes(b"drawn by hand")
    status, refused = run(capsys, "--labels", labels, "--level", "L1", "--out", tmp_path / "case")
    assert (status, refused["code"], refused["output"]) == (2, "input_in_case", "labels.nii.gz")
    assert labels.read_bytes() == b"drawn by hand"
    elsewhere = labels.rename(tmp_path / "labels.nii.gz")
    (tmp_path / "case" / "report.html").write_text("somebody's")
    status, refused = run(capsys, "--labels", elsewhere, "--level", "L1", "--out", tmp_path / "case")
    assert (status, refused["code"], refused["found"]) == (2, "foreign_files", ["report.html"])
    assert (tmp_path / "case" / "report.html").read_text() == "somebody's"


def test_pictures_that_lie_where_the_plan_writes_its_own_are_refused_and_stay(tmp_path, capsys):
    folder = tmp_path / "case" / "xray"
    folder.mkdir(parents=True)
    shots = write_shots(folder, views(), rebuilt(place=(0.0, 0.0, 0.0)).shape)
    status, refused = run(capsys, "--xray", *shots, "--level", "L1", "--out", tmp_path / "case")
    assert (status, refused["code"], refused["output"]) == (2, "input_in_case", "xray")
    assert all(shot.exists() for shot in shots)


def full(descriptor):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(("out", "reason"), [("taken", "EEXIST"), ("taken/case", "ENOTDIR"), ("case", "ENOSPC")])
def test_a_case_folder_that_cannot_be_written_is_said_in_the_systems_words(tmp_path, capsys, monkeypatch, out, reason):
    (tmp_path / "taken").write_text("a file")
    (tmp_path / "labels.nii.gz").write_bytes(b"x")
    if reason == "ENOSPC":
        monkeypatch.setattr("planning_core.case.folder.os.fsync", full)
    status, refused = run(capsys, "--labels", tmp_path / "labels.nii.gz", "--level", "L1", "--out", tmp_path / out)
    assert (status, refused["code"], refused["reason"]) == (1, "file_system", reason)
    assert (tmp_path / "taken").read_text() == "a file"


def test_pictures_of_two_frames_are_a_wrong_input(tmp_path, capsys):
    places = []
    for view, frame in zip(views(), ("carm", "ct_lps"), strict=True):
        places.append(tmp_path / f"{frame}.npz")
        write_xray(shot(view, rebuilt(place=(0.0, 0.0, 0.0)).shape), places[-1])
        said = json.loads(places[-1].with_suffix(".json").read_text())
        places[-1].with_suffix(".json").write_text(json.dumps({**said, "frame": frame}))
    status, refused = run(capsys, "--xray", *places, "--level", "L1", "--out", tmp_path / "case")
    assert (status, refused["code"], refused["left"], refused["right"]) == (2, "frame_mismatch", "carm", "ct_lps")


def test_a_choice_of_nothing_that_could_be_drawn_is_still_offered(tmp_path, capsys, monkeypatch):
    def segment(*_):
        raise AmbiguousLevelError("which?", candidates=[{"probability": 1.0, "levels": {}}])

    (tmp_path / "labels.nii.gz").write_bytes(b"x")
    monkeypatch.setattr("planning_core.pipeline.segment", segment)
    status, refused = run(capsys, "--labels", tmp_path / "labels.nii.gz", "--out", tmp_path / "case")
    assert (status, refused["code"]) == (3, "ambiguous_level")
    assert "picture" not in refused
