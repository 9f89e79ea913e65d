"""A case on disk: inputs by hash, stage results, the plan. Nothing half-written, one writer at a time."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import attrs

from planning_core.errors import InputError, PkpError

UNFINISHED = ".part-"
INPUTS = "inputs.json"
OUTPUTS = (
    "plan.json",
    "xray_plan.json",
    "report.html",
    "report.png",
    "labels.nii.gz",
    "segmentation.dcm",
    "numbering.png",
    "surfaces",
    "xray",
)
"""What a new plan replaces, the plan itself first: without it nothing else in the folder counts."""


class CaseInUseError(PkpError):
    """Another process is writing this case. Carries ``case``."""

    code = "case_in_use"


class OtherInputError(InputError):
    """The folder holds the case of another input. Carries ``held`` and ``given`` (SHA-256 of each)."""

    code = "other_input"


@attrs.frozen
class Case:
    """A case folder.

    Args:
        path: it; made when it is not there.
    """

    path: Path

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the case for writing; the lock ends with the process, however it ends.

        Raises:
            CaseInUseError: somebody else holds it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise CaseInUseError(f"case {self.path.name} is being written by another process", case=self.path.name) from error
            for left in self.path.rglob(f"{UNFINISHED}*"):  # by a run that was killed: nobody else holds the lock
                left.unlink()
            yield

    def claim(self, ct_sha256: str | None, labels_sha256: str | None) -> None:
        """Note which inputs this case is of; a folder never mixes two patients.

        Raises:
            OtherInputError: it is the case of another CT, or of other labels where one of the two has no CT.
        """
        place = self.path / INPUTS
        inputs = {"ct_sha256": ct_sha256, "labels_sha256": labels_sha256}
        if place.is_file():
            held = json.loads(place.read_text())
            both_ct = held["ct_sha256"] is not None and ct_sha256 is not None
            key, given = ("ct_sha256", ct_sha256) if both_ct else ("labels_sha256", labels_sha256)
            if given is None or held[key] != given:
                raise OtherInputError(
                    f"case {self.path.name} was made from another input: choose another folder with --out",
                    held=held,
                    given=inputs,
                )
        self.write(INPUTS, (json.dumps(inputs, indent=2, sort_keys=True) + "\n").encode())

    def claim_xrays(self, xray_sha256: Sequence[str]) -> None:
        """Note which X-ray images this case is of; another set of images is another case.

        Raises:
            OtherInputError: it is the case of a CT, of labels, or of other images.
        """
        place = self.path / INPUTS
        inputs = {"ct_sha256": None, "labels_sha256": None, "xray_sha256": sorted(xray_sha256)}
        if place.is_file() and (held := json.loads(place.read_text())) != inputs:
            raise OtherInputError(
                f"case {self.path.name} was made from another input: choose another folder with --out", held=held, given=inputs
            )
        self.write(INPUTS, (json.dumps(inputs, indent=2, sort_keys=True) + "\n").encode())

    def withdraw(self) -> None:
        """Take an earlier plan and all that goes with it away, so that old and new never stand side by side."""
        for name in OUTPUTS:
            place = self.path / name
            if place.is_dir():
                shutil.rmtree(place)
            else:
                place.unlink(missing_ok=True)

    def write(self, name: str, content: bytes) -> Path:
        """A file, whole or not at all."""
        return self.write_with(name, lambda temporary: temporary.write_bytes(content))

    def write_with(self, name: str, writer: Callable[[Path], object]) -> Path:
        """A file that a library writes by path: beside its place under another name, then moved."""
        place = self.path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        unfinished = place.with_name(UNFINISHED + place.name)
        try:
            writer(unfinished)
            with unfinished.open("rb+") as file:
                os.fsync(file.fileno())
            unfinished.replace(place)
        finally:
            unfinished.unlink(missing_ok=True)
        return place
