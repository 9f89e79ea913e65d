"""What a broken or hostile participant sends: no messages, no numbers, nothing within range, and what was right once."""

import math
from collections import deque

from tests.system.registration_played import PLAN

GARBAGE = (b"\x00", b"\x00\x01\x00\x00" + b"\xff" * 13, b"\x07" * 200)
"""As payloads: too short for a header, and lengths that point far beyond the end."""
KEPT_WORDS = 400


class Nonsense:
    """Listens to what is said in a room, and says it again among worse; ``send`` once for each round."""

    def __init__(self, room):
        from pkp_lifecycle.node import KEPT, LATEST
        from pkp_msgs import msg
        from sensor_msgs.msg import JointState

        self._node, names = room.node, room.names
        self._words, self._presses = deque(maxlen=KEPT_WORDS), deque(maxlen=KEPT_WORDS)
        listened = (
            (msg.StateCommand, names.STATE_COMMAND, self._words, LATEST),
            (msg.HoldToRun, names.HOLD_TO_RUN, self._presses, 10),
            (msg.ToolPoseArray, names.TOOLS, [], 1),
            (JointState, names.JOINT_STATES, [], LATEST),
            (msg.RegistrationResult, names.REGISTRATION, [], KEPT),
            (msg.Heartbeat, names.HEARTBEAT, [], 10),
            (msg.InjectorState, names.INJECTOR, [], 10),
            (msg.OperatingState, names.ARM_STATE, [], 10),
        )
        self._out = {kind: self._node.create_publisher(kind, topic, qos) for kind, topic, _, qos in listened}
        self._heard = [
            self._node.create_subscription(kind, topic, lambda m, kept=kept: kept.append(m), qos)
            for kind, topic, kept, qos in listened[:2]
        ]
        self._room, self._round = room, 0

    def send(self):
        """One round on every topic."""
        from pkp_msgs import msg

        self._round += 1
        for publisher in self._out.values():
            publisher.publish(GARBAGE[self._round % len(GARBAGE)])
        for message in (*self._numbers(), *self._repeated()):
            if not isinstance(message, msg.RegistrationResult) or self._round % 10 == 1:
                self._out[type(message)].publish(message)

    def end(self):
        for publisher in self._out.values():
            self._node.destroy_publisher(publisher)
        for subscription in self._heard:
            self._node.destroy_subscription(subscription)

    def _repeated(self):
        """A permit from when something was permitted, a press from when it was pressed: to the letter."""
        permits = [word for word in self._words if word.motion_permitted or word.flow_permitted]
        presses = [press for press in self._presses if press.pressed]
        return [*permits[:1], *presses[:1]]

    def _numbers(self):
        from pkp_msgs import msg
        from sensor_msgs.msg import JointState

        now, value = self._node.get_clock().now().to_msg(), (math.nan, math.inf, -math.inf, 1e300)[self._round % 4]
        tools = msg.ToolPoseArray(frame_number=self._round)
        for name in ("patient_ref", "robot_ref", "nobody"):
            tool = msg.ToolPose(tool=name, frame_number=self._round, rms=value)
            tool.pose.position.x = tool.pose.orientation.w = value
            tool.header.stamp, tool.header.frame_id = now, "tracker"
            tools.tools.append(tool)
        joints = JointState(name=["shoulder_pan_joint"] * 6, position=[value] * 6)
        registration = msg.RegistrationResult(plan=self._room.plan, accepted=True)
        registration.transform.translation.x = value
        beat = msg.Heartbeat(node="/arm" + "x" * 500, healthy=True)
        flow = msg.InjectorState(side="both", plan=self._room.plan, flow=value, delivered_volume=value, state=200)
        state = msg.OperatingState(device=PLAN.plan_hash * 8, state=250)
        for message in (tools, joints, registration):
            message.header.stamp = now
        return tools, joints, registration, beat, flow, state
