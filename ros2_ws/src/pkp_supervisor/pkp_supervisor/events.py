"""All that the workflow listens to. Evidence comes from nodes, decisions from an operator; times are monotonic seconds."""

from __future__ import annotations

import attrs

from pkp_supervisor.phases import Phase


@attrs.frozen
class PlanSeen:
    """A sealed plan lies in its case. ``ct_sha256``: of the CT that it was made on; empty where it was made on labels alone."""

    case_path: str
    plan_hash: str
    level: str
    sides: tuple[str, ...]
    ct_sha256: str = ""


@attrs.frozen
class CtSeen:
    """A CT was read and found sound."""

    ct_sha256: str


@attrs.frozen
class Approved:
    """An operator signed this plan. ``signature``: SHA-256 over "<plan_hash> <operator>"."""

    plan_hash: str
    operator: str
    signature: str


@attrs.frozen
class RegistrationSeen:
    """A registration, or a check of one, was accepted or refused. ``measured_s``: its newest measurement."""

    plan_hash: str
    accepted: bool
    measured_s: float
    reason: str = ""


@attrs.frozen
class VerificationSeen:
    """The guide was measured against the plan."""

    plan_hash: str
    side: str
    verified: bool
    measured_s: float


@attrs.frozen
class InsertionConfirmed:
    """The operator has brought the pin in, as seen under the stop numbered ``epoch``."""

    plan_hash: str
    side: str
    operator: str
    epoch: int


@attrs.frozen
class DeliverySeen:
    """What the injector says of one side. ``still``: it injects nothing, whether all is delivered or the operator gives up."""

    plan_hash: str
    side: str
    still: bool


@attrs.frozen
class DevicesSeen:
    """Which sources are silent, of all that this bring-up has; empty when all are heard."""

    silent: tuple[str, ...]


@attrs.frozen
class Advance:
    """The operator (or the automatic procedure in simulation) goes on to ``to``."""

    to: Phase
    operator: str
    epoch: int


@attrs.frozen
class Stop:
    """Somebody or something asks for a stop."""

    source: str
    reason: str


@attrs.frozen
class Fault:
    """A device or a watchdog says that it cannot be relied on."""

    source: str
    reason: str


@attrs.frozen
class Acknowledge:
    """The operator has seen the stop numbered ``epoch``."""

    operator: str
    epoch: int


@attrs.frozen
class Rearm:
    """The operator wants to go on with the same plan."""

    operator: str
    epoch: int
    plan_hash: str


Event = (
    PlanSeen
    | CtSeen
    | Approved
    | RegistrationSeen
    | VerificationSeen
    | InsertionConfirmed
    | DeliverySeen
    | DevicesSeen
    | Advance
    | Stop
    | Fault
    | Acknowledge
    | Rearm
)
