"""What the command says in words; what it does is tested with the walks."""

from planning_core.command import _summary
from tests.ros2.small_plan import path, sealed_plan


def test_warnings_and_what_was_refused_are_printed_with_the_paths():
    left = path("left", (25, 45, 0), (8, 2, -5), warnings=("lung 3.0 mm beside the cannula on its way to the bone",))
    right = path("right", (-25, 45, 0), (-8, 2, -5), kind="unipedicular_crossing")
    plan = sealed_plan(left, right, refused_paths=("right transpedicular: 13G: clearance in the pedicle -0.4 mm, limit 0.0",))
    result = {**plan.model_dump(mode="json", exclude={"configuration"}), "seconds": {"total": 1.0}, "case": "cases/x"}
    lines = _summary(result).splitlines()
    where = next(n for n, line in enumerate(lines) if line.startswith("path left transpedicular"))
    assert lines[where + 1] == "  left transpedicular: lung 3.0 mm beside the cannula on its way to the bone"
    assert lines[where + 2].startswith("path right unipedicular crossing: grade A")
    assert "no path right transpedicular: 13G: clearance in the pedicle -0.4 mm, limit 0.0" in lines
