"""What the console refuses, each with the HTTP status it is answered by."""

from __future__ import annotations

from typing import ClassVar

from planning_core.errors import PkpError


class ConsoleError(PkpError):
    """A refusal of the console itself."""

    code = "console"
    http_status: ClassVar[int] = 400


class NotSignedInError(ConsoleError):
    """No session, or one that has ended."""

    code = "not_signed_in"
    http_status = 401


class WrongPinError(ConsoleError):
    """Name and PIN do not belong together; which of the two is wrong is not said."""

    code = "wrong_pin"
    http_status = 401


class TooManyTriesError(ConsoleError):
    """Too many wrong PINs. Carries ``wait_s``."""

    code = "too_many_tries"
    http_status = 429


class NotAllowedError(ConsoleError):
    """The role does not cover it. Carries ``role`` and ``needed``."""

    code = "not_allowed"
    http_status = 403


class PinMustChangeError(ConsoleError):
    """A one-time PIN lets nobody do anything but choose another."""

    code = "pin_must_change"
    http_status = 403


class BadPinError(ConsoleError):
    """A PIN that will not do. Carries ``least_digits``."""

    code = "bad_pin"


class ReadOnlyError(ConsoleError):
    """Another operator has the console. Carries ``held_by``."""

    code = "read_only"
    http_status = 409


class ForeignRequestError(ConsoleError):
    """A request that did not come from this console's own page: wrong Host or Origin, or no token. Carries ``what``."""

    code = "foreign_request"
    http_status = 403


class TooLargeError(ConsoleError):
    """A body larger than its limit. Carries ``limit_bytes``."""

    code = "too_large"
    http_status = 413


class NoSuchError(ConsoleError):
    """Nothing has this id. Carries ``kind``."""

    code = "no_such"
    http_status = 404


class BadRequestError(ConsoleError):
    """A request whose fields do not validate. Carries ``problems``."""

    code = "bad_request"
    http_status = 422


class BadUploadError(ConsoleError):
    """An upload that is not what it says it is."""

    code = "bad_upload"


class NotPlannedHereError(ConsoleError):
    """The case lacks what this needs. Carries ``missing``."""

    code = "not_planned_here"
    http_status = 409


class BusyError(ConsoleError):
    """Work on this case is under way. Carries ``job``."""

    code = "busy"
    http_status = 409


class NoSupervisorError(ConsoleError):
    """No supervisor is running, or it does not answer."""

    code = "no_supervisor"
    http_status = 503


class BusyTaskError(ConsoleError):
    """A node is carrying something out already. Carries ``task``."""

    code = "busy_task"
    http_status = 409


class NothingHeardError(ConsoleError):
    """The room has not said yet what this needs. Carries ``topic``."""

    code = "nothing_heard"
    http_status = 409


class DecisionRefusedError(ConsoleError):
    """The supervisor said no. Carries ``refused_code`` and, where it waits for something, ``waits_for``."""

    code = "decision_refused"
    http_status = 409
