"""Local control and truth channels: JSON lines over Unix sockets that only this user can open."""

from __future__ import annotations

import json
import os
import selectors
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from planning_core.errors import PkpError

_MOST_BYTES = 4096


class Channel:
    """Answers each line ``{…}`` with one line; a line that makes no sense is answered with what is wrong with it.

    Args:
        path: of the socket. handle: what to do with a message; its result is the answer.
    """

    def __init__(self, path: Path, selector: selectors.BaseSelector, handle: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        self._path, self._selector, self._handle = path, selector, handle
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        mask = os.umask(0o077)
        try:
            self._listener.bind(str(path))
        finally:
            os.umask(mask)
        self._listener.listen(4)
        self._listener.setblocking(False)
        self._open: dict[socket.socket, bytes] = {}
        selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def _accept(self) -> None:
        peer, _ = self._listener.accept()
        peer.setblocking(False)
        self._open[peer] = b""
        self._selector.register(peer, selectors.EVENT_READ, lambda: self._serve(peer))

    def _drop(self, peer: socket.socket) -> None:
        self._selector.unregister(peer)
        self._open.pop(peer)
        peer.close()

    def _serve(self, peer: socket.socket) -> None:
        try:
            data = peer.recv(_MOST_BYTES)
            text = self._open[peer] + data
            if not data or len(text) > _MOST_BYTES:
                self._drop(peer)
                return
            *lines, self._open[peer] = text.split(b"\n")
            for line in lines:
                peer.sendall(json.dumps(self._answer(line)).encode() + b"\n")
        except OSError:
            self._drop(peer)

    def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            message = json.loads(line)
        except ValueError as error:
            return {"error": f"not JSON: {error}"}
        if not isinstance(message, dict):
            return {"error": "not an object"}
        try:
            return self._handle(message)
        except PkpError as error:
            return error.as_dict()

    def close(self) -> None:
        """Hang up and remove the socket."""
        for peer in list(self._open):
            self._drop(peer)
        self._selector.unregister(self._listener)
        self._listener.close()
        self._path.unlink(missing_ok=True)
