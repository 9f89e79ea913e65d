import pytest

from hardware_sim.tracker.__main__ import main
from hardware_sim.tracker.scene import scene_by_name
from planning_core.errors import InputError
from tests.hardware_sim.tracker.running import running_tracker


@pytest.mark.parametrize("words", [["--scene", "nowhere"], ["--scene", "no.such.module:scene"], ["--latency-ms", "-1"]])
def test_settings_that_do_not_exist_are_refused_with_a_sentence(tmp_path, capsys, words):
    assert main(["--link", str(tmp_path / "line"), *words]) == 2
    assert capsys.readouterr().err.startswith("hardware_sim.tracker: ")
    assert not (tmp_path / "line").exists()


def test_a_scene_of_another_module_can_be_named():
    assert set(scene_by_name("hardware_sim.tracker.scene:still").tools) == {"patient_ref", "robot_ref", "probe_tip"}
    with pytest.raises(InputError, match="no scene 'nowhere'"):
        scene_by_name("nowhere")


def test_the_process_takes_faults_and_leaves_nothing_behind(capsys):
    with running_tracker() as tracker:
        assert tracker.link.is_symlink()
        assert main(["--control", str(tracker.control), "--fault", "cut on"]) == 0
        assert not tracker.link.is_symlink()
        assert main(["--control", str(tracker.control), "--fault", "cut off"]) == 0
        assert tracker.link.is_symlink()
        assert main(["--control", str(tracker.control), "--fault", "nonsense"]) == 2
        assert "no fault" in capsys.readouterr().err
        folder = tracker.link.parent
    assert not folder.exists()
