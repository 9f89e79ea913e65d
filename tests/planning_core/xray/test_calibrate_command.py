"""``./pkp calibrate``: numbers of the C-arm, and a straightened picture in the phantom's frame that others read."""

import json

import attrs
import numpy as np
import pytest

from hardware_sim.carm.phantom_shot import phantom_shot
from planning_core.xray.__main__ import main
from planning_core.xray.calibration import Distortion
from planning_core.xray.image import read_xray
from planning_core.xray.phantom import helix_phantom
from planning_core.xray.picture import write_xray
from tests.planning_core.xray.test_calibration import SIZE, isocentric, true_view


@pytest.fixture
def picture(tmp_path):
    truth = true_view()
    middle = tuple((np.array(SIZE) - 1) / 2)
    bent = Distortion(middle, float(np.linalg.norm(SIZE)) / 2, radial=0.02, spiral=0.01)
    place = tmp_path / "shot.npz"
    write_xray(attrs.evolve(phantom_shot(helix_phantom(), truth, bent), view=isocentric()), place)
    return place, truth


def run(capsys, *words):
    status = main([*map(str, words), "--json"])
    return status, json.loads(capsys.readouterr().out)


def described(phantom):
    return {
        "small_mm": phantom.small_mm,
        "large_mm": phantom.large_mm,
        "beads": [
            {"at_mm": at, "large": large} for at, large in zip(phantom.beads_mm.tolist(), phantom.large.tolist(), strict=True)
        ],
    }


def test_the_straightened_picture_lies_in_the_phantoms_frame(picture, capsys):
    place, truth = picture
    status, said = run(capsys, place)
    assert status == 0
    assert said["rms_mm"] < 0.1
    assert said["beads"] >= 20
    assert said["distortion"]["radial"] == pytest.approx(0.02, abs=0.004)
    straight = read_xray(place.with_name("shot_calibrated.npz"))
    assert straight.view.frame == "phantom"
    beads = helix_phantom().beads_mm
    assert np.abs(straight.view.project(beads) - truth.project(beads)).max() < 1.0
    rows, columns = np.rint(straight.view.project(beads[helix_phantom().large])).astype(int).T
    assert straight.pixels[rows, columns].min() > np.median(straight.pixels) + 1.0  # the shadows lie where the view has the beads
    assert main([str(place), "--out", str(place.with_name("told.npz"))]) == 0
    assert "rms on the detector" in capsys.readouterr().out


def test_a_phantom_of_ones_own(picture, tmp_path, capsys):
    place, _ = picture
    own, said = tmp_path / "own.json", described(helix_phantom())
    own.write_text(json.dumps(said))
    assert run(capsys, place, "--phantom", own)[0] == 0
    for bad, why in (
        ({**said, "beads": said["beads"][:5]}, "beads"),
        ({**said, "beads": [{**bead, "large": False} for bead in said["beads"]]}, "0 large"),
        ({**said, "small_mm": 5.0}, "a difference"),
        ({"beads": 3}, "describes no"),
    ):
        own.write_text(json.dumps(bad))
        status, refused = run(capsys, place, "--phantom", own)
        assert (status, refused["code"], why in refused["message"]) == (2, "invalid_phantom", True), refused
    assert run(capsys, place, "--phantom", tmp_path / "none.json")[1]["code"] == "invalid_phantom"


def test_a_picture_without_the_phantom_is_refused_and_nothing_is_written(picture, capsys):
    place, _ = picture
    nothing = place.with_name("empty.npz")
    noise = np.random.default_rng(1).normal(size=SIZE).astype(np.float32)
    write_xray(attrs.evolve(read_xray(place), pixels=noise, view=isocentric()), nothing)
    status, refused = run(capsys, nothing)
    assert (status, refused["code"]) == (2, "too_few_shadows")
    assert not nothing.with_name("empty_calibrated.npz").exists()
    assert run(capsys, place, "--out", place.with_name("x.png"))[0] == 2


def test_what_is_read_is_never_replaced(picture, tmp_path, capsys):
    place, _ = picture
    beads = tmp_path / "beads.json"
    beads.write_text(json.dumps(described(helix_phantom())))
    before = {path: path.read_bytes() for path in (place, place.with_suffix(".json"), beads)}
    (tmp_path / "linked").symlink_to(tmp_path)
    for out, taken in (
        (place, "shot.npz"),
        (tmp_path / "linked" / "shot.npz", "shot.npz"),
        (beads.with_suffix(".npz"), "beads.json"),
    ):
        status, refused = run(capsys, place, "--phantom", beads, "--out", out)
        assert (status, refused["code"], refused["taken"]) == (2, "out_taken", taken)
    assert {path: path.read_bytes() for path in before} == before


def test_the_geometry_of_a_plain_picture_is_not_replaced_by_the_straightened_ones(picture, capsys):
    place, _ = picture
    shot = place.rename(place.with_name("shot.png"))  # whatever it holds, its geometry is beside it
    status, refused = run(capsys, shot, "--out", place)
    assert (status, refused["code"], refused["taken"]) == (2, "out_taken", "shot.json")
    other = place.with_name("other.json")
    other.write_text("{}")
    assert run(capsys, shot, "--out", other.with_suffix(".npz"))[1]["taken"] == "other.json"
    assert other.read_text() == "{}"


def test_a_picture_written_again_takes_the_place_of_the_one_before(picture, capsys):
    place, _ = picture
    assert run(capsys, place)[0] == 0
    assert run(capsys, place)[0] == 0
    assert sorted(p.name for p in place.parent.iterdir()) == [
        f"shot{m}.{kind}" for m in ("", "_calibrated") for kind in ("json", "npz")
    ]
