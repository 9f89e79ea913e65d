import json
import resource

import pytest

from planning_core.case import audit


def test_a_chain_holds_and_each_line_hangs_on_the_one_before(tmp_path):
    hashes = [audit.record(tmp_path, "planned", level=level) for level in ("L1", "L2", "L3")]
    assert audit.verify(tmp_path) == hashes[-1]


@pytest.mark.parametrize("line", [0, 1, 2])
def test_any_edit_is_seen(tmp_path, line):
    for level in ("L1", "L2", "L3"):
        audit.record(tmp_path, "planned", level=level)
    log = tmp_path / audit.NAME
    lines = log.read_text().splitlines()
    lines[line] = lines[line].replace('"level": "L', '"level": "T')
    log.write_text("\n".join(lines) + "\n")
    with pytest.raises(audit.BrokenAuditError) as caught:
        audit.record(tmp_path, "again")
    assert caught.value.line == line + 1


def test_a_dropped_line_is_seen(tmp_path):
    for level in ("L1", "L2", "L3"):
        audit.record(tmp_path, "planned", level=level)
    log = tmp_path / audit.NAME
    log.write_text("".join(log.read_text().splitlines(keepends=True)[1:]))
    with pytest.raises(audit.BrokenAuditError):
        audit.verify(tmp_path)


def test_every_line_is_json(tmp_path):
    audit.record(tmp_path, "planned", verdict="accept")
    assert json.loads((tmp_path / audit.NAME).read_text())["event"] == "planned"


@pytest.mark.parametrize("spare", [0, 40])
def test_a_disk_that_fills_up_in_mid_line_leaves_a_chain_that_goes_on(tmp_path, spare):
    audit.record(tmp_path, "planned")
    before = (tmp_path / audit.NAME).read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + spare, hard))
    try:
        with pytest.raises(OSError, match=r"bytes written|too large"):
            audit.record(tmp_path, "approved")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (tmp_path / audit.NAME).read_bytes() == before
    audit.record(tmp_path, "approved")
    assert audit.verify(tmp_path)


@pytest.mark.parametrize("line", [b"\xff\xfe", b"[1]", b"3", b'"hash"', b"{}", b""])
def test_a_line_that_is_none_of_ours_is_refused_by_its_number(tmp_path, line):
    audit.record(tmp_path, "planned")
    log = tmp_path / audit.NAME
    log.write_bytes(log.read_bytes() + line + b"\n")
    with pytest.raises(audit.BrokenAuditError) as caught:
        audit.verify(tmp_path)
    assert caught.value.line == 2


def test_events_are_told_oldest_first_and_only_of_a_whole_chain(tmp_path):
    assert audit.events(tmp_path) == []
    hashes = [audit.record(tmp_path, "planned", level=level) for level in ("L1", "L2")]
    assert [(e["level"], e["hash"]) for e in audit.events(tmp_path)] == [("L1", hashes[0]), ("L2", hashes[1])]
    log = tmp_path / audit.NAME
    log.write_text(log.read_text().replace('"L1"', '"L3"'))
    with pytest.raises(audit.BrokenAuditError):
        audit.events(tmp_path)
