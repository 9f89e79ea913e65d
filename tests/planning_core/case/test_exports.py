import numpy as np
import pytest
import trimesh

from planning_core.anatomy.vertebra import Side
from planning_core.case.surfaces import path_mesh
from planning_core.trajectory.plan import PathKind


@pytest.mark.parametrize("kind", ["stl", "ply"])
def test_every_surface_is_closed_and_turned_outwards(folder, kind):
    surfaces = list((folder / "surfaces").glob(f"*.{kind}"))
    assert {"L1_vertebra", "L1_body", "L1_ideal_body", "L1_defect", "T12_vertebra", "L2_vertebra"} <= {s.stem for s in surfaces}
    for surface in surfaces:
        mesh = trimesh.load(surface)
        assert mesh.is_watertight, surface.name
        assert mesh.volume > 0, surface.name


def test_there_is_a_ply_for_every_stl(folder):
    names = {kind: {p.stem for p in (folder / "surfaces").glob(f"*.{kind}")} for kind in ("stl", "ply")}
    assert names["stl"] == names["ply"]


@pytest.mark.parametrize("kind", ["stl", "ply"])
def test_a_vertebra_has_the_volume_of_its_mask_where_the_mask_lies(folder, subject, kind):
    grid, labels = subject.segmentation.grid, subject.segmentation.labels
    for level in subject.spine.levels:
        mesh = trimesh.load(folder / "surfaces" / f"{level.value}_vertebra.{kind}")
        mask = labels == level.verse_id
        assert mesh.volume / 1000 == pytest.approx(mask.sum() * grid.voxel_ml, rel=0.02)
        np.testing.assert_allclose(mesh.center_mass, grid.points(np.argwhere(mask)).mean(axis=0), atol=0.5)


def test_the_defect_is_the_solid_the_cement_stage_made(folder, subject):
    mesh = trimesh.load(folder / "surfaces" / "L1_defect.ply")
    assert mesh.volume == pytest.approx(subject.cement.defect.volume, rel=1e-4)


def test_a_straight_path_is_a_cylinder_from_entry_to_target(subject):
    path = next(p for p in subject.trajectories.paths if p.kind is PathKind.TRANSPEDICULAR)
    mesh = path_mesh(path)
    assert mesh.volume == pytest.approx(np.pi * (path.diameter_mm / 2) ** 2 * path.depth_mm, rel=0.02)
    np.testing.assert_allclose(mesh.center_mass, path.waypoints_lps_mm.mean(axis=0), atol=1e-3)


def test_a_bent_path_is_one_closed_solid_whose_joint_counts_once(subject):
    path = next(p for p in subject.trajectories.paths if p.kind is PathKind.CURVED)
    mesh = path_mesh(path)
    assert mesh.is_watertight
    assert mesh.body_count == 1
    assert mesh.volume == pytest.approx(np.pi * (path.diameter_mm / 2) ** 2 * path.depth_mm, rel=0.04)


def test_a_path_can_stand_out_of_the_bone_behind_its_entry(subject):
    path = next(p for p in subject.trajectories.paths if p.side is Side.LEFT)
    longer = path_mesh(path, beyond_mm=45)
    assert longer.bounds[1, 1] > path_mesh(path).bounds[1, 1] + 30  # LPS: behind is +y
