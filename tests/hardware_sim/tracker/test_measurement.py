import numpy as np
import pytest

from hardware_sim.tracker.config import CameraConfig, spectra, vega
from hardware_sim.tracker.measurement import MeasurementModel, blocked, inside_volume
from hardware_sim.tracker.scene import PATIENT_REF, TRACKER, Occluder, SceneState, facing_camera, still
from planning_core.geometry import RigidTransform

TOOLS = {"patient_ref": PATIENT_REF}


def state(z_mm=-1500.0, occluders=(), pose=None) -> SceneState:
    return SceneState({"patient_ref": pose or facing_camera("patient_ref", 0.0, 0.0, z_mm)}, occluders)


def jitter(z_mm: float, frames: int = 600) -> np.ndarray:
    model = MeasurementModel(spectra(), seed=2)
    points = [model.observe(k, TOOLS, state(z_mm)).tools["patient_ref"].points_mm[0] for k in range(frames)]
    return np.std(points, axis=0)


def test_noise_is_worse_in_depth_and_grows_with_it():
    near, far = jitter(-1500.0), jitter(-2250.0)
    assert near[:2] == pytest.approx([0.04, 0.04], rel=0.12)
    assert near[2] == pytest.approx(0.12, rel=0.12)
    assert far[0] / near[0] == pytest.approx(1.5, rel=0.15)
    assert far[2] / near[2] == pytest.approx(2.25, rel=0.15)


@pytest.mark.parametrize(("camera", "rms_mm"), [(spectra(), 0.25), (vega(), 0.12)])
def test_each_camera_has_its_published_error_per_marker(camera, rms_mm):
    """Over seeds and places at the reference depth, systematic error and jitter together are the published RMS."""
    random = np.random.default_rng(5)
    errors = []
    for seed in range(60):
        model = MeasurementModel(camera, seed)
        x, y = random.uniform(-200, 200, 2)
        pose = facing_camera("patient_ref", x, y, -1500.0)
        view = model.observe(seed, TOOLS, state(pose=pose)).tools["patient_ref"]
        errors.append(view.points_mm - pose.apply(PATIENT_REF.markers_mm))
    assert np.sqrt((np.concatenate(errors) ** 2).sum(axis=1).mean()) == pytest.approx(rms_mm, rel=0.15)


def test_the_volume_is_a_pyramid():
    points = np.array([[0, 0, -1500.0], [0, 0, -900.0], [0, 0, -2500.0], [300, 0, -1000.0], [300, 0, -2300.0]])
    assert inside_volume(points, CameraConfig().volume).tolist() == [True, False, False, False, True]


def test_a_sphere_in_the_way_hides_what_is_behind_it_only():
    points = np.array([[0.0, 0.0, -1500.0], [0.0, 0.0, -900.0], [400.0, 0.0, -1500.0]])
    assert blocked(points, (Occluder([0.0, 0.0, -1200.0], 100.0),)).tolist() == [True, False, False]


def test_a_tool_that_is_turned_away_or_behind_the_camera_is_not_seen():
    turned = RigidTransform.from_parts(TRACKER, "patient_ref", np.diag([1.0, -1.0, -1.0]), [0.0, 0.0, -1500.0])
    model = MeasurementModel(CameraConfig(), 0)
    assert not model.observe(0, TOOLS, state(pose=turned)).tools["patient_ref"].seen.any()
    assert not model.observe(0, TOOLS, state(z_mm=1500.0)).tools["patient_ref"].seen.any()
    assert model.observe(0, TOOLS, state()).tools["patient_ref"].seen.all()


def test_dropouts_come_as_often_as_configured():
    model = MeasurementModel(CameraConfig(dropout_probability=0.2), 4)
    lost = [not model.observe(k, TOOLS, state()).tools["patient_ref"].seen.any() for k in range(500)]
    assert np.mean(lost) == pytest.approx(0.2, abs=0.06)


def test_seed_and_frame_decide_everything():
    scene = still()
    first, second = (MeasurementModel(CameraConfig(), 9).observe(17, scene.tools, scene(0.0)) for _ in range(2))
    other = MeasurementModel(CameraConfig(), 10).observe(17, scene.tools, scene(0.0))
    for name, view in first.tools.items():
        assert np.array_equal(view.points_mm, second.tools[name].points_mm)
        assert not np.array_equal(view.points_mm, other.tools[name].points_mm)


def test_latency_has_the_published_mean_and_spread():
    model = MeasurementModel(CameraConfig(), 1)
    latency_ms = 1e3 * np.array([model.latency_s(k) for k in range(1000)])
    assert latency_ms.mean() == pytest.approx(14.2, abs=0.3)
    assert latency_ms.std() == pytest.approx(1.8, abs=0.2)
