"""Planning and registration played for a room whose other nodes are real: a sealed plan, and the true registration."""

import math

import numpy as np

from tests.ros2.small_plan import path, sealed_plan

DOSE_ML = 3.0
"""For each side: enough for many stops."""
PLAN_CT = "a1" * 32
PLAN = sealed_plan(
    path("left", (25.0, 45.0, 0.0), (8.0, 2.0, -5.0), skin_mm=35.0),
    path("right", (-25.0, 45.0, 0.0), (-8.0, 2.0, -5.0), skin_mm=35.0),
    recommended_ml=2 * DOSE_ML,
)


class RegistrationPlayed:
    """Planning and registration as the room's other nodes hear them. The transform is the true one when it was registered."""

    def __init__(self, node, sim, folder):
        from pkp_lifecycle import names
        from pkp_lifecycle.node import KEPT
        from pkp_msgs.msg import CtReference, Heartbeat, PlanReference, RegistrationResult
        from rclpy.clock import Clock, ClockType

        from hardware_sim.room import Room as Truth

        self._node, self._truth, self._standing = node, Truth(sim), None
        case = folder / "case"
        case.mkdir(parents=True)
        (case / "plan.json").write_text(PLAN.to_json())
        facts = {"plan_hash": PLAN.plan_hash, "level": PLAN.level, "ct_sha256": PLAN_CT}
        self.plan = PlanReference(case_path=str(case), sides=["left", "right"], **facts)
        self.ct = node.create_publisher(CtReference, names.CT, KEPT)
        self.plans = node.create_publisher(PlanReference, names.PLAN, KEPT)
        self._results = node.create_publisher(RegistrationResult, names.REGISTRATION, KEPT)
        alive = node.create_publisher(Heartbeat, names.HEARTBEAT, 10)
        steady = Clock(clock_type=ClockType.STEADY_TIME)

        def beat():
            word = Heartbeat(node="/registration", healthy=True)
            word.header.stamp = node.get_clock().now().to_msg()
            alive.publish(word)

        node.create_timer(0.1, beat, clock=steady)

    def register(self):
        self._standing = self._true()
        self._say(True)

    @property
    def stands(self):
        """There is one to check."""
        return self._standing is not None

    def check(self):
        """Touched, as it were: whether the targets are still where the registration puts them; returns by how much not, mm."""
        true = self._true()
        targets = [p.target_mm for p in PLAN.paths]
        off_mm = float(np.linalg.norm(self._standing.apply(targets) - true.apply(targets), axis=1).max())
        self._say(off_mm < 1.0, f"check point is off by {off_mm:.1f} mm")
        return off_mm

    def _true(self):
        self._truth.hear()
        at = self._truth.spec.now_s()
        return self._truth.motion.world_from_patient_ref(at).inverse() @ self._truth.motion.world_from_ct(at)

    def _say(self, accepted, why=""):
        from pkp_control.arm_messages import transform_stamped
        from pkp_msgs.msg import RegistrationResult

        result = RegistrationResult(plan=self.plan, method="plate", accepted=accepted, check_point_error=math.nan)
        result.header.stamp, result.header.frame_id = self._node.get_clock().now().to_msg(), "patient_ref"
        result.transform = transform_stamped(self._standing, result.header.stamp).transform
        if not accepted:
            result.error_code, result.error_msg = "registration_refused", why
        self._results.publish(result)
