"""Users who may log in over the network: a TOML file of names, roles and argon2id hashes (RFC 9106)."""

import json
import os
import re
import secrets
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from gateway.api.operations import UserRole

NAME = r"[a-z][a-z0-9._-]{0,31}"
MIN_PASSWORD_LENGTH = 10
"""Minimum number of characters of a password."""
_HASHER = PasswordHasher()  # RFC 9106, second recommended option: 64 MiB, three passes.
_HEAD = "# Users who may log in to the console. Written by `borderpost console passwd`.\n"


class UsersFileError(Exception):
    """The users file cannot be used; the message has the reason."""


@dataclass(frozen=True, slots=True)
class User:
    """User who may log in."""

    name: str
    role: UserRole
    password: str
    """Hash of the password."""


class UserStore:
    """The users file, read again after each change."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file_stamp: tuple[int, int] | None = None
        self._users: dict[str, User] = {}

    def find(self, name: str) -> User | None:
        """Return the user of that name; raises UsersFileError."""
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_ino)
            if stamp != self._file_stamp:
                self._users, self._file_stamp = read(self._path), stamp
        except OSError as error:
            raise UsersFileError(f"{self._path} cannot be read: {error.strerror}") from error
        return self._users.get(name)

    def verify(self, name: str, password: str) -> User | None:
        """Return the user if the password is right; takes 0.1 s and 64 MiB; raises UsersFileError."""
        person = self.find(name)
        dummy = _dummy_hash()
        try:
            _HASHER.verify(person.password if person else dummy, password)
        except (Argon2Error, InvalidHashError):
            return None
        return person


@cache
def _dummy_hash() -> str:
    """Return a hash for unknown names, so that a response takes as long whether the name exists or not."""
    return _HASHER.hash(secrets.token_hex(16))


def read(path: Path) -> dict[str, User]:
    """Read all users of a file, by name; raises OSError, UsersFileError."""
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:  # Errors of TOML, UTF-8, int() and deep nesting.
        raise UsersFileError(f"{path} is not TOML: {error}") from error
    users = table.get("user", {})
    if table.keys() - {"user"} or not isinstance(users, Mapping):
        raise UsersFileError(f'{path}: write [user.NAME] with role = "viewer" and password = "$argon2id$..."')
    return {name: _parse_user(path, name, user) for name, user in users.items()}


def _parse_user(path: Path, name: str, user: Any) -> User:
    match user:
        case {"role": str(role), "password": str(password), **rest} if not rest:
            if not re.fullmatch(NAME, name):
                raise UsersFileError(f"{path}: {name!r} is not a valid name: write {NAME}")
            if role.upper() not in UserRole.__members__:
                raise UsersFileError(f"{path}: {name}: role must be viewer, technician or supervisor")
            if not password.startswith("$argon2id$"):
                raise UsersFileError(
                    f"{path}: {name}: password is not an argon2id hash: set it with borderpost "
                    f"console passwd {name}"
                )
            return User(name, UserRole[role.upper()], password)
    raise UsersFileError(f"{path}: {name}: must have role and password, both texts, and no other key")


def set_password(path: Path, name: str, password: str, role: UserRole) -> None:
    """Set a user's password and role; raises OSError, UsersFileError."""
    known = read(path) if path.exists() else {}
    known[name] = User(name, role, _HASHER.hash(password))
    _write(path, known)


def remove(path: Path, name: str) -> bool:
    """Remove a user; returns False if there was none; raises OSError, UsersFileError."""
    known = read(path)
    removed = known.pop(name, None)
    _write(path, known)
    return removed is not None


def _write(path: Path, users: Mapping[str, User]) -> None:
    """Replace the file atomically. Root writes it for the gateway: with the group of its folder."""
    text = _HEAD + "".join(
        f'\n[user."{one.name}"]\nrole = {json.dumps(one.role.name.lower())}\n'
        f"password = {json.dumps(one.password)}\n"
        for one in users.values()
    )
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        if path.exists():
            before = path.stat()
            os.fchown(file.fileno(), before.st_uid, before.st_gid)
            os.fchmod(file.fileno(), before.st_mode & 0o7777)
        status, group = os.fstat(file.fileno()), path.parent.stat().st_gid
        if status.st_uid == 0 and group and not (status.st_gid and status.st_mode & stat.S_IRGRP):
            # The service could not read a file of root's alone.
            os.fchown(file.fileno(), 0, group)
            os.fchmod(file.fileno(), 0o640)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
