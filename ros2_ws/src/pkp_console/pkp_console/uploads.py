"""Imports that were begun and not ended: whose they are, how much of each has come, and which nobody comes back to."""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

from pkp_console.config import ConsoleConfig
from pkp_console.refusals import BadUploadError, BusyError, NoSuchError, TooLargeError

SHOWN = 5


@attrs.define(eq=False)
class Upload:
    """One import.

    Args:
        by: who began it. came: bytes of each part, whole or on its way; total: of all of them. coming: parts on their way.
        broken: parts that broke off and were not sent again. reading: a job has it. gone: it was discarded.
    """

    id: str
    kind: str
    by: str
    folder: Path
    heard_s: float
    came: dict[int, int] = attrs.field(factory=dict)
    total: int = 0
    coming: set[int] = attrs.field(factory=set)
    broken: set[int] = attrs.field(factory=set)
    reading: bool = False
    gone: bool = False


class Uploads:
    """At most so many at a time, all users together. One that nobody does anything about for a while makes room.

    Args:
        place: their folders are in it. config: how many, how large, how long.
    """

    def __init__(self, place: Path, config: ConsoleConfig, now: Callable[[], float] = time.monotonic) -> None:
        self._place, self._config, self._now = place, config, now
        self._held: dict[str, Upload] = {}
        self._lock = threading.Lock()

    def begin(self, kind: str, by: str) -> Upload:
        """A folder for the parts.

        Raises:
            BusyError: there are as many as may be.
        """
        self._drop_idle()
        with self._lock:
            if len(self._held) >= self._config.imports_open:
                minutes = self._config.import_idle_s / 60
                raise BusyError(
                    f"other imports are not finished: finish or discard them first, or wait: idle ones end after {minutes:g} min",
                    job="import",
                )
            name = secrets.token_hex(8)
            folder = self._place / name
            folder.mkdir(parents=True)
            upload = self._held[name] = Upload(name, kind, by, folder, self._now())
        return upload

    def find(self, import_id: str) -> Upload:
        """One by its id; it counts as used.

        Raises:
            NoSuchError: there is none, or it was dropped.
        """
        with self._lock:
            upload = self._held.get(import_id)
            if upload is None:
                raise NoSuchError("there is no such import, or it ended after a long pause", kind="import")
            upload.heard_s = self._now()
            return upload

    def shown(self, by: str) -> list[dict[str, Any]]:
        """Somebody's own, oldest first."""
        self._drop_idle()
        with self._lock:
            now, mine = self._now(), [u for u in self._held.values() if u.by == by]
            return [
                {
                    "import_id": u.id,
                    "kind": u.kind,
                    "files": len(u.came),
                    "bytes": u.total,
                    "idle_s": round(now - u.heard_s, 1),
                    "reading": u.reading,
                }
                for u in mine
            ]

    @contextmanager
    def receiving(self, upload: Upload, number: int, place: Path) -> Iterator[Callable[[bytes], None]]:
        """While a part comes in: writes its pieces to a file, which stays only when all of them came.

        All parts of an import have one limit together, those on their way at the same time among them.

        Raises:
            BusyError: the same part is on its way already, or the import is being read. TooLargeError: over the limit.
            NoSuchError: the import was discarded meanwhile. BadUploadError: the disk does not take it.
        """
        self._expect(upload, number)
        whole = False
        try:
            with place.open("wb") as file:

                def write(piece: bytes) -> None:
                    self._count(upload, number, len(piece))
                    file.write(piece)

                yield write
            whole = True
        except OSError as error:
            if upload.gone:
                raise _discarded() from error
            raise BadUploadError(f"the part cannot be kept: {error.strerror}") from error
        finally:
            if not whole:
                place.unlink(missing_ok=True)
            with self._lock:
                upload.coming.discard(number)
                if not whole:
                    upload.total -= upload.came.pop(number)
                    upload.broken.add(number)

    def read(self, upload: Upload) -> None:
        """A job takes it.

        Raises:
            BusyError: one has it, or parts are on their way. BadUploadError: a part broke off; without it a scan may look whole.
        """
        with self._lock:
            if upload.reading or upload.coming:
                raise BusyError("this import is being read, or parts of it are on their way", job="import")
            if upload.broken:
                parts = sorted(upload.broken)[:SHOWN]
                raise BadUploadError(f"parts broke off ({', '.join(map(str, parts))}): send them again", parts=parts)
            upload.reading = True

    def give_back(self, upload: Upload) -> None:
        """The job has ended and the import stays, for a choice to be made."""
        with self._lock:
            upload.reading, upload.heard_s = False, self._now()

    def discard(self, upload: Upload) -> None:
        """Throw it away; a part on its way finds it gone.

        Raises:
            BusyError: a job has it.
        """
        with self._lock:
            if upload.reading:
                raise BusyError("this import is being read: call that off", job="import")
            self._forget(upload)
        _remove(upload)

    def end(self, upload: Upload) -> None:
        """The job that had it needs nothing of it any more."""
        with self._lock:
            self._forget(upload)
        _remove(upload)

    def _expect(self, upload: Upload, number: int) -> None:
        with self._lock:
            if upload.gone:
                raise _discarded()
            if upload.reading or number in upload.coming:
                raise BusyError("this import is being read, or this part of it is on its way already", job="import")
            upload.coming.add(number)
            upload.broken.discard(number)
            upload.total -= upload.came.get(number, 0)
            upload.came[number] = 0

    def _count(self, upload: Upload, number: int, size: int) -> None:
        with self._lock:
            if upload.gone:
                raise _discarded()
            if upload.total + size > self._config.upload_bytes:
                raise TooLargeError("the import is larger than its limit", limit_bytes=self._config.upload_bytes)
            upload.total += size
            upload.came[number] += size
            upload.heard_s = self._now()

    def _drop_idle(self) -> None:
        with self._lock:
            before = self._now() - self._config.import_idle_s
            idle = [u for u in self._held.values() if not u.reading and u.heard_s < before]
            for upload in idle:
                self._forget(upload)
        for upload in idle:
            _remove(upload)

    def _forget(self, upload: Upload) -> None:
        self._held.pop(upload.id, None)
        upload.gone = True


def _remove(upload: Upload) -> None:
    """Outside the lock: it may be thousands of files."""
    shutil.rmtree(upload.folder, ignore_errors=True)


def _discarded() -> NoSuchError:
    return NoSuchError("the import was discarded", kind="import")
