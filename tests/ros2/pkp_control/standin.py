"""What stands about the arm node on the network: a controller, a camera, a supervisor; in the test's own process and thread.

The truth is a ``SmallRoom`` on the wall clock.
"""

import contextlib
import os
import sys
import threading
import time
from pathlib import Path

import numpy as np
from pkp_control.arm_messages import transform_stamped
from pkp_control.kinematics import JOINT_NAMES
from pkp_control.priority import go_first

from tests.ros2.pkp_control.small_room import PLAN, SmallRoom


class StandIn:
    """Publishes joint states (125 Hz), tool poses (60 Hz) and state commands (50 Hz); each can be made to lie."""

    def __init__(self, node, case_path):
        from pkp_lifecycle import names
        from pkp_lifecycle.node import LATEST
        from pkp_msgs.msg import OperatingState, PlanReference, RegistrationResult, StateCommand, ToolPoseArray
        from pkp_msgs.srv import Stop
        from sensor_msgs.msg import JointState
        from std_msgs.msg import Float64MultiArray

        (case_path / "plan.json").write_text(PLAN.to_json())
        self.node, self.room = node, SmallRoom()
        self.plan = PlanReference(case_path=str(case_path), plan_hash=PLAN.plan_hash, level="L1", sides=["left", "right"])
        self.word = StateCommand(
            supervisor="sup", command=StateCommand.ENABLE, motion_permitted=True, phase=5, plan=self.plan, side="left"
        )
        self.speaks = self.sees = self.feels = True
        self.commands, self.states, self.stops, self.latency_s = [], [], [], []
        self.joints = node.create_publisher(JointState, names.JOINT_STATES, LATEST)
        self.tools = node.create_publisher(ToolPoseArray, names.TOOLS, LATEST)
        self.command = node.create_publisher(StateCommand, names.STATE_COMMAND, LATEST)
        self.registration = node.create_publisher(RegistrationResult, names.REGISTRATION, 10)
        node.create_subscription(Float64MultiArray, names.JOINT_COMMANDS, self._on_command, LATEST)
        node.create_subscription(OperatingState, names.ARM_STATE, self.states.append, 10)
        node.create_service(Stop, names.STOP, self._on_stop)
        self.client = None
        self.lock, self.began_s, self.ended = threading.Lock(), time.monotonic(), threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        sys.setswitchinterval(0.0005)
        self.scheduler = os.sched_getscheduler(0)
        go_first(9)  # a busy test machine must not make the supervisor fall silent
        self.thread.start()
        return self

    def end(self):
        self.ended.set()
        self.thread.join()
        sys.setswitchinterval(0.005)
        for thread in Path("/proc/self/task").iterdir():
            with contextlib.suppress(OSError):
                os.sched_setscheduler(int(thread.name), self.scheduler, os.sched_param(0))

    def register(self, accepted=True, transform=None):
        from pkp_msgs.msg import RegistrationResult

        result = RegistrationResult(plan=self.plan, accepted=accepted)
        result.header.stamp, result.header.frame_id = self._stamp(time.monotonic()), "patient_ref"
        result.transform = transform_stamped(transform or self.room.registration, result.header.stamp).transform
        self.registration.publish(result)

    def error_mm(self, side="left"):
        with self.lock:
            return self.room.true_error_mm(side, self.room.arm.now_s)

    def stop(self):
        """What a supervisor does on a stop."""
        self.word.epoch += 1
        self.word.motion_permitted = False

    def joint_message(self, values, stamp_s):
        from sensor_msgs.msg import JointState

        message = JointState(name=list(JOINT_NAMES), position=[float(v) for v in values])
        message.header.stamp = self._stamp(stamp_s)
        return message

    def _run(self):
        tick = frame = 0
        pending = []
        deadline = time.monotonic()
        while not self.ended.is_set():
            deadline += 0.004
            time.sleep(max(0.0, deadline - time.monotonic()))
            now_s = time.monotonic() - self.began_s
            tick += 1
            while (frame + 1) / 60 <= now_s:
                frame += 1
                with self.lock:
                    self.room.arm.advance(frame / 60)
                    pending.append((self.room.camera.arrival_s(frame / 60), frame, frame / 60, self.room.poses(frame / 60)))
            with self.lock:
                self.room.arm.advance(now_s)
                state = self.room.arm.joint_state()
            while pending and pending[0][0] <= now_s:
                self._publish_tools(*pending.pop(0)[1:])
            if tick % 2 == 0 and self.feels:
                self.joints.publish(self.joint_message(state.joints, self.began_s + state.stamp_s))
            if tick % 5 == 0 and self.speaks:
                self.word.sequence += 1
                self.word.header.stamp = self._stamp(time.monotonic())
                self.command.publish(self.word)

    def _publish_tools(self, frame, stamp_s, poses):
        from pkp_msgs.msg import ToolPose, ToolPoseArray

        if not self.sees:
            return
        self.newest_s = self.began_s + stamp_s
        message = ToolPoseArray(frame_number=frame)
        message.header.stamp, message.header.frame_id = self._stamp(self.newest_s), "tracker"
        for name, pose in poses.items():
            tool = ToolPose(tool=name, frame_number=frame, header=message.header)
            t = transform_stamped(pose, message.header.stamp).transform
            p = tool.pose.position
            p.x, p.y, p.z, tool.pose.orientation = t.translation.x, t.translation.y, t.translation.z, t.rotation
            message.tools.append(tool)
        self.tools.publish(message)

    def _on_command(self, message):
        now_s = time.monotonic()
        self.commands.append((now_s, np.array(message.data)))
        with self.lock:
            if self.room.arm.mode == "running":
                self.room.arm.command(message.data)

    def _on_stop(self, request, response):
        self.stops.append(request.reason)
        self.stop()
        response.epoch = self.word.epoch
        return response

    def _stamp(self, monotonic_s):
        from builtin_interfaces.msg import Time

        ns = self.node.get_clock().now().nanoseconds + int((monotonic_s - time.monotonic()) * 1e9)
        return Time(sec=ns // 10**9, nanosec=ns % 10**9)
