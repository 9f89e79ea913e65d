import subprocess
import sys

import pytest

from planning_core.case.folder import Case, CaseInUseError, OtherInputError


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
    case.withdraw()
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["audit.jsonl", "inputs.json", "segmentation.npz"]
