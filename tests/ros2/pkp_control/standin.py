"""What stands about the arm node on the network: a controller, a camera, a supervisor; in a process of its own.

The truth is a ``SmallRoom`` on the wall clock. A test process pauses (collector, imports) for longer than a permit lives.
"""

import gc
import multiprocessing
import sys
import threading
import time

import numpy as np
from pkp_control.arm_messages import transform_stamped
from pkp_control.kinematics import JOINT_NAMES
from pkp_lifecycle.priority import go_first

from tests.ros2.pkp_control.small_room import PLAN, SmallRoom


class StandIn:
    """Publishes joint states (125 Hz), tool poses (60 Hz) and state commands (50 Hz); each can be made to lie."""

    def __init__(self, node, case_path):
        from pkp_lifecycle import names
        from pkp_lifecycle.node import LATEST
        from pkp_msgs.msg import PlanReference, RegistrationResult, StateCommand, ToolPoseArray
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
        self.commands, self.stops = [], []
        self.joints = node.create_publisher(JointState, names.JOINT_STATES, LATEST)
        self.tools = node.create_publisher(ToolPoseArray, names.TOOLS, LATEST)
        self.command = node.create_publisher(StateCommand, names.STATE_COMMAND, LATEST)
        self.registration = node.create_publisher(RegistrationResult, names.REGISTRATION, 10)
        node.create_subscription(
            Float64MultiArray, names.JOINT_COMMANDS, self._on_command, 50
        )  # none is lost: a jump is a rough command
        node.create_service(Stop, names.STOP, self._on_stop)
        self.lock, self.began_s, self.ended = threading.Lock(), time.monotonic(), threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        sys.setswitchinterval(0.0005)
        gc.collect()
        gc.freeze()
        gc.disable()
        go_first(30)  # a busy test machine must not make the supervisor fall silent
        self.thread.start()
        return self

    def end(self):
        self.ended.set()
        self.thread.join()

    def register(self, accepted=True, transform=None):
        from pkp_msgs.msg import RegistrationResult

        result = RegistrationResult(plan=self.plan, accepted=accepted)
        result.header.stamp, result.header.frame_id = self._stamp(time.monotonic()), "patient_ref"
        result.transform = transform_stamped(transform or self.room.registration, result.header.stamp).transform
        self.said = result if accepted else getattr(self, "said", None)
        self.registration.publish(result)

    def say_again(self):
        """The last registration that was accepted, as it was."""
        self.registration.publish(self.said)

    def look(self, side="left"):
        """Number of setpoints, when the last came (monotonic s), what was asked to stop, true error (entry, target) mm."""
        with self.lock:
            error_mm = self.room.true_error_mm(side, self.room.arm.now_s)
        return len(self.commands), self.commands[-1][0] if self.commands else 0.0, list(self.stops), error_mm

    def say(self, **fields):
        """The supervisor's word from now on."""
        for name, value in fields.items():
            setattr(self.word, name, value)

    def be(self, **fields):
        """speaks, sees, feels."""
        for name, value in fields.items():
            setattr(self, name, value)

    def lie(self):
        """Joint states that are not numbers, from the past, and from the future."""
        for values, off in ((np.full(6, np.nan), 0.0), (np.zeros(6), -1.0), (np.zeros(6), 5.0)):
            self.joints.publish(self.joint_message(values, time.monotonic() + off))

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
        deadline = time.monotonic() + 0.004
        while not self.ended.wait(max(0.0, deadline - time.monotonic())):
            deadline += 0.004
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


def serve(pipe, case_path):
    """The process: does what comes through the pipe."""
    import rclpy

    rclpy.init()
    standin = StandIn(rclpy.create_node("standin"), case_path).start()
    try:
        while True:
            rclpy.spin_once(standin.node, timeout_sec=0.005)
            while pipe.poll():
                what, fields = pipe.recv()
                pipe.send(getattr(standin, what)(**fields))
    except EOFError:
        standin.end()


class Far:
    """The stand-in, from the test."""

    def __init__(self, case_path):
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, case_path), daemon=True)
        self._process.start()
        theirs.close()

    def __getattr__(self, what):
        def call(**fields):
            self._pipe.send((what, fields))
            return self._pipe.recv()

        return call

    def close(self):
        self._pipe.close()
        self._process.join(5.0)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
