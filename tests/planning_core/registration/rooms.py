"""A cheap patient and a plate above it, scanned: the small world of bead and registration tests."""

import attrs
import numpy as np
from scipy.spatial.transform import Rotation

from hardware_sim.carm import ScanSpec, scan
from planning_core.geometry import Grid, RigidTransform
from planning_core.registration.plate import load_plate

PLATE = load_plate()
FIELD_MM = (110.0, 60.0)


@attrs.frozen(eq=False)
class Block:
    """A patient of soft tissue with a bar of dense bone along it, surrounded by air."""

    hu: np.ndarray
    grid: Grid


def block_patient():
    grid = Grid((40, 60, 60), [3, 3, 3], [-88.5, -88.5, -58.5])
    x, y, _ = np.moveaxis(grid.all_points(), -1, 0)
    hu = np.where(y < 20, 40, -1000).astype(np.int16)
    hu[(np.abs(x) < 15) & (np.abs(y) < 15)] = 300
    hu[(np.abs(x) < 5) & (np.abs(y - 20) < 9)] = 1200
    return Block(hu, grid)


def plate_pose(seed=0):
    """Flat over the back, lengthways, tipped a little: T_carm_plate."""
    rng = np.random.default_rng(seed)
    turn = Rotation.from_rotvec(rng.normal(0, 0.06, 3)) * Rotation.from_euler("x", -90, degrees=True)
    return RigidTransform.from_parts("carm", "plate", turn.as_matrix(), [0, 24, 0] + rng.uniform(-1.5, 1.5, 3))


def tracker_from(truth, target):
    """T_tracker_plate and T_tracker_patient_ref: a camera 1.5 m behind the back, the reference on a spinous process near by."""
    across = Rotation.from_euler("xy", [80, 25], degrees=True).as_matrix()
    tracker_from_ct = RigidTransform.from_parts("tracker", "ct_lps", across, across @ -target + [60, 40, 1500])
    turn = Rotation.from_euler("xz", [-80, 20], degrees=True).as_matrix()
    ct_from_reference = RigidTransform.from_parts("ct_lps", "patient_ref", turn, target + [-25, 65, 70])
    return tracker_from_ct @ truth.ct_from_plate, tracker_from_ct @ ct_from_reference


def scanned(spacing=0.5, seed=0, plate=PLATE, pose=None, field=FIELD_MM, **more):
    sizes = spacing if isinstance(spacing, tuple) else (spacing,) * 3
    spec = ScanSpec(seed=seed, spacing_mm=sizes, field_mm=field)
    lies = RigidTransform.from_parts("carm", "patient", Rotation.from_rotvec([0.02, 0.05, -0.03]).as_matrix(), [1.0, -2, 3])
    return scan(block_patient(), lies, plate, pose or plate_pose(seed), spec, **more)
