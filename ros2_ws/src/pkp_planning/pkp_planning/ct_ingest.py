"""The ingest node: a CT becomes a reference by place and hash, or a refusal by name."""

from __future__ import annotations

import threading

from pkp_lifecycle import names
from pkp_lifecycle.node import KEPT, PkpNode
from pkp_lifecycle.node import main as run
from pkp_msgs.action import IngestCt
from pkp_msgs.msg import CtReference
from pydantic import BaseModel, ConfigDict, Field

from pkp_planning.action_server import WorkServer
from pkp_planning.work import CtFacts, ingest


class CtIngestConfig(BaseModel):
    """Parameters of the ingest."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    timeout_s: float = Field(120.0, gt=0, le=3600, description="for reading one CT")


class CtIngest(PkpNode[CtIngestConfig]):
    """Serves IngestCt; what was ingested last is kept for latecomers."""

    NAME, CONFIG, THREADS = "ct_ingest", CtIngestConfig, 3

    def open(self) -> None:
        """Offer the action."""
        self._ct = self.create_publisher(CtReference, names.CT, KEPT)
        self._server = WorkServer(
            self, IngestCt, names.INGEST_CT, ingest, _arguments, self._fill, threading.Lock(), self.config.timeout_s
        )

    def close(self) -> None:
        """Let go."""
        if hasattr(self, "_server"):
            self._server.destroy()
            self.destroy_publisher(self._ct)
            del self._server

    def _fill(self, facts: CtFacts, result: IngestCt.Result) -> None:
        ct = CtReference(
            source=facts.source,
            ct_sha256=facts.ct_sha256,
            shape=list(facts.shape),
            spacing=list(facts.spacing),
            warnings=list(facts.warnings),
        )
        ct.header.stamp, ct.header.frame_id = self.stamp(), "ct_lps"
        result.ct = ct
        self._ct.publish(ct)


def _arguments(goal: IngestCt.Goal) -> tuple[str, str]:
    return goal.source, goal.series


def main() -> int:
    """Run the node."""
    return run(CtIngest)


if __name__ == "__main__":
    raise SystemExit(main())
