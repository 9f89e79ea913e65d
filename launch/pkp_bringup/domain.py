"""A ROS domain of one's own, so that two procedures or tests on one machine never hear each other."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from planning_core.errors import PkpError

DOMAINS = range(1, 102)
"""Those that are safe on every system (ROS documentation, "The ROS_DOMAIN_ID")."""
PROFILES = "FASTRTPS_DEFAULT_PROFILES_FILE"


class NoFreeDomainError(PkpError):
    """All domains are taken."""

    code = "no_free_domain"


@contextmanager
def own_domain(seed: int | None = None) -> Iterator[int]:
    """Claim a free domain; the claim ends with the process, however it ends.

    Args:
        seed: where to begin looking; the process id without one.

    Raises:
        NoFreeDomainError: every one is claimed.
    """
    start = os.getpid() if seed is None else seed
    folder = Path(tempfile.gettempdir())
    for offset in range(len(DOMAINS)):
        number = DOMAINS[(start + offset) % len(DOMAINS)]
        with (folder / f"openpkp-{os.getuid()}-domain-{number}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue
            yield number
            return
    raise NoFreeDomainError(f"all ROS domains from {DOMAINS[0]} to {DOMAINS[-1]} are in use on this machine")


def loopback(domain: int) -> dict[str, str]:
    """Environment variables that keep ROS on this machine and in this domain; a user's own Fast DDS profiles stay."""
    profiles = os.environ.get(PROFILES, str(Path(__file__).with_name("fastdds.xml")))
    return {"ROS_DOMAIN_ID": str(domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", PROFILES: profiles}
