"""Keys of stations in a role file: their text, and changes of a file that a person maintains.

A change touches only its own lines, so comments and order stay. The new file is validated as a whole, and
replaces the old one at once.
"""

import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from gateway.common.atomic_file import write_whole
from gateway.common.public_keys import PublicKey, format_public_key, key_id
from gateway.config import ConfigError
from gateway.config.role_file import load_roles
from gateway.config.roles import RevocationReason


class KeyChangeError(Exception):
    """The change is not possible; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class StationKeyRecord:
    """Record of one station's public key."""

    kid: str
    station: str
    public_key: str
    revoked: RevocationReason | None = None

    @classmethod
    def of(cls, station: str, key: PublicKey) -> Self:
        """Make the record of a new key."""
        return cls(key_id(key), station, format_public_key(key))

    @classmethod
    def from_json(cls, json: Mapping[str, Any]) -> Self:
        """Read the result of `to_json`; raises KeyError, TypeError."""
        return cls(json["kid"], json["station"], json["public_key"], json["revoked"])

    def to_json(self) -> dict[str, str | None]:
        """Convert to JSON."""
        return {
            "kid": self.kid,
            "station": self.station,
            "public_key": self.public_key,
            "revoked": self.revoked,
        }

    def table(self) -> str:
        """Return its table in a role file."""
        lines = [f"[key.{self.kid}]", f'station = "{self.station}"', f'public_key = "{self.public_key}"']
        return "\n".join([*lines, *([f'revoked = "{self.revoked}"'] if self.revoked else [])])


def enrol(file: Path, record: StationKeyRecord) -> None:
    """Add a key to a role file; raises KeyChangeError, ConfigError, OSError."""
    roles = load_roles(file)
    if record.station not in roles.station:
        raise KeyChangeError(
            f'{file} has no station "{record.station}"\n'
            f'    add [station."{record.station}"] with its roles and positions first'
        )
    if (known := roles.key.get(record.kid)) is not None:
        raise KeyChangeError(enrolled_before(known.station, is_revoked=known.revoked is not None))
    text = file.read_text("utf-8")
    _replace(file, f"{text.rstrip()}\n\n{record.table()}\n")


def revoke(file: Path, kid: str, reason: RevocationReason) -> str:
    """Mark a key of a role file as revoked; returns its station. Raises as `enrol`."""
    known = load_roles(file).key.get(kid)
    if known is None:
        raise KeyChangeError(f"{file} has no key {kid}")
    if known.revoked is not None:
        return known.station
    text, count = re.subn(
        rf"""^([ \t]*\[[ \t]*key[ \t]*\.[ \t]*["']?{re.escape(kid)}["']?[ \t]*\][^\n]*\n)""",
        rf'\1revoked = "{reason}"\n',
        file.read_text("utf-8"),
        flags=re.MULTILINE,
    )
    if count != 1:
        raise KeyChangeError(
            f'the key {kid} is not a table of its own in {file}\n    add revoked = "{reason}" by hand'
        )
    _replace(file, text)
    return known.station


def enrolled_before(station: str, *, is_revoked: bool) -> str:
    """Return the text for a key that is enrolled a second time."""
    if is_revoked:
        return (
            f"this key of {station} was revoked\n    make a new one at the station: borderpost trust key FILE"
        )
    return f"this key is enrolled already, for {station}\n    each station needs a key of its own"


def _replace(file: Path, text: str) -> None:
    """Validate a new role file and put it in the place of the old one, with its mode, owner and group."""
    status = file.stat()
    trial = file.with_name(f".{file.name}.new")
    mode = stat.S_IMODE(status.st_mode)
    try:
        write_whole(trial, text.encode(), 0o600)
        load_roles(trial)
    except ConfigError as error:
        raise KeyChangeError(f"{file} cannot be changed: {error}") from None
    finally:
        trial.unlink(missing_ok=True)
    write_whole(file, text.encode(), mode, owner=(status.st_uid, status.st_gid))
