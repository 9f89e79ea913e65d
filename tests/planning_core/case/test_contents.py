from planning_core.case import audit
from planning_core.case.contents import fill
from planning_core.case.folder import Case

NOT_THE_PLANS = {audit.NAME, ".lock"}


def _bytes(folder):
    files = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if name not in NOT_THE_PLANS}


def test_the_same_plan_gives_the_same_bytes_in_every_file(planned, folder, tmp_path):
    fill(Case(tmp_path), *planned)
    first, second = _bytes(folder), _bytes(tmp_path)
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []
