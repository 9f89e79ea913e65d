"""One association's instances on disk: names of our own, each whole or absent, one series, within its limits."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
import threading
import time
from io import BytesIO
from pathlib import Path

import attrs
import pydicom

from pkp_planning.dicom_peers import ReceptionConfig
from planning_core.errors import InputError, PkpError
from planning_core.imaging.dicom import DAMAGED

MB = 1_000_000
KEPT_APART = "apart"
UNDER_WAY = "under-way"


class UnreadableInstanceError(InputError):
    """No DICOM instance, or another than the peer said it would send. Carries ``reason``."""

    code = "unreadable_instance"


class DuplicateInstanceError(InputError):
    """Two different instances under one SOP instance UID. Carries ``instances`` received before."""

    code = "duplicate_instance"


class SecondSeriesError(InputError):
    """Two series in one association: which one is the scan would be a guess. Carries ``instances`` received before."""

    code = "second_series"


class TooMuchReceivedError(InputError):
    """More than one association may bring. Carries ``what`` and ``limit``."""

    code = "too_much_received"


class NoRoomError(PkpError):
    """The disk is full, or what may be kept is. Carries ``what``, ``free_mb`` or ``kept_mb``, and ``limit_mb``."""

    code = "no_room"


class AssociationAbortedError(PkpError):
    """The peer went away before it released the association. Carries ``instances``."""

    code = "association_aborted"


@attrs.frozen
class Series:
    """A series that arrived whole: one release ended it.

    Args:
        folder: holds nothing else. name: hash of the series UID, which itself is not said.
        accepted_s: when its association was accepted, on the host's monotonic clock.
    """

    folder: Path
    name: str
    instances: int
    size_bytes: int
    accepted_s: float


class Store:
    """The received folder: counts what lies there, and gives each association a place of its own."""

    def __init__(self, root: Path, config: ReceptionConfig) -> None:
        self.root, self.config = root, config
        self._lock = threading.Lock()
        for name in (UNDER_WAY, KEPT_APART):
            (root / name).mkdir(parents=True, exist_ok=True)
        self._kept = _bytes_below(root)
        self._count = 0

    def begin(self) -> Reception:
        """A place for one association."""
        with self._lock:
            self._count += 1
            return Reception(self, _new_folder(self.root / UNDER_WAY, f"{os.getpid()}-{self._count}"))

    def take(self, size: int) -> None:
        """Count bytes about to be written.

        Raises:
            NoRoomError: see there.
        """
        with self._lock:
            free = shutil.disk_usage(self.root).free / MB
            if free - size / MB < self.config.free_mb:
                raise NoRoomError(
                    f"the disk has {free:.0f} MB left, {self.config.free_mb:g} MB stay free",
                    what="disk",
                    free_mb=free,
                    limit_mb=self.config.free_mb,
                )
            most = self.config.most_kept_mb * MB
            if self._kept + size > most:
                self._kept = _bytes_below(self.root)  # somebody may have cleared it
            if self._kept + size > most:
                raise NoRoomError(
                    f"{self._kept / MB:.0f} MB are kept, at most {self.config.most_kept_mb:g} MB: clear the received folder",
                    what="kept",
                    kept_mb=self._kept / MB,
                    limit_mb=self.config.most_kept_mb,
                )
            self._kept += size

    def settle(self, reception: Reception, place: Path) -> Path:
        """Move an ended reception to a place of its own."""
        with self._lock:
            final = _new_folder(place.parent, place.name)
            reception.folder.replace(final)  # a rename onto an empty folder is one step
            return final


class Reception:
    """What one association has brought so far."""

    def __init__(self, store: Store, folder: Path) -> None:
        self._store, self.folder, self._accepted_s = store, folder, time.monotonic()
        self._digests: dict[str, bytes] = {}
        self._series: str | None = None
        self._bytes = 0
        self.repeated = 0
        self.refusal: PkpError | None = None

    @property
    def instances(self) -> int:
        """Received so far."""
        return len(self._digests)

    def add(self, sop_class: str, sop_instance: str, content: bytes) -> None:
        """Keep one instance; after a refusal nothing more of this association counts.

        Args:
            sop_class, sop_instance: as the request said. content: a DICOM file with its preamble.

        Raises:
            PkpError: the refusal, by name.
        """
        try:
            self._add(sop_class, sop_instance, content)
        except OSError as error:
            self.refusal = NoRoomError(f"an instance cannot be written: {error.strerror}", what="disk", free_mb=0.0, limit_mb=0.0)
            raise self.refusal from error
        except PkpError as error:
            self.refusal = self.refusal or error
            raise

    def _add(self, sop_class: str, sop_instance: str, content: bytes) -> None:
        if self.refusal is not None:
            raise self.refusal
        config = self._store.config
        digest = hashlib.sha256(content).digest()
        if sop_instance in self._digests:
            if self._digests[sop_instance] != digest:
                raise DuplicateInstanceError("two different instances have one UID", instances=self.instances)
            self.repeated += 1  # sent again after a lost answer: nothing new
            return
        if self.instances >= config.most_instances:
            raise TooMuchReceivedError(
                f"more than {config.most_instances} instances in one association", what="instances", limit=config.most_instances
            )
        if self._bytes + len(content) > config.most_mb * MB:
            raise TooMuchReceivedError(f"more than {config.most_mb:g} MB in one association", what="MB", limit=config.most_mb)
        series = _series_of(content, sop_class, sop_instance)
        if self._series not in (None, series):
            raise SecondSeriesError("a second series in one association: send one at a time", instances=self.instances)
        self._store.take(len(content))
        place = self.folder / f"{self.instances + 1:05d}.dcm"
        unfinished = place.with_suffix(".part")
        try:
            with unfinished.open("xb") as file:
                file.write(content)
            unfinished.replace(place)
        finally:
            unfinished.unlink(missing_ok=True)
        self._series, self._bytes = series, self._bytes + len(content)
        self._digests[sop_instance] = digest

    def released(self) -> Series | None:
        """The association ended in order; None where it brought nothing.

        Raises:
            PkpError: what was refused; the rest is kept apart.
        """
        if self.refusal is not None:
            raise self._apart(self.refusal)
        if self._series is None:
            self.folder.rmdir()
            return None
        name = hashlib.sha256(self._series.encode()).hexdigest()[:16]
        return Series(self._store.settle(self, self._store.root / name), name, self.instances, self._bytes, self._accepted_s)

    def aborted(self) -> PkpError | None:
        """The association ended otherwise: nothing of it counts, what came is kept apart; None where nothing came."""
        if not self.instances and self.refusal is None:
            self.folder.rmdir()
            return None
        said = f"the association was aborted after {self.instances} instances"
        return self._apart(self.refusal or AssociationAbortedError(said, instances=self.instances))

    def _apart(self, why: PkpError) -> PkpError:
        if not self.instances:
            self.folder.rmdir()
            return why
        place = self._store.settle(self, self._store.root / KEPT_APART / f"{why.code}-{self.folder.name}")
        why.data["folder"] = str(place)
        return why


def _bytes_below(root: Path) -> int:
    """The size of all files there; what is moved or removed meanwhile may be passed over."""
    size = 0
    for folder, _, names in os.walk(root):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                found = os.lstat(os.path.join(folder, name))
                size += found.st_size if stat.S_ISREG(found.st_mode) else 0
    return size


def _new_folder(parent: Path, name: str) -> Path:
    """A folder that was not there: the name, or the name with a number."""
    for number in range(1, 100_000):
        place = parent / (name if number == 1 else f"{name}-{number}")
        try:
            place.mkdir(parents=True)  # the received folder may have been cleared meanwhile
        except FileExistsError:
            continue
        return place
    raise NoRoomError("too many receptions of one series", what="names", free_mb=0.0, limit_mb=0.0)


def _series_of(content: bytes, sop_class: str, sop_instance: str) -> str:
    """The series an instance says it is of; it must be the instance that was announced."""
    try:
        tags = ["SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID"]
        header = pydicom.dcmread(BytesIO(content), stop_before_pixels=True, specific_tags=tags)
        said = tuple(str(header.get(tag) or "") for tag in tags)
    except DAMAGED as error:
        raise UnreadableInstanceError(f"an instance cannot be read: {type(error).__name__}", reason="damaged") from error
    if said[:2] != (sop_class, sop_instance):
        raise UnreadableInstanceError("an instance is not the one that was announced", reason="other UIDs than announced")
    if not said[2]:
        raise UnreadableInstanceError("an instance is of no series", reason="no series")
    return said[2]
