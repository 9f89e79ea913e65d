"""Imports that were begun: one limit for all their parts, room for others when nobody comes back, nothing half."""

import asyncio

import pytest

from tests.ros2.pkp_console.conftest import HOME
from tests.ros2.pkp_console.test_imports import begin, ended, put

IDLE_S = 600.0


@pytest.fixture
def clock(console):
    """The hours of the console's imports, which a test moves on."""
    now = [0.0]
    console.desk.imports._now = lambda: now[0]
    return now


def test_parts_that_come_at_the_same_time_have_one_limit_together(console):
    import httpx

    hand = console.hand("planner")
    place = begin(hand, "dicom")
    cookie = f"pkp_session={hand.client.cookies.get('pkp_session', '')}"
    headers = {"origin": HOME, "x-csrf-token": hand.csrf, "cookie": cookie}

    async def both():
        first_came, second_ended = asyncio.Event(), asyncio.Event()

        async def slow():
            yield b"x" * 150_000
            first_came.set()
            await second_ended.wait()

        async def quick():
            await first_came.wait()
            yield b"x" * 150_000

        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=console.app), base_url=HOME, headers=headers) as client:
            first = asyncio.create_task(client.put(f"/api{place}/parts/1", content=slow()))
            second = await client.put(f"/api{place}/parts/2", content=quick())
            second_ended.set()
            return (await first).status_code, second.json()["code"]

    assert asyncio.run(asyncio.wait_for(both(), 30.0)) == (200, "too_large")


def test_a_part_that_was_sent_again_counts_once(console):
    hand = console.hand("planner")
    place = begin(hand, "dicom")
    for _ in range(3):
        assert put(hand, place, b"x" * 150_000).status_code == 200
    assert hand.get("/imports").json()[0]["bytes"] == 150_000
    assert put(hand, place, b"x" * 50_000, 2).status_code == 200
    assert put(hand, place, b"x", 3).json()["code"] == "too_large"


def test_an_import_without_a_part_that_broke_off_is_not_read(console):
    hand = console.hand("planner")
    place = begin(hand, "dicom")
    assert put(hand, place, b"x" * 150_000).status_code == 200
    assert put(hand, place, b"x" * 150_000, 2).json()["code"] == "too_large"
    refused = hand.post(f"{place}/finish").json()
    assert (refused["code"], refused["parts"]) == ("bad_upload", [2])
    assert put(hand, place, b"x", 2).status_code == 200
    assert ended(hand, place)["refusal"]["code"] == "unreadable"


def test_imports_nobody_comes_back_to_make_room(console, clock):
    hand, other = console.hand("planner"), console.hand("operator")
    places = [begin(hand, "nii") for _ in range(4)]
    assert other.post("/imports", {"kind": "nii"}).json()["code"] == "busy"
    clock[0] = IDLE_S / 2
    put(hand, places[0], b"x")
    clock[0] = IDLE_S + 1
    begin(other, "nii")
    assert [f"/imports/{u['import_id']}" for u in hand.get("/imports").json()] == places[:1]
    assert put(hand, places[1], b"x").json()["code"] == "no_such"
    assert len(list(console.desk.uploads.iterdir())) == 2


def test_ones_own_imports_are_listed_and_can_be_discarded(console):
    hand, other = console.hand("planner"), console.hand("operator")
    places = [begin(hand, "dicom") for _ in range(4)]
    put(hand, places[0], b"xyz", 7)
    first = hand.get("/imports").json()[0]
    assert {k: first[k] for k in ("kind", "files", "bytes", "reading")} == {
        "kind": "dicom",
        "files": 1,
        "bytes": 3,
        "reading": False,
    }
    assert other.get("/imports").json() == []
    assert console.hand("viewer").get("/imports").status_code == 403
    for one in hand.get("/imports").json():
        assert hand.ask("DELETE", f"/imports/{one['import_id']}").status_code == 200
    assert hand.get("/imports").json() == []
    assert begin(other, "nii")


def test_what_a_job_has_is_neither_dropped_nor_discarded_nor_added_to(console, clock):
    from pkp_console.refusals import BusyError

    imports = console.desk.imports
    upload = imports.begin("dicom", "planner")
    imports.read(upload)
    clock[0] = IDLE_S + 1
    assert imports.shown("planner")[0]["reading"]
    with pytest.raises(BusyError):
        imports.discard(upload)
    with pytest.raises(BusyError), imports.receiving(upload, 1, upload.folder / "1.dcm"):
        pass
    with pytest.raises(BusyError):
        imports.read(upload)
    imports.give_back(upload)  # a choice is asked for: the pause begins anew
    assert len(imports.shown("planner")) == 1
    clock[0] = 2 * IDLE_S + 2
    assert imports.shown("planner") == []
    assert not upload.folder.exists()


def test_a_part_on_its_way_to_a_discarded_import_finds_it_gone(console):
    from pkp_console.refusals import BusyError, NoSuchError

    imports = console.desk.imports
    upload = imports.begin("nii", "planner")
    place = upload.folder / "ct.nii"

    def discarded_half_way():
        with imports.receiving(upload, 1, place) as write:
            write(b"x")
            with pytest.raises(BusyError):
                imports.read(upload)
            with pytest.raises(BusyError), imports.receiving(upload, 1, place):
                pass
            imports.discard(upload)
            write(b"x")

    for _ in range(2):
        with pytest.raises(NoSuchError):
            discarded_half_way()
    assert not upload.folder.exists()


def test_a_disk_that_is_full_is_said_by_name(console):
    from pkp_console.refusals import BadUploadError

    imports = console.desk.imports
    upload = imports.begin("nii", "planner")
    with pytest.raises(BadUploadError, match="No space"), imports.receiving(upload, 1, upload.folder / "ct.nii"):
        raise OSError(28, "No space left on device")
    assert imports.shown("planner")[0]["bytes"] == 0
    assert list(upload.folder.iterdir()) == []
