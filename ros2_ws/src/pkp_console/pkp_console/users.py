"""Who may use the console: names, roles and hashed PINs in one file."""

from __future__ import annotations

import json
import os
import secrets
import threading
from enum import Enum
from pathlib import Path

import attrs
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from pkp_console.refusals import BadPinError, WrongPinError
from planning_core.errors import InputError

LEAST_DIGITS = 6
MOST_DIGITS = 64
MOST_NAME = 64
ONE_TIME_DIGITS = 8
PLACE = ".console/users.json"


class Role(Enum):
    """What somebody may do; each covers the ones before."""

    VIEWER = "viewer"
    PLANNER = "planner"
    OPERATOR = "operator"

    def covers(self, other: Role) -> bool:
        """Whether this role may do what the other may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


class UsersFileError(InputError):
    """A users file that cannot be read. Nobody is let in by a damaged file."""

    code = "users_file"


class BadNameError(InputError):
    """A name that is empty, too long, or cannot be typed as it is shown. Carries ``most_characters``."""

    code = "bad_name"


class UserExistsError(InputError):
    """A new user of a name that somebody has. Carries ``role``, which that one has."""

    code = "user_exists"


@attrs.frozen
class User:
    """One user. ``one_time``: the PIN was made by the machine and must be changed before anything else."""

    name: str
    role: Role
    pin_hash: str = attrs.field(repr=False)
    one_time: bool


class Users:
    """The users file.

    Args:
        place: of the file. hasher: Argon2id; its defaults are RFC 9106's low-memory recommendation.
    """

    def __init__(self, place: Path, hasher: PasswordHasher | None = None) -> None:
        self._place, self._hasher, self._lock = place, hasher or PasswordHasher(), threading.Lock()
        self._nobody = self._hasher.hash(secrets.token_hex(8))

    @property
    def exists(self) -> bool:
        """Whether users were made."""
        return self._place.is_file()

    def make_first(self) -> dict[str, str]:
        """One user of each role, with one-time PINs; returns name → PIN, which are nowhere else."""
        return {role.value: self.set_one_time(role.value, role) for role in Role}

    def set_one_time(self, name: str, role: Role | None = None) -> str:
        """A new one-time PIN for a user, or, when a role is given, for a new one; returns it.

        Raises:
            BadNameError: a name that nobody could sign in with. UserExistsError: a role for somebody who has one already.
            UsersFileError: there is no such user, or the file cannot be read.
        """
        if not 1 <= len(name) <= MOST_NAME or name != name.strip() or not name.isprintable():
            raise BadNameError(
                f"a name has 1 to {MOST_NAME} printable characters and no blank at its ends, got {name[: MOST_NAME + 1]!r}",
                most_characters=MOST_NAME,
            )
        with self._lock:
            users = self._read()
            held = users.get(name)
            if held is not None and role is not None:
                raise UserExistsError(
                    f"{name!r} is here already, as {held.role.value}: nobody's role is changed; leave the role out for a new PIN",
                    role=held.role.value,
                )
            given = role if held is None else held.role
            if given is None:
                raise UsersFileError(f"there is no user {name!r}")
            pin = "".join(secrets.choice("0123456789") for _ in range(ONE_TIME_DIGITS))
            users[name] = User(name, given, self._hasher.hash(pin), True)
            self._write(users)
            return pin

    def check(self, name: str, pin: str) -> User:
        """The user with this name and PIN; takes the same time whether the name or the PIN is wrong.

        Raises:
            WrongPinError: they do not belong together.
        """
        user = self._read().get(name)
        try:
            self._hasher.verify(user.pin_hash if user is not None else self._nobody, pin)
        except (VerificationError, InvalidHashError):
            user = None
        if user is None:
            raise WrongPinError("name or PIN is wrong")
        return user

    def change_pin(self, name: str, old: str, new: str) -> User:
        """Choose a PIN of one's own.

        Raises:
            WrongPinError: the old one is wrong. BadPinError: the new one is too short, the same, or one digit repeated.
        """
        user = self.check(name, old)
        if not LEAST_DIGITS <= len(new) <= MOST_DIGITS or new == old or len(set(new)) < 3:
            raise BadPinError(
                f"a PIN needs at least {LEAST_DIGITS} characters, three of them different, and may not be the old one",
                least_digits=LEAST_DIGITS,
            )
        with self._lock:
            users = self._read()
            changed = users[name] = attrs.evolve(user, pin_hash=self._hasher.hash(new), one_time=False)
            self._write(users)
        return changed

    def _read(self) -> dict[str, User]:
        if not self._place.is_file():
            return {}
        try:
            held = json.loads(self._place.read_text(encoding="utf-8"))
            return {n: User(n, Role(u["role"]), str(u["pin_hash"]), bool(u["one_time"])) for n, u in held.items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UsersFileError("the users file is damaged: remove it to make new users") from error

    def _write(self, users: dict[str, User]) -> None:
        self._place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        text = json.dumps(
            {u.name: {"role": u.role.value, "pin_hash": u.pin_hash, "one_time": u.one_time} for u in users.values()}
        )
        unfinished = self._place.with_suffix(".part")
        handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(self._place)
