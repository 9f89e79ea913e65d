import subprocess
import sys
from pathlib import Path

import pytest

from planning_core.case.folder import Case, CaseInUseError, ForeignFilesError, InputInCaseError, OtherInputError


def test_a_writer_that_fails_leaves_what_was_there(tmp_path):
    case = Case(tmp_path)
    case.write("plan.json", b"first")

    def fail(place):
        place.write_bytes(b"half")
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        case.write_with("plan.json", fail)
    assert (tmp_path / "plan.json").read_bytes() == b"first"
    assert [p.name for p in tmp_path.iterdir()] == ["plan.json"]


def test_two_processes_do_not_write_one_case(tmp_path):
    other = (
        "import sys; from pathlib import Path; from planning_core.case.folder import Case, CaseInUseError\n"
        "try:\n    with Case(Path(sys.argv[1])).writing(): print('wrote')\nexcept CaseInUseError: print('refused')"
    )
    with Case(tmp_path).writing():
        run = subprocess.run([sys.executable, "-c", other, str(tmp_path)], capture_output=True, text=True, check=True)
        assert run.stdout.strip() == "refused"
        with pytest.raises(CaseInUseError), Case(tmp_path).writing():
            pass
    run = subprocess.run([sys.executable, "-c", other, str(tmp_path)], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "wrote"


def test_what_a_killed_run_left_is_cleared_by_the_next(tmp_path):
    left = tmp_path / "surfaces" / ".part-L1_body.stl"
    left.parent.mkdir()
    left.write_bytes(b"half a surface")
    with Case(tmp_path).writing():
        assert not left.exists()


def test_a_folder_never_mixes_two_inputs(tmp_path):
    case = Case(tmp_path)
    case.claim("a" * 64, None)
    case.claim("a" * 64, "b" * 64)  # the same CT, now with labels
    with pytest.raises(OtherInputError) as caught:
        case.claim("c" * 64, None)
    assert (caught.value.held["ct_sha256"], caught.value.given["ct_sha256"]) == ("a" * 64, "c" * 64)


def test_labels_alone_are_an_input_too(tmp_path):
    Case(tmp_path).claim(None, "b" * 64)
    with pytest.raises(OtherInputError):
        Case(tmp_path).claim(None, "d" * 64)


def test_masks_without_a_ct_do_not_take_over_a_ct_case_they_were_never_part_of(tmp_path):
    Case(tmp_path).claim("a" * 64, None)
    with pytest.raises(OtherInputError):
        Case(tmp_path).claim(None, "b" * 64)


def test_withdrawing_leaves_the_record_and_the_stored_stages(tmp_path):
    case = Case(tmp_path)
    for name in ("plan.json", "report.html", "surfaces/L1_body.stl", "stages/segmentation.npz", "audit.jsonl", "inputs.json"):
        case.write(name, b"x")
    case.write("confirmation/confirmation.json", b"of the plan that goes")
    case.withdraw()
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["audit.jsonl", "inputs.json", "segmentation.npz"]


@pytest.mark.parametrize("name", ["plan.json", "report.html", "labels.nii.gz", "xray/a.dcm", "surfaces/own.stl", "inputs/ct"])
def test_a_folder_with_files_of_others_is_never_made_a_case(tmp_path, name):
    theirs = tmp_path / name
    theirs.parent.mkdir(exist_ok=True)
    theirs.write_bytes(b"of years of work")
    for claim in (lambda case: case.claim("a" * 64, None), lambda case: case.claim_xrays(["a" * 64])):
        with Case(tmp_path).writing(), pytest.raises(ForeignFilesError) as refused:
            claim(Case(tmp_path))
        assert refused.value.exit_status == 2
        assert refused.value.found == [name if name == "inputs/ct" else name.split("/")[0]]
    assert theirs.read_bytes() == b"of years of work"
    assert not (tmp_path / "inputs.json").exists()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"inputs": 3}', "{"])
def test_an_inputs_file_of_others_is_not_taken_for_ours(tmp_path, content):
    (tmp_path / "inputs.json").write_text(content)
    with pytest.raises(ForeignFilesError) as refused:
        Case(tmp_path).claim("a" * 64, None)
    assert refused.value.found == ["inputs.json"]
    assert (tmp_path / "inputs.json").read_text() == content


def test_what_else_lies_in_the_folder_is_no_hindrance(tmp_path):
    (tmp_path / "dicom").mkdir()
    (tmp_path / "notes.txt").write_text("hello")
    Case(tmp_path).claim("a" * 64, None)
    Case(tmp_path).write("plan.json", b"ours")
    Case(tmp_path).claim("a" * 64, None)  # a case by now: what it holds is ours


def test_only_half_written_files_are_cleared_and_only_where_a_case_is_written(tmp_path):
    kept = [tmp_path / ".part-folder" / "thesis.txt", tmp_path / "photos" / ".part-1.jpg", tmp_path / "dicom/a/.part-2.dcm"]
    for place in kept:
        place.parent.mkdir(parents=True)
        place.write_bytes(b"x")
    (tmp_path / "inputs").mkdir()
    (tmp_path / "inputs" / ".part-ct").symlink_to(tmp_path / "dicom", target_is_directory=True)
    with Case(tmp_path).writing():
        assert not (tmp_path / "inputs" / ".part-ct").is_symlink()
    assert all(place.exists() for place in kept)


def test_withdrawing_takes_a_link_away_and_not_what_it_leads_to(tmp_path):
    case, elsewhere = tmp_path / "case", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "own.stl").write_bytes(b"x")
    Case(case).claim("a" * 64, None)
    (case / "surfaces").symlink_to(elsewhere)
    Case(case).withdraw()
    assert (elsewhere / "own.stl").exists()
    assert not (case / "surfaces").is_symlink()


@pytest.mark.parametrize("name", ["labels.nii.gz", "xray/a.png", "xray", "surfaces/more/of.nii"])
def test_an_input_that_a_plan_would_replace_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "case" / name)
    for source in (tmp_path / "case" / name, Path("case") / name, tmp_path / "link"):
        with pytest.raises(InputInCaseError) as refused:
            Case(Path("case")).keep_clear(None, source)
        assert refused.value.output == name.split("/")[0]
        assert refused.value.exit_status == 2


def test_inputs_beside_the_outputs_are_taken(tmp_path):
    case = Case(tmp_path / "case")
    case.keep_clear(None, tmp_path / "labels.nii.gz", case.path / "dicom", case.path / "input/xrays/a.dcm", case.path, tmp_path)
