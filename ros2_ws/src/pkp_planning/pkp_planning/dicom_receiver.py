"""DICOM C-STORE receiver for CT: known peers only, by name and address, with a bound on all that is read from a socket."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from typing import Any

from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, _config, evt
from pynetdicom.sop_class import Verification
from pynetdicom.transport import ThreadedAssociationServer

from pkp_planning.dicom_peers import ReceptionConfig
from pkp_planning.received import (
    MB,
    DuplicateInstanceError,
    NoRoomError,
    Reception,
    SecondSeriesError,
    Series,
    Store,
    TooMuchReceivedError,
    UnreadableInstanceError,
)
from planning_core.errors import PkpError

_config.LOG_HANDLER_LEVEL = "none"
logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # it writes names of patients, and a line for each knock at the door

CLASSES = (CTImageStorage, EnhancedCTImageStorage)
SYNTAXES = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]
"""Nothing compressed: what unpacks to more than was sent would slip past the limits."""
STRANGERS_BYTES = 65_536
"""Read before an association is accepted: a request fills some kB."""
PDU_BYTES = 262_144
OVERHEAD = 1.05
STATUS = {  # PS3.4 table B.2-1
    DuplicateInstanceError: 0x0111,
    SecondSeriesError: 0xA900,
    UnreadableInstanceError: 0xC000,
    TooMuchReceivedError: 0xA700,
    NoRoomError: 0xA700,
}
CALLING_TITLE_UNKNOWN = (0x01, 0x01, 0x03)
END_S = 5.0


class UnknownPeerError(PkpError):
    """Somebody who is not among the peers called. Carries ``title`` and ``address``."""

    code = "unknown_peer"


class _Bounded(socket.socket):
    """Gives up when more was read from it than the association may bring, whatever lengths the peer declares."""

    left: int = STRANGERS_BYTES

    def recv(self, size: int, flags: int = 0) -> bytes:
        """As ever, within what is left."""
        if self.left <= 0:
            raise ConnectionAbortedError("the peer sent more than it may")
        data = super().recv(min(size, self.left), flags)
        self.left -= len(data)
        return data


class DicomReceiver:
    """Listens until stopped; every association ends as a series or as a refusal by name.

    Args:
        arrived: hears each series that came whole. refused: hears every refusal, of an association or of a part of it.
            Both are called from threads of the receiver.

    Raises:
        OSError: the port cannot be had.
    """

    def __init__(
        self, config: ReceptionConfig, store: Store, arrived: Callable[[Series], None], refused: Callable[[PkpError], None]
    ) -> None:
        self._config, self._store, self._arrived, self._refused = config, store, arrived, refused
        self._lock = threading.Lock()
        self._open: dict[Any, Reception] = {}
        self._waiting: list[threading.Thread] = []
        self._addresses = {peer.address for peer in config.known}
        self._titles = {(peer.title, peer.address) for peer in config.known}
        ae = AE(config.ae_title)
        ae.require_called_aet = True
        ae.maximum_associations = config.most_associations
        ae.maximum_pdu_size = PDU_BYTES
        ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = config.silence_s
        ae.add_supported_context(Verification)
        for sop_class in CLASSES:
            ae.add_supported_context(sop_class, SYNTAXES)
        self._ae = ae
        handlers: list[Any] = [
            (evt.EVT_REQUESTED, self._asked),
            (evt.EVT_ACCEPTED, self._accepted),
            (evt.EVT_C_STORE, self._stored),
        ]
        receiver = self

        class Server(ThreadedAssociationServer):
            """Turns strangers away before a byte of theirs is read."""

            daemon_threads = True

            def verify_request(self, request: Any, client_address: Any) -> bool:
                return receiver._known_address(str(client_address[0]))

            def get_request(self) -> tuple[socket.socket, Any]:
                plain, address = super().get_request()
                bounded = _Bounded(plain.family, plain.type, plain.proto, fileno=plain.detach())
                bounded.settimeout(receiver._config.silence_s)
                bounded.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # an answer must not wait for an acknowledgement
                return bounded, address

        self._server = ae.make_server((config.dicom_bind, config.dicom_port), evt_handlers=handlers, server_class=Server)
        ae._servers.append(self._server)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """It listens on."""
        return int(self._server.server_address[1])

    def stop(self) -> None:
        """Abort what is open and close the port."""
        self._ae.shutdown()
        self._thread.join(END_S)
        for thread in self._waiting:
            thread.join(END_S)

    def _known_address(self, address: str) -> bool:
        known = address in self._addresses
        if not known:
            self._refused(UnknownPeerError("a caller from an unknown address was turned away", address=address, title=""))
        return known

    def _asked(self, event: Any) -> None:
        title = str(event.assoc.requestor.primitive.calling_ae_title).strip()
        address = str(event.assoc.requestor.address)
        if (title, address) not in self._titles:
            event.assoc.acse.send_reject(*CALLING_TITLE_UNKNOWN)
            event.assoc.is_rejected = True
            event.assoc.kill()
            self._refused(UnknownPeerError("a caller by an unknown title was rejected", address=address, title=title[:16]))

    def _accepted(self, event: Any) -> None:
        event.assoc.dul.socket.socket.left = int(self._config.most_mb * MB * OVERHEAD) + STRANGERS_BYTES
        try:
            reception = self._store.begin()
        except (PkpError, OSError) as error:
            self._refused(error if isinstance(error, PkpError) else _no_room(error))
            event.assoc.abort()
            return
        with self._lock:
            self._open[event.assoc] = reception
            self._waiting = [t for t in self._waiting if t.is_alive()]
            self._waiting.append(threading.Thread(target=self._settle, args=(event.assoc,), daemon=True))
            self._waiting[-1].start()

    def _stored(self, event: Any) -> int:
        with self._lock:
            reception = self._open.get(event.assoc)
        if reception is None:
            return 0xC000
        try:
            request = event.request
            content = event.encoded_dataset(include_meta=True)
            reception.add(str(request.AffectedSOPClassUID), str(request.AffectedSOPInstanceUID), content)
        except PkpError as error:  # told once, when the association ends
            return STATUS.get(type(error), 0xC000)
        except Exception as error:  # whatever it was: without this instance the series is not whole
            reception.refusal = reception.refusal or UnreadableInstanceError(
                "an instance cannot be taken", reason=type(error).__name__
            )
            return STATUS[UnreadableInstanceError]
        return 0x0000

    def _settle(self, association: Any) -> None:
        """Wait for an association's end. Its events come from two threads in either order; its own thread ends last."""
        association.join()
        with self._lock:
            reception = self._open.pop(association)
        try:
            # a peer that released with instances still unread did not wait for our answers: the series is not whole
            if association.is_released and association.dimse.msg_queue.empty():
                series = reception.released()
                if series is not None:
                    self._arrived(series)
            else:
                error = reception.aborted()
                if error is not None:
                    self._refused(error)
        except PkpError as error:
            self._refused(error)
        except OSError as error:
            self._refused(_no_room(error))


def _no_room(error: OSError) -> NoRoomError:
    return NoRoomError(f"a series cannot be kept: {error.strerror}", what="disk", free_mb=0.0, limit_mb=0.0)
