"""Who may log in over the network: a TOML file of names, roles and argon2id hashes (RFC 9106)."""

import json
import os
import re
import secrets
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
"""Characters of a password at least."""
_HASHER = PasswordHasher()  # RFC 9106, second recommended option: 64 MiB, three passes
_HEAD = "# Who may log in to the console. Written by `borderpost console passwd`.\n"


class UsersFileError(Exception):
    """The file cannot be used; a sentence."""


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may log in."""

    name: str
    role: UserRole
    password: str
    """The hash."""


class UserStore:
    """The users file, read again whenever it has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file_stamp: tuple[int, int] | None = None
        self._users: dict[str, User] = {}

    def find(self, name: str) -> User | None:
        """The person of that name, as the file is now; raises UsersFileError."""
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_ino)
            if stamp != self._file_stamp:
                self._users, self._file_stamp = read(self._path), stamp
        except OSError as error:
            raise UsersFileError(f"{self._path} cannot be read: {error.strerror}") from error
        return self._users.get(name)

    def verify(self, name: str, password: str) -> User | None:
        """The person, if that is the password; takes 0.1 s and 64 MiB; raises UsersFileError."""
        person = self.find(name)
        nobody = _dummy_hash()
        try:
            _HASHER.verify(person.password if person else nobody, password)
        except (Argon2Error, InvalidHashError):
            return None
        return person


@cache
def _dummy_hash() -> str:
    """What is tried for names that do not exist: an answer takes as long whether there is such a person."""
    return _HASHER.hash(secrets.token_hex(16))


def read(path: Path) -> dict[str, User]:
    """Everybody in a users file, by name; raises OSError, UsersFileError."""
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:  # what TOML, UTF-8, int() and the stack have against it
        raise UsersFileError(f"{path} is not TOML: {error}") from error
    users = table.get("user", {})
    if table.keys() - {"user"} or not isinstance(users, Mapping):
        raise UsersFileError(f'{path}: write [user.NAME] with role = "viewer" and password = "$argon2id$..."')
    return {name: _parse_user(path, name, user) for name, user in users.items()}


def _parse_user(path: Path, name: str, user: Any) -> User:
    match user:
        case {"role": str(role), "password": str(password), **rest} if not rest:
            if not re.fullmatch(NAME, name):
                raise UsersFileError(f"{path}: {name!r} is no name: write {NAME}")
            if role.upper() not in UserRole.__members__:
                raise UsersFileError(f"{path}: {name}: role is viewer, technician or supervisor")
            if not password.startswith("$argon2id$"):
                raise UsersFileError(f"{path}: {name}: password is no argon2id hash")
            return User(name, UserRole[role.upper()], password)
    raise UsersFileError(f"{path}: {name}: role and password, both texts, and nothing else")


def set_password(path: Path, name: str, password: str, role: UserRole) -> None:
    """Let somebody in with that password from now on; raises OSError, UsersFileError."""
    known = read(path) if path.exists() else {}
    known[name] = User(name, role, _HASHER.hash(password))
    _write(path, known)


def remove(path: Path, name: str) -> bool:
    """Let somebody in no longer; whether there was one; raises OSError, UsersFileError."""
    known = read(path)
    gone = known.pop(name, None)
    _write(path, known)
    return gone is not None


def _write(path: Path, users: Mapping[str, User]) -> None:
    """Write the file anew in one step, readable as it was before: its group may be the daemon's."""
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
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
