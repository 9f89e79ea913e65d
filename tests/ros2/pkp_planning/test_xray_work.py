"""The X-ray work of the planner: what a folder asks for, and refusals that reach whoever asked by name."""

import json

import pytest
from pkp_planning.work import Job
from pkp_planning.xray_work import CLICKS, FRAMES, NoPicturesError, reconstruct_xrays, request_of

from planning_core.case.revisions import open_record
from planning_core.errors import InputError
from planning_core.xray.click_words import InvalidClickError
from planning_core.xray.plan import XrayPlan
from planning_core.xray.request import XrayLevelNotGivenError
from tests.planning_core.xray.rebuilding import rebuilt, views
from tests.planning_core.xray.shots import write_shots

FOUND = rebuilt(place=(0.0, 0.0, 0.0))


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "shots"
    place.mkdir()
    write_shots(place, views(), FOUND.shape)
    return place


def job(folder, **more):
    return Job(str(folder), **{"case_path": str(folder.parent / "case"), "level": "L1"} | more)


def test_a_folder_is_its_pictures_in_order_and_its_clicks(folder):
    (folder / CLICKS).write_text(json.dumps(["a:100,120.5", "b:99,130"]))
    request = request_of(job(folder))
    assert [p.name for p in request.images] == ["shot_0.dcm", "shot_1.dcm"]
    assert [p.tolist() for p in request.clicks.pixels] == [[[100.0, 120.5]], [[99.0, 130.0]]]
    assert request.level.value == "L1"


@pytest.mark.parametrize("words", ["{", '{"a": 1}', "[1, 2]"])
@pytest.mark.parametrize("name", [CLICKS, FRAMES])
def test_clicks_and_frames_that_are_no_list_of_words_are_refused(folder, name, words):
    (folder / name).write_text(words)
    with pytest.raises(InputError, match=f"{name} is no list of words"):
        request_of(job(folder))


def test_what_does_not_belong_to_x_rays_is_refused(folder, tmp_path):
    with pytest.raises(NoPicturesError):
        request_of(job(tmp_path / "nothing"))
    with pytest.raises(NoPicturesError):
        request_of(Job("", case_path="x", level="L1"))
    with pytest.raises(XrayLevelNotGivenError):
        request_of(job(folder, level=""))
    with pytest.raises(InputError, match="at: not for X-rays"):
        request_of(job(folder, at=(0.0, 0.0, 0.0)))
    (folder / CLICKS).write_text('["a:1,2"]')
    with pytest.raises(InvalidClickError):
        request_of(job(folder))
    with pytest.raises(InputError, match="no case folder"):
        reconstruct_xrays(job(folder, case_path=""), lambda stage: None)


@pytest.mark.slow
def test_the_answer_names_the_sealed_file_and_its_hash(folder, monkeypatch):
    import planning_core.xray.fit

    monkeypatch.setattr(planning_core.xray.fit, "reconstruct", lambda images, level, clicks, config: FOUND, raising=False)
    stages = []
    facts = reconstruct_xrays(job(folder), stages.append)
    plan = open_record(folder.parent / "case", XrayPlan, facts.sha256)
    assert (folder.parent / "case" / facts.path).read_text() == plan.to_json()
    assert facts.levels == ("L1",)
    assert facts.numbering_confidence == plan.confidence
    assert stages == ["read", "fit", "paths", "report"]
