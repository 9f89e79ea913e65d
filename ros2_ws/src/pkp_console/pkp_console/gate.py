"""What every request passes before any of it is understood: Host, Origin, size; and the headers of every answer."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from pkp_console.refusals import ConsoleError, ForeignRequestError, TooLargeError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; "
    "style-src 'self'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self' data: blob:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
"""``wasm-unsafe-eval`` and data: are for the volume viewer's decoders and built-in font; no script comes from either."""


class Gate:
    """ASGI middleware.

    Args:
        hosts: values of Host that are this console (against names that are made to point at loopback).
        json_bytes: the largest body of a request; ``uploads`` say how large one under their path may be.
    """

    def __init__(self, app: App, hosts: Iterable[str], json_bytes: int, uploads: dict[str, int]) -> None:
        self._app, self._hosts, self._json_bytes, self._uploads = app, frozenset(hosts), json_bytes, uploads
        self._origins = frozenset(f"http://{h}" for h in self._hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or answer with a refusal."""
        if scope["type"] == "websocket":
            try:
                self._check_origin(_headers(scope), needed=True)
            except ConsoleError:
                await receive()
                await send({"type": "websocket.close", "code": 4403, "reason": "foreign request"})
                return
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _with_headers(send, scope["path"])
        try:
            headers = _headers(scope)
            self._check_origin(headers, needed=scope["method"] not in SAFE_METHODS)
            limit = next((n for p, n in self._uploads.items() if scope["path"].startswith(p)), self._json_bytes)
            stated = headers.get("content-length", "0")
            if not stated.isdecimal() or int(stated) > limit:
                raise TooLargeError(f"the request is larger than {limit} bytes", limit_bytes=limit)
        except ConsoleError as error:
            await _refuse(answer, error)
            return
        meter = _Meter(receive, limit)

        async def answer_in_limits(message: Message) -> None:
            if not meter.over:
                await answer(message)

        with contextlib.suppress(TooLargeError):
            await self._app(scope, meter, answer_in_limits)
        if meter.over:  # whatever the application made of being cut off
            await _refuse(answer, TooLargeError(f"the request is larger than {limit} bytes", limit_bytes=limit))

    def _check_origin(self, headers: dict[str, str], needed: bool) -> None:
        if headers.get("host", "") not in self._hosts:
            raise ForeignRequestError("this console answers under its own address only", what="host")
        origin = headers.get("origin")
        if (origin is None and needed) or (origin is not None and origin not in self._origins):
            raise ForeignRequestError("only the console's own page may ask this", what="origin")


class _Meter:
    """Counts a body that did not say how long it is."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive, self._limit, self._seen = receive, limit, 0
        self.over = False

    async def __call__(self) -> Message:
        message = await self._receive()
        self._seen += len(message.get("body", b""))
        if self._seen > self._limit:
            self.over = True
            raise TooLargeError(f"the request is larger than {self._limit} bytes", limit_bytes=self._limit)
        return message


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def _with_headers(send: Send, path: str) -> Send:
    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start":
            had = {name.lower() for name, _ in message["headers"]}
            extra = dict(HEADERS)
            if path.startswith("/api/") and b"cache-control" not in had:
                extra["cache-control"] = "no-store"
            message["headers"] = [*message["headers"], *((k.encode(), v.encode()) for k, v in extra.items())]
        await send(message)

    return answer


async def _refuse(send: Send, error: ConsoleError) -> None:
    body = json.dumps(error.as_dict()).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": error.http_status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
