"""The edge of a command's process: however a run ends, there is a status, a sentence, and one JSON object where asked for."""

from __future__ import annotations

import argparse
import errno
import json
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from planning_core.errors import PkpError

INTERNAL_STATUS = 1
USAGE_STATUS = 64
INTERRUPTED_STATUS = 130


class UsageError(Exception):
    """Arguments that cannot be understood."""


class FileSystemError(PkpError):
    """A file or folder that could not be made, read or written. Carries ``reason``, as the system names it (``ENOSPC``)."""

    code = "file_system"

    @classmethod
    def of(cls, error: OSError) -> FileSystemError:
        """In the system's words, without the path: that names folders, and files that may be named after patients."""
        said = error.strerror or type(error).__name__
        return cls(
            f"a file or folder could not be used: {said}. Does --out lead to a place where one may write, with room on the disk?",
            reason=errno.errorcode.get(error.errno or 0, type(error).__name__),
        )


class Parser(argparse.ArgumentParser):
    """One whose complaints end as every other refusal does."""

    def error(self, message: str) -> NoReturn:
        """See ``UsageError``."""
        self.print_usage(sys.stderr)
        raise UsageError(message)


def ended(arguments: Sequence[str] | None, run: Callable[[list[str]], int], interrupted: str = "interrupted") -> int:
    """Run a command to its end; returns the exit status (docs/exit_codes.md).

    Args:
        arguments: of the command, None: those of the process; with ``--json`` among them a failure is an object too.
        run: is given them, and gives the status where nothing fails.
        interrupted: what to say after a Ctrl-C.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in words
    try:
        return run(words)
    except UsageError as error:
        return failed(as_json, USAGE_STATUS, {"error": "UsageError", "code": "usage", "message": str(error)})
    except PkpError as error:
        return failed(as_json, error.exit_status, error.as_dict())
    except KeyboardInterrupt:
        return failed(as_json, INTERRUPTED_STATUS, {"error": "Interrupted", "code": "interrupted", "message": interrupted})
    except Exception as error:  # a mistake of ours still answers in the form that was asked for
        if isinstance(error, OSError) and error.errno is not None:
            refusal = FileSystemError.of(error)
            return failed(as_json, refusal.exit_status, refusal.as_dict())
        traceback.print_exc()
        message = f"internal error, please report it with the lines above: {type(error).__name__}"
        return failed(as_json, INTERNAL_STATUS, {"error": "InternalError", "code": "internal", "message": message})


def failed(as_json: bool, status: int, error: dict[str, Any]) -> int:
    """Say it in a sentence, and as an object where that was asked for; returns the status."""
    if as_json:
        print(json.dumps(error, default=str))
    print(f"pkp: {error['message']}", file=sys.stderr)
    return status
