"""A node that takes every goal and ends none before it is deactivated: ``python -m tests.ros2.pkp_lifecycle.keeper``."""

from pkp_lifecycle import names
from pkp_lifecycle.goals import conclude, not_yet
from pkp_lifecycle.node import PkpNode, main
from pkp_msgs.action import Approach
from pydantic import BaseModel
from rclpy.action import ActionServer, CancelResponse


class NoConfig(BaseModel):
    pass


class Keeper(PkpNode[NoConfig]):
    NAME, CONFIG = "keeper", NoConfig

    def open(self):
        self._kept = []
        self._server = ActionServer(
            self, Approach, names.APPROACH, not_yet,
            handle_accepted_callback=self._kept.append, cancel_callback=lambda goal: CancelResponse.ACCEPT,
        )  # fmt: skip

    def halt(self):
        for handle in self._kept:
            conclude(handle, Approach.Result(error_code="not_active"), handle.abort)

    def close(self):
        self._server.destroy()


def made():
    node = Keeper()
    node.trigger_configure()
    node.trigger_activate()
    return node


if __name__ == "__main__":
    raise SystemExit(main(made))
