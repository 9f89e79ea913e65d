"""What the command refuses before it plans, and how it ends."""

import json

from planning_core.command import main
from tests.planning_core.xray.rebuilding import rebuilt, views
from tests.planning_core.xray.shots import write_shots


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
