"""The table of who may say and hear what: whole, and strict where it matters."""

from xml.etree import ElementTree

import pytest

from tests.ros2.running import need_ros


@pytest.fixture(autouse=True)
def ros():
    need_ros()


def test_every_process_of_the_bring_up_has_its_row():
    from pkp_bringup.permissions import without_row

    assert without_row() == []


@pytest.mark.parametrize(
    ("topic", "speaker"),
    [("STATE_COMMAND", "supervisor"), ("JOINT_COMMANDS", "arm"), ("HOLD_TO_RUN", "console"), ("TOOLS", "tracker")],
)
def test_what_moves_or_permits_is_said_by_one_alone(topic, speaker):
    from pkp_bringup.permissions import ACCESS
    from pkp_lifecycle import names

    assert [node for node, may in ACCESS.items() if getattr(names, topic) in may.says] == [speaker]


def test_nobody_of_ours_hears_what_is_true_in_a_simulated_room():
    from pkp_bringup.permissions import ACCESS
    from pkp_lifecycle import names

    assert not [node for node, may in ACCESS.items() if names.SIM_TRUTH_TF in may.hears]


def test_the_policy_holds_every_name_of_the_table():
    from pkp_bringup.permissions import ACCESS, policy

    root = ElementTree.fromstring(policy())
    for node, may in ACCESS.items():
        profile = root.find(f".//enclave[@path='/{node}']/profiles/profile")
        said = [topic.text for topic in profile.findall("topics[@publish='ALLOW']/topic")]
        assert set(may.says) <= set(said)
        assert ("/heartbeat" in said) is may.beats
        assert [s.text for s in profile.findall("services[@request='ALLOW']/service")] == list(may.calls)
        assert [a.text for a in profile.findall("actions[@execute='ALLOW']/action")] == list(may.carries_out)
