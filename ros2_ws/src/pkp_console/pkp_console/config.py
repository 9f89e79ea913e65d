"""What of the console can be set."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from planning_core.errors import InputError

GIB = 2**30
MOST_PORT = 65535


class BadPortError(InputError):
    """A number that is no port. Carries ``port`` and ``most``."""

    code = "bad_port"


class ConsoleConfig(BaseModel):
    """Where the console listens, what it keeps, and its limits; all of them assumed where no reason is given."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    host: str = Field("127.0.0.1", description="loopback: the console is not made for a network")
    port: int = Field(8765, ge=0, le=MOST_PORT)
    cases: Path = Field(Path("cases"), description="the only folder that the browser ever reaches, by case id")
    runs: Path = Field(Path("runs"), description="run folders of ./pkp up, whose records and reports are shown")
    session_idle_s: float = Field(3600.0, gt=0, description="a session that asks for nothing this long has ended")
    session_most_s: float = Field(12 * 3600.0, gt=0)
    tries: int = Field(5, ge=1, description="wrong PINs for one name within `tries_s`; five times as many for all names together")
    tries_s: float = Field(60.0, gt=0)
    seat_silent_s: float = Field(15.0, gt=0, description="an operator not heard of this long can be relieved without being asked")
    json_bytes: int = Field(64 * 1024, gt=0)
    upload_bytes: int = Field(2 * GIB, gt=0, description="of one import, as sent")
    unpacked_bytes: int = Field(4 * GIB, gt=0, description="of one import, unpacked")
    upload_files: int = Field(20_000, gt=0)
    imports_open: int = Field(4, ge=1, description="imports begun and not ended, all users together")
    import_idle_s: float = Field(600.0, gt=0, description="an import that nobody does anything about this long is dropped")
    plan_timeout_s: float = Field(600.0, gt=0)
    judges: int = Field(2, ge=1, description="cases whose paths can be moved at the same time; each costs about 1 GB")
    snapshot_hz: float = Field(60.0, gt=0, le=60)
    service_timeout_s: float = Field(2.0, gt=0, description="how long an answer of the supervisor is waited for")
