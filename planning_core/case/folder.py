"""A case on disk: inputs by hash, stage results, the plan. Nothing half-written, one writer at a time."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

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
LINKED = ("inputs/ct", "inputs/series")
"""Where the case says of which CT it is."""
PLACES = ("", "confirmation", "input", "inputs", "plans", "stages", "surfaces", "view", "xray", "xray_plans")
"""Folders of a case that files are written into."""
FOLLOWED = ("confirmation",)
"""What was measured of a plan after it was finished: it goes with it, and is no part of it."""


class CaseInUseError(PkpError):
    """Another process is writing this case. Carries ``case``."""

    code = "case_in_use"


class OtherInputError(InputError):
    """The folder holds the case of another input. Carries ``held`` and ``given`` (SHA-256 of each)."""

    code = "other_input"


class ForeignFilesError(InputError):
    """The folder is no case, and holds files that a plan would replace. Carries ``case`` and ``found``, their names."""

    code = "foreign_files"


class InputInCaseError(InputError):
    """An input lies where the case keeps what a new plan replaces. Carries ``case`` and ``output``, the name of that."""

    code = "input_in_case"


@attrs.frozen
class Case:
    """A case folder.

    Args:
        path: it; made when it is not there.
    """

    path: Path

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the case for writing; the lock ends with the process, however it ends.

        Raises:
            CaseInUseError: somebody else holds it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / ".lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise CaseInUseError(f"case {self.path.name} is being written by another process", case=self.path.name) from error
            self._sweep()
            yield

    def keep_clear(self, *sources: Path | None) -> None:
        """Refuse inputs that a new plan of this case would replace, before it replaces them.

        Args:
            sources: files and folders as given; None for what was not.

        Raises:
            InputInCaseError: one is, or lies below, one of ``OUTPUTS``.
        """
        root = self.path.resolve()
        for source in filter(None, sources):
            place = source.resolve()
            for name in OUTPUTS:
                if place.is_relative_to(root / name):
                    raise InputInCaseError(
                        f"an input lies in the case {self.path.name} itself, as {name}, which a new plan replaces: "
                        "move it elsewhere, or choose another folder with --out",
                        case=self.path.name,
                        output=name,
                    )

    def claim(self, ct_sha256: str | None, labels_sha256: str | None) -> None:
        """Note which inputs this case is of; a folder never mixes two patients.

        Raises:
            OtherInputError: it is the case of another CT, or of other labels where one of the two has no CT.
            ForeignFilesError: it is no case, and files of others are in it.
        """
        inputs = {"ct_sha256": ct_sha256, "labels_sha256": labels_sha256}
        held = self._held()
        if held is not None:
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
            ForeignFilesError: it is no case, and files of others are in it.
        """
        inputs = {"ct_sha256": None, "labels_sha256": None, "xray_sha256": sorted(xray_sha256)}
        held = self._held()
        if held is not None and held != inputs:
            raise OtherInputError(
                f"case {self.path.name} was made from another input: choose another folder with --out", held=held, given=inputs
            )
        self.write(INPUTS, (json.dumps(inputs, indent=2, sort_keys=True) + "\n").encode())

    def withdraw(self) -> None:
        """Take an earlier plan and all that goes with it away, so that old and new never stand side by side."""
        for name in (*OUTPUTS, *FOLLOWED):
            place = self.path / name
            if place.is_dir() and not place.is_symlink():
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

    def _held(self) -> dict[str, Any] | None:
        """What the case was claimed for; None in a folder that is nobody's yet.

        Raises:
            ForeignFilesError: see ``claim``.
        """
        place = self.path / INPUTS
        if place.is_file():
            with contextlib.suppress(ValueError, RecursionError):
                held = json.loads(place.read_text())
                if isinstance(held, dict) and {"ct_sha256", "labels_sha256"} <= held.keys():
                    return held
        found = [name for name in (INPUTS, *OUTPUTS, *LINKED) if os.path.lexists(self.path / name)]
        if found:
            raise ForeignFilesError(
                f"{self.path.name} is no case, but holds {', '.join(found)}, which a plan would replace: "
                "choose another folder with --out",
                case=self.path.name,
                found=found,
            )
        return None

    def _sweep(self) -> None:
        """Clear what a killed run left half-written; to be called by the one who holds the lock."""
        for folder in PLACES:
            for left in (self.path / folder).glob(f"{UNFINISHED}*"):
                if left.is_file() or left.is_symlink():
                    left.unlink()
