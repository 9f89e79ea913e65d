"""``./pkp drr``: what it writes is read back as the views that were asked for, the point in the middle of each."""

import json

import numpy as np
import pydicom
import pytest

from hardware_sim.carm.shots import main
from hardware_sim.patient import PatientSpec, generate
from planning_core.anatomy.levels import VertebraLevel
from planning_core.xray.image import read_xray


@pytest.fixture(scope="module")
def patient(tmp_path_factory):
    made = generate(PatientSpec(seed=4, spacing_mm=(3.0, 3.0, 4.0)))
    folder = tmp_path_factory.mktemp("ct")
    made.write_dicom(folder)
    return folder, made.centres_lps_mm[VertebraLevel.L2]


def run(capsys, *words):
    status = main([*words, "--json"])
    return status, json.loads(capsys.readouterr().out)


def test_pictures_of_a_ct_are_read_back_as_they_were_asked_for(patient, tmp_path, capsys):
    folder, middle = patient
    at = ",".join(f"{c:.2f}" for c in middle)
    words = (str(folder), "--at", at, "--view", "-5,10", "--view", "85,0")
    status, _ = run(capsys, *words, "--out", str(tmp_path / "one"))
    assert status == 0
    images = [read_xray(tmp_path / "one" / f"{letter}.dcm") for letter in "ab"]
    for image, angles in zip(images, ((-5.0, 10.0), (85.0, 0.0)), strict=True):
        beam = image.view.beam
        assert np.degrees(np.arctan2(beam[0], -beam[1])) == pytest.approx(angles[0], abs=1e-3)
        assert np.degrees(np.arcsin(beam[2])) == pytest.approx(angles[1], abs=1e-3)
        assert image.view.project(np.zeros(3)) == pytest.approx([287.5, 287.5], abs=1e-3)
        assert image.pixels[280:296, 280:296].mean() > image.pixels[280:296, :40].mean()  # bone in the middle
        assert image.sided
    run(capsys, *words, "--out", str(tmp_path / "again"))
    assert all((tmp_path / "one" / f"{n}.dcm").read_bytes() == (tmp_path / "again" / f"{n}.dcm").read_bytes() for n in "ab")


def test_every_place_of_the_ct_is_inside_whatever_its_shape(patient, tmp_path, capsys):
    """Rows, columns and slices were once taken for one another."""
    from planning_core.imaging.ingest import load_ct

    grid = load_ct(patient[0]).grid
    assert grid.shape[0] > grid.shape[2]
    edge = grid.points(np.array([grid.shape[0] - 3, grid.shape[1] // 2, grid.shape[2] // 2]))
    at = ",".join(f"{c:.2f}" for c in edge)
    status, said = run(capsys, str(patient[0]), "--at", at, "--view", "0,0", "--out", str(tmp_path))
    assert status == 0, said


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--at", "1,2"), "3 numbers"),
        (("--at", "0,0,9999"), "outside the CT"),
        (("--at", "9999,0,0"), "outside the CT"),
        (("--at", "0,0,nan"), "3 numbers"),
        (("--at", "0,0,0", "--view", "x"), "2 numbers"),
    ],
)
def test_what_cannot_be_made_is_refused_and_nothing_is_written(patient, tmp_path, capsys, more, said):
    status, refused = run(capsys, str(patient[0]), *more, "--out", str(tmp_path / "out"))
    assert (status, said in refused["message"]) == (2, True), refused
    assert not (tmp_path / "out").exists()


def test_pictures_are_made_anew_but_never_among_others(patient, tmp_path, capsys):
    folder, middle = patient
    words = (str(folder), "--at", ",".join(f"{c:.2f}" for c in middle), "--out", str(tmp_path))
    assert run(capsys, *words)[0] == 0
    before = (tmp_path / "a.dcm").read_bytes()
    assert run(capsys, *words, "--seed", "2")[0] == 0
    assert (tmp_path / "a.dcm").read_bytes() != before
    before = {place: place.read_bytes() for place in tmp_path.iterdir()}
    status, refused = run(capsys, *words, "--view", "0,0")  # b.dcm would stay, of another run
    assert (status, refused["code"], refused["found"]) == (2, "other_pictures", 1)
    header = pydicom.dcmread(tmp_path / "b.dcm")
    header.PatientName = "Doe^John"
    header.save_as(tmp_path / "b.dcm")
    before[tmp_path / "b.dcm"] = (tmp_path / "b.dcm").read_bytes()
    status, refused = run(capsys, *words)  # and this one is nobody's to replace
    assert (status, refused["found"]) == (2, 1)
    assert {place: place.read_bytes() for place in tmp_path.iterdir()} == before
