"""Send a DICOM series to a peer by C-STORE, as a modality does."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any

from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, ExplicitVRLittleEndian
from pynetdicom import AE, _config, evt

from planning_core.errors import PkpError

_config.LOG_HANDLER_LEVEL = "none"
_config.STORE_SEND_CHUNKED_DATASET = True  # files go out as they are, undecoded

SILENCE_S = 60.0
PDU_BYTES = 262_144


class PushFailedError(PkpError):
    """The peer did not take the series. Carries ``instances`` taken, and ``status`` of the answer that was not success."""

    code = "push_failed"


def push(folder: Path, host: str, port: int, title: str, called: str, abort_after: int | None = None) -> int:
    """Send every file of a folder in one association; returns how many were taken.

    Args:
        title: our AE title. called: the peer's. abort_after: a fault: so many instances, then the association is aborted.

    Raises:
        PushFailedError: no association, or an instance that was not taken.
    """
    ae = AE(title)
    ae.connection_timeout = ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = SILENCE_S
    ae.maximum_pdu_size = PDU_BYTES
    for sop_class in (CTImageStorage, EnhancedCTImageStorage):
        ae.add_requested_context(sop_class, [ExplicitVRLittleEndian])
    handlers: list[Any] = [(evt.EVT_CONN_OPEN, _at_once)]
    association = ae.associate(host, port, ae_title=called, max_pdu=PDU_BYTES, evt_handlers=handlers)
    if not association.is_established:
        how = "rejected us" if association.is_rejected else "did not answer"
        raise PushFailedError(f"{called} at {host}:{port} {how}", instances=0, status=None)
    _leave_answers_to_the_asker(association)
    taken = 0
    try:
        for file in sorted(folder.iterdir()):
            if taken == abort_after:
                association.abort()
                return taken
            asked_s = time.monotonic()
            status = association.send_c_store(file).get("Status")
            if status != 0:
                waited = f"nothing for {time.monotonic() - asked_s:.1f} s, then the association ended"
                said = waited if status is None else f"status 0x{status:04X}"
                raise PushFailedError(f"instance {taken + 1} was answered with {said}", instances=taken, status=status)
            taken += 1
        association.release()
    finally:
        if association.is_established:
            association.abort()
    return taken


def _leave_answers_to_the_asker(association: Any) -> None:
    """The association's own thread looks for requests of the peer without waiting. It sometimes runs on while it is taken for
    paused (pynetdicom 3.0), and then throws away the answer that ``send_c_store`` waits for. A receiver requests nothing."""
    take = association.dimse.get_msg
    association.dimse.get_msg = lambda block=False: take(block=True) if block else (None, None)


def _at_once(event: Any) -> None:
    """A request and its data are written apart: the second must not wait until the peer acknowledged the first."""
    event.assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
