"""What the course of a registration hears and says through its action: feedback, cancel, time, and the worker."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from pkp_lifecycle.worker import CancelledError, TookTooLongError, run_in_process
from pkp_msgs.action import Register
from rclpy.action.server import ServerGoalHandle

from pkp_navigation.camera_record import CameraRecord
from pkp_navigation.examine_scan import Examined, ScanJob, examine


class Attendant:
    """One goal's.

    Args:
        active: whether the node still is. timeout_s: for the whole goal, from now on.
    """

    def __init__(self, handle: ServerGoalHandle, camera: CameraRecord, active: Callable[[], bool], timeout_s: float) -> None:
        self._handle, self._camera, self._active, self._timeout_s = handle, camera, active, timeout_s
        self.began_s, self._told_s = time.monotonic(), 0.0

    def tell(self, stage: str) -> None:
        """Feedback."""
        self._told_s = time.monotonic()
        _, poses = self._camera.after(0, 0.0)
        feedback: Any = Register.Feedback(stage=stage, poses_used=poses, elapsed=self._told_s - self.began_s)
        self._handle.publish_feedback(feedback)

    def go_on(self, stage: str) -> None:
        """Go on unless it was called off.

        Raises:
            CancelledError, TookTooLongError: it was, or the time is over.
        """
        now = time.monotonic()
        if self._handle.is_cancel_requested or not self._active():
            raise CancelledError(f"called off in {stage}", stage=stage)
        if now - self.began_s > self._timeout_s:
            raise TookTooLongError(f"not done after {self._timeout_s:g} s (in {stage})", stage=stage, timeout_s=self._timeout_s)
        if now - self._told_s > 1.0:
            self.tell(stage)

    def examine(self, job: ScanJob) -> Examined:
        """The heavy part, in a process of its own.

        Raises:
            RefusedError, CancelledError, TookTooLongError, WorkerDiedError: see ``run_in_process``.
        """
        left_s = max(0.1, self._timeout_s - (time.monotonic() - self.began_s))
        value: Examined = run_in_process(
            examine,
            (job,),
            lambda stage, _: self.tell(stage),
            lambda: self._handle.is_cancel_requested or not self._active(),
            left_s,
        )
        return value
