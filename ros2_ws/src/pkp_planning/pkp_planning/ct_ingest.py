"""The ingest node: a CT becomes a reference by place and hash, or a refusal by name."""

from __future__ import annotations

import queue
import threading
from pathlib import Path

from builtin_interfaces.msg import Time
from pkp_lifecycle import names
from pkp_lifecycle.node import KEPT, PkpNode
from pkp_lifecycle.node import main as run
from pkp_lifecycle.worker import run_in_process, warm
from pkp_msgs.action import IngestCt
from pkp_msgs.msg import CtReference
from pydantic import Field

from pkp_planning.action_server import WorkServer
from pkp_planning.dicom_peers import ReceptionConfig
from pkp_planning.received import Series
from pkp_planning.work import CtFacts, ingest
from planning_core.errors import PkpError

LOGGED = 16
"""Refusals of one kind that are each logged; after that the 32nd, the 64th, …"""


class CtIngestConfig(ReceptionConfig):
    """Parameters of the ingest, and of what it receives by DICOM."""

    timeout_s: float = Field(120.0, gt=0, le=3600, description="for reading one CT")
    received_folder: str = Field("received", min_length=1, description="below which scans that were sent here are kept")


class CtIngest(PkpNode[CtIngestConfig]):
    """Serves IngestCt, and receives scans by C-STORE; what was ingested and what was received last is kept for latecomers.

    A scan that is refused is not the node's illness: it is logged and counted, and nothing is published.
    """

    NAME, CONFIG, THREADS = "ct_ingest", CtIngestConfig, 3

    def open(self) -> None:
        """Offer the action."""
        warm("planning_core.imaging.ingest", "pkp_planning.work")
        self._ct = self.create_publisher(CtReference, names.CT, KEPT)
        self._received = self.create_publisher(CtReference, names.RECEIVED, KEPT)
        self._server = WorkServer(
            self, IngestCt, names.INGEST_CT, ingest, _arguments, self._fill, threading.Lock(), self.config.timeout_s
        )

    def begin(self) -> None:
        """Listen for scans, where a port was given."""
        if not self.config.dicom_port:
            return
        from pkp_planning.dicom_receiver import DicomReceiver
        from pkp_planning.received import Store

        self._arrived: queue.SimpleQueue[Series | None] = queue.SimpleQueue()
        self._refusals: dict[str, int] = {}
        store = Store(Path(self.config.received_folder).resolve(), self.config)
        self._receiver = DicomReceiver(self.config, store, self._arrived.put, self._refused)
        self._reader = threading.Thread(target=self._read, args=(self._arrived,), daemon=True)
        self._reader.start()
        self.get_logger().info(f"{self.config.ae_title} listens on {self.config.dicom_bind}:{self._receiver.port}")

    def halt(self) -> None:
        """Stop listening; a scan that is being read is left unsaid."""
        if hasattr(self, "_receiver"):
            self._receiver.stop()
            self._arrived.put(None)
            self._reader.join(5.0)
            del self._receiver

    def close(self) -> None:
        """Let go."""
        if hasattr(self, "_server"):
            self._server.destroy()
            self.destroy_publisher(self._ct)
            self.destroy_publisher(self._received)
            del self._server

    def _read(self, arrived: queue.SimpleQueue[Series | None]) -> None:
        """Read each scan in a process of its own, in the order in which they came."""
        while (series := arrived.get()) is not None:
            try:
                work = (str(series.folder), "")
                facts = run_in_process(ingest, work, lambda stage, s: None, lambda: not self.active, self.config.timeout_s)
            except PkpError as error:
                self._refused(error)
                continue
            self.get_logger().info(f"received {series.name}: {series.instances} instances, CT {facts.ct_sha256[:12]}")
            self._received.publish(self._reference(facts, self.stamp_of(series.accepted_s)))

    def _refused(self, error: PkpError) -> None:
        code = str(error.data.get("refused_code", error.code))
        self._refusals[code] = self._refusals.get(code, 0) + 1
        if self._refusals[code] > LOGGED and self._refusals[code] & (self._refusals[code] - 1):
            return  # whoever goes on and on fills no disk with it
        where = "".join(f"; {key} {error.data[key]!r}" for key in ("title", "address", "folder") if key in error.data)
        self.get_logger().warning(f"scan refused: {code} (no. {self._refusals[code]}): {error.message}{where}")

    def _fill(self, facts: CtFacts, result: IngestCt.Result) -> None:
        result.ct = self._reference(facts, self.stamp())
        self._ct.publish(result.ct)

    def _reference(self, facts: CtFacts, stamp: Time) -> CtReference:
        ct = CtReference(
            source=facts.source,
            ct_sha256=facts.ct_sha256,
            shape=list(facts.shape),
            spacing=list(facts.spacing),
            warnings=list(facts.warnings),
        )
        ct.header.stamp, ct.header.frame_id = stamp, "ct_lps"
        return ct


def _arguments(goal: IngestCt.Goal) -> tuple[str, str]:
    return goal.source, goal.series


def main() -> int:
    """Run the node."""
    return run(CtIngest)


if __name__ == "__main__":
    raise SystemExit(main())
