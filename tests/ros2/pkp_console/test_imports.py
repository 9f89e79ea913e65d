"""Uploads: streamed, limited, named by us, read in a process; refusals in words."""

import io
import threading
import zipfile

import pytest

DEADLINE_S = 60.0


def begin(hand, kind):
    answer = hand.post("/imports", {"kind": kind})
    assert answer.status_code == 201, answer.text
    return f"/imports/{answer.json()['import_id']}"


def put(hand, place, content, number=1):
    return hand.ask("PUT", f"{place}/parts/{number}", content=content)


def ended(hand, place, **more):
    return hand.ended(hand.post(f"{place}/finish", more).json())


def zipped(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return out.getvalue()


@pytest.fixture(scope="module")
def volume(tmp_path_factory):
    """A tiny CT as NIfTI and as DICOM files."""
    import SimpleITK as sitk

    from hardware_sim.patient import PatientSpec, generate

    made = generate(PatientSpec(seed=5, spacing_mm=(5.0, 5.0, 5.0)))
    folder = tmp_path_factory.mktemp("volume")
    made.write_dicom(folder / "dicom")
    image = sitk.GetImageFromArray(made.hu)
    image.SetSpacing([float(s) for s in made.grid.spacing_mm])
    sitk.WriteImage(image, str(folder / "ct.nii.gz"))
    return (folder / "ct.nii.gz").read_bytes(), [p.read_bytes() for p in sorted((folder / "dicom").iterdir())]


def test_what_is_no_ct_is_refused_in_words_and_leaves_nothing(console):
    hand = console.hand("planner")
    place = begin(hand, "nii")
    assert put(hand, place, b"garbage").json() == {"bytes": 7}
    job = ended(hand, place)
    assert job["state"] == "refused"
    assert job["refusal"]["code"] == "unreadable"
    assert str(console.desk.store.root) not in str(job)
    assert list(console.desk.uploads.iterdir()) == []


def test_limits_hold_while_streaming(console):
    hand = console.hand("planner")
    place = begin(hand, "dicom")
    assert put(hand, place, b"x" * 150_000).status_code == 200
    assert put(hand, place, b"x" * 150_000, 2).json()["code"] == "too_large"
    assert put(hand, place, b"x", 51).json()["code"] == "too_large"
    assert put(hand, place, b"x", 0).status_code == 422
    assert put(hand, begin(hand, "nii"), b"x", 2).json()["code"] == "bad_upload"
    begin(hand, "nii"), begin(hand, "nii")
    assert hand.post("/imports", {"kind": "nii"}).json()["code"] == "busy"
    assert hand.ask("DELETE", place).status_code == 200
    begin(hand, "nii")


def test_a_zip_decides_nothing_about_names_and_cannot_swell(web, tmp_path):
    from pkp_console.refusals import BadUploadError, TooLargeError
    from pkp_console.unpack import unpack

    def run(content, most_bytes=10_000, most_files=10):
        place = tmp_path / "a.zip"
        place.write_bytes(content)
        return unpack(place, tmp_path / "out", most_bytes, most_files)

    assert run(zipped([("../../evil", b"1"), ("/etc/x", b"2"), ("a/.DS_Store", b"3"), ("DICOMDIR", b"4")])) == 2
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["000001.dcm", "000002.dcm"]
    assert not (tmp_path.parent / "evil").exists()
    with pytest.raises(TooLargeError):
        run(zipped([("bomb", b"0" * 10_000_000)]))
    with pytest.raises(TooLargeError):
        run(zipped([(str(n), b"") for n in range(11)]))
    for bad in (b"", b"PK", zipped([("a", b"abc")])[:-30], zipped([])):
        with pytest.raises(BadUploadError):
            run(bad)


@pytest.mark.slow
def test_a_ct_becomes_a_case_and_the_same_ct_the_same_case(console, volume):
    wide = {"upload_bytes": 10**9, "unpacked_bytes": 10**9, "upload_files": 500}
    object.__setattr__(console.desk.config, "__dict__", {**console.desk.config.__dict__, **wide})
    nifti, slices = volume
    hand = console.hand("planner")
    ids = []
    for kind, parts in (("nii.gz", [nifti]), ("zip", [zipped([(f"d/{n}", s) for n, s in enumerate(slices)])]), ("dicom", slices)):
        place = begin(hand, kind)
        for number, part in enumerate(parts, start=1):
            console.desk.brake.passed("planner")
            assert put(hand, place, part, number).status_code == 200
        job = ended(hand, place)
        assert job["state"] == "done", str(job)
        ids.append(job["result"])
        facts = hand.get(f"/cases/{job['result']}").json()
        assert facts["has_ct"]
        assert facts["events"][-1]["by"] == "planner"
        assert {"ct", "thumbnail"} <= set(facts["files"])
    assert ids[1] == ids[2] != ids[0]


def received(console, source, sha256="a" * 64, **more):
    """What the ingest node says of a scan that was sent to it; the job that the console makes of it, ended."""
    from pkp_console.app import listen_for_scans

    listen_for_scans(console.desk)
    for topic, value in more.items():
        console.desk.live.put(topic, value)
    console.desk.live.put("received", {"source": str(source), "ct_sha256": sha256})
    for thread in threading.enumerate():
        if thread.name.startswith("job-"):
            thread.join(DEADLINE_S)
    return [j for j in console.hand("viewer").get("/jobs").json() if j["by"] == "DICOM"]


def test_a_scan_of_the_procedure_is_no_new_case(console, tmp_path):
    (tmp_path / "1.dcm").write_bytes(b"no DICOM")
    assert received(console, tmp_path, phase={"phase": 4}) == []
    assert received(console, tmp_path / "gone", phase={"phase": 1}) == []
    (job,) = received(console, tmp_path, phase={"phase": 1})
    assert (job["state"], job["refusal"]["code"]) == ("refused", "unreadable")
    assert list(console.desk.uploads.iterdir()) == []
    assert (tmp_path / "1.dcm").exists()  # the run's own scan stays where it is


@pytest.mark.slow
def test_a_scan_that_was_sent_is_in_the_case_list_once(console, volume, tmp_path):
    from planning_core.imaging.ingest import load_ct

    wide = {"upload_bytes": 10**9, "unpacked_bytes": 10**9, "upload_files": 500}
    object.__setattr__(console.desk.config, "__dict__", {**console.desk.config.__dict__, **wide})
    for n, content in enumerate(volume[1]):
        (tmp_path / f"{n}.dcm").write_bytes(content)
    sha256 = load_ct(tmp_path).sha256
    (job,) = received(console, tmp_path, sha256)
    assert job["state"] == "done", str(job)
    listed = [c["id"] for c in console.hand("viewer").get("/cases").json()]
    assert job["result"] in listed
    assert len(received(console, tmp_path, sha256)) == 1  # a console that starts anew hears it again
