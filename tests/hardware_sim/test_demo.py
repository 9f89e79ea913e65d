"""``./pkp demo``: each patient in a folder of his own."""

import json

import pydicom
import pytest

from hardware_sim import demo
from hardware_sim.patient import PatientSpec, generate
from hardware_sim.patient.dicom import OtherSeriesError

COARSE = (4.0, 4.0, 4.0)


@pytest.fixture
def planned(monkeypatch, tmp_path):
    """The words that the plan is called with; patients are coarse."""
    calls = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, "generate", lambda spec: generate(spec.model_copy(update={"spacing_mm": COARSE})))
    monkeypatch.setattr(demo, "pkp", lambda words: calls.append(words) or 0)
    return calls


def patients(folder):
    return {str(pydicom.dcmread(file, stop_before_pixels=True).PatientID) for file in folder.glob("*.dcm")}


def test_another_seed_is_another_case(planned, tmp_path):
    for words, name in (([], "demo"), (["--seed", "2"], "demo-seed-2"), (["--seed", "1"], "demo")):
        assert demo.main(words) == 0
        assert planned[-1][planned[-1].index("--out") + 1] == f"cases/{name}"
        assert planned[-1][1] == f"cases/{name}/dicom"
    assert patients(tmp_path / "cases" / "demo" / "dicom") == {"SYN1"}
    assert patients(tmp_path / "cases" / "demo-seed-2" / "dicom") == {"SYN2"}


def test_another_patient_is_not_written_among_the_first_ones_slices(planned, tmp_path, capsys):
    assert demo.main(["--out", "case"]) == 0
    before = {file: file.read_bytes() for file in (tmp_path / "case" / "dicom").iterdir()}
    capsys.readouterr()
    assert demo.main(["--out", "case", "--seed", "2", "--json"]) == 2
    refused = json.loads(capsys.readouterr().out)
    assert (refused["code"], refused["found"]) == ("other_series", len(before))
    assert {file: file.read_bytes() for file in (tmp_path / "case" / "dicom").iterdir()} == before
    assert len(planned) == 1


def test_a_series_is_written_anew_but_never_among_more_slices(tmp_path):
    patient = generate(PatientSpec(seed=1, spacing_mm=COARSE))
    patient.write_dicom(tmp_path)
    first = sorted(tmp_path.iterdir())[0]
    whole = first.read_bytes()
    first.write_bytes(b"")  # as an interrupted run leaves it
    patient.write_dicom(tmp_path)
    assert first.read_bytes() == whole
    (tmp_path / "slice_9999.dcm").write_bytes(whole)
    with pytest.raises(OtherSeriesError) as refused:
        patient.write_dicom(tmp_path)
    assert refused.value.found == 1


@pytest.mark.parametrize("words", [["--seed", "-1"], ["--seed", "x"]])
def test_what_is_no_seed_is_refused(planned, words):
    assert demo.main(words) == 64
