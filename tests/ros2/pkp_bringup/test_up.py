"""``./pkp up``: what it says and leaves where it does not begin."""

import json
import subprocess
import sys

import pytest

from tests.ros2.running import need_ros

pytestmark = pytest.mark.ros


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--case", "nowhere"), "no_plan", "there is no such case folder"),
        (("--case", "."), "no_plan", "holds no sealed plan"),
        (("--seed", "-1"), "wrong_options", "--seed -1: from 0"),
        (("--hardware",), "wrong_options", "no program decides"),
        (("--parameters", "none.yaml"), "parameter_file", "cannot be read"),
    ],
)
def test_what_is_refused_leaves_no_run_and_says_why_with_every_key_of_the_contract(tmp_path, words, code, said):
    need_ros()
    call = (sys.executable, "-m", "pkp_bringup.up", "--auto", "--json", *words)
    up = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    answer = json.loads(up.stdout)
    assert (up.returncode, answer["code"], answer["verified"], answer["report"], answer["mcap"]) == (2, code, False, None, [])
    assert said in answer["message"]
    assert said in up.stderr
    assert list(tmp_path.iterdir()) == []
