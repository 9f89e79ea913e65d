"""What the supervisor and the guard refuse, by name."""

from __future__ import annotations

from planning_core.errors import PkpError


class NoSuchTransitionError(PkpError):
    """The table has no such step. Carries ``phase`` and ``to``."""

    code = "no_such_transition"


class ConditionsNotMetError(PkpError):
    """A step waits for evidence. Carries ``to`` and ``waits_for``."""

    code = "conditions_not_met"


class WrongPhaseError(PkpError):
    """An event that has no place in this phase. Carries ``phase``."""

    code = "wrong_phase"


class WrongPlanError(PkpError):
    """Another plan, or another side of it, than the one in hand."""

    code = "wrong_plan"


class ApprovalRefusedError(PkpError):
    """An approval or acknowledgement that is not signed as it must be. Carries ``operator``."""

    code = "approval_refused"


class OldEpochError(PkpError):
    """A decision made before the last stop. Carries ``given`` and ``epoch``."""

    code = "old_epoch"


class RearmRefusedError(PkpError):
    """A stop that cannot be left yet. Carries ``waits_for``."""

    code = "rearm_refused"


class CommandRefusedError(PkpError):
    """A command that does not reach its device."""

    code = "command_refused"


class NotPermittedError(CommandRefusedError):
    """The supervisor does not permit it now. Carries ``kind`` and ``phase``."""

    code = "not_permitted"


class NotFiniteError(CommandRefusedError):
    """A command that is not a number. Carries ``axes``."""

    code = "not_finite"


class OutOfLimitsError(CommandRefusedError):
    """A value outside its limits. Carries ``axis``, ``value``, ``lower``, ``upper``."""

    code = "out_of_limits"


class StaleError(CommandRefusedError):
    """Too old, or from the future. Carries ``what``, ``age_s`` and ``limit_s``."""

    code = "stale"


class ReplayedError(CommandRefusedError):
    """A sequence number that was there already. Carries ``sequence`` and ``last``."""

    code = "replayed"


class OtherSupervisorError(CommandRefusedError):
    """Two supervisors speak. Carries ``heard`` and ``also``."""

    code = "other_supervisor"
