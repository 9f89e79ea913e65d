import re
from pathlib import Path

import pytest

from tests.ros2.running import ROOT, need_ros

pytestmark = pytest.mark.ros
FILE = """
tracker: {ros__parameters: {port: /dev/ttyS4}}
/ct_ingest: {ros__parameters: {dicom_port: 11112, peers: ["ARM@10.0.0.7"]}}
"""


def written(folder, text):
    path = folder / "hospital.yaml"
    path.write_text(text)
    return path


def test_a_hospitals_own_values_take_the_place_of_the_bring_ups(tmp_path):
    need_ros()
    from pkp_bringup.nodes import bring_up
    from pkp_bringup.parameter_file import read_parameters

    specs = {s.name: s for s in bring_up("hardware", tmp_path, parameters=read_parameters(written(tmp_path, FILE)))}
    assert specs["tracker"].parameters["port"] == "/dev/ttyS4"
    assert specs["ct_ingest"].parameters["peers"] == ["ARM@10.0.0.7"]
    assert specs["ct_ingest"].parameters["received_folder"] == str(tmp_path / "received")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tracker: [1, 2", "cannot be read"),
        ("tracker: {port: /dev/ttyS4}", "ros__parameters"),
        ("- tracker", "ros__parameters"),
        ("trakcer: {ros__parameters: {port: x}}", "trakcer: there are"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_name(tmp_path, text, words):
    need_ros()
    from pkp_bringup.nodes import bring_up
    from pkp_bringup.parameter_file import ParameterFileError, read_parameters

    with pytest.raises(ParameterFileError, match=words):
        bring_up("hardware", tmp_path, parameters=read_parameters(written(tmp_path, text)))
    with pytest.raises(ParameterFileError, match="cannot be read"):
        read_parameters(tmp_path / "not there.yaml")


def test_every_node_of_every_bring_up_can_be_started_by_a_launch_file(tmp_path):
    """``ros2 launch`` looks for an executable of the module's name in the package."""
    need_ros()
    from pkp_bringup.nodes import KINDS, SimulatedRoom, bring_up

    for kind in KINDS:
        for spec in bring_up(kind, tmp_path, SimulatedRoom(tmp_path)):
            if spec.arguments is None:
                said = (ROOT / "ros2_ws/src" / spec.package / "setup.py").read_text()
                assert re.search(rf'"{spec.module} = {spec.package}\.{spec.module}:main"', said), spec
                assert Path(ROOT / "ros2_ws/src" / spec.package / spec.package / f"{spec.module}.py").is_file()
