"""A zip of DICOM files on disk as files with names of ours: nothing in the archive decides where anything is written."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

from pkp_console.refusals import BadUploadError, TooLargeError

CHUNK = 1 << 20


def unpack(archive: Path, folder: Path, most_bytes: int, most_files: int) -> int:
    """Write each file of a zip as ``000001.dcm`` …; returns how many.

    Raises:
        BadUploadError: no zip, damaged, encrypted, or empty. TooLargeError: more than allowed, counted while unpacking.
    """
    folder.mkdir(parents=True, exist_ok=True)
    left, count = most_bytes, 0
    try:
        with zipfile.ZipFile(archive) as held:
            entries = [e for e in held.infolist() if not e.is_dir() and not _clutter(e.filename)]
            if len(entries) > most_files:
                raise TooLargeError(f"the zip holds {len(entries)} files, at most {most_files} are read", limit_files=most_files)
            for count, entry in enumerate(entries, start=1):
                if entry.flag_bits & 1:
                    raise BadUploadError("the zip is encrypted: send it without a password")
                with held.open(entry) as source, (folder / f"{count:06d}.dcm").open("wb") as target:
                    while piece := source.read(CHUNK):
                        left -= len(piece)
                        if left < 0:
                            raise TooLargeError(
                                f"the zip unpacks to more than {most_bytes / 2**30:.1f} GiB", limit_bytes=most_bytes
                            )
                        target.write(piece)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, RuntimeError, ValueError) as error:
        raise BadUploadError("the zip is damaged or not a zip at all") from error
    if count == 0:
        raise BadUploadError("the zip holds no files")
    return count


def _clutter(name: str) -> bool:
    """Files that systems add to folders and archives."""
    last = name.rsplit("/", 1)[-1]
    return last.startswith(".") or last in ("DICOMDIR", "Thumbs.db") or name.startswith("__MACOSX/")
