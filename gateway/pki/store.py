"""The folder of a post's authority: a folder for everybody who is known, to be taken to his machine.

authority.json           what was issued to whom, until when, and what of it is revoked
ca.key, ca.crt           the authority: its key never leaves this folder
broker/                  for Mosquitto, whole: mosquitto.conf, acl, ca.crt, crl.pem, broker.crt, broker.key
NAME/                    ca.crt, NAME.crt, NAME.key; a gateway's with roles.toml, signing.key and signing.pub
signed-by/GATEWAY.pub    with which everybody can check what that gateway signs
"""

import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from gateway.common.atomic_file import flush_folder, make_folder, write_whole
from gateway.pki.acl import access_list, role_file
from gateway.pki.ca import PostAuthority, Revoked
from gateway.pki.inventory import AUTHORITY, AUTHORITY_KEY, BROKER, INDEX, SIGNED_BY, Hall
from gateway.pki.keys import KEY_FILE, PUBLIC_FILE, make_signing_key
from gateway.pki.mosquitto import FOLDER, listener

SECRETS = frozenset({".key"})


class NoFolderError(Exception):
    """There is no authority in that folder, or what says what it issued cannot be read."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One certificate that was issued."""

    name: str
    kind: str
    serial: int
    fingerprint: str
    """SHA-256 of its DER, in hexadecimal."""
    ends: datetime
    revoked: datetime | None = None
    why: str | None = None

    @classmethod
    def of(cls, name: str, kind: str, certificate: x509.Certificate) -> Self:
        """What is noted of a certificate."""
        digest = certificate.fingerprint(SHA256()).hex()
        return cls(name, kind, certificate.serial_number, digest, certificate.not_valid_after_utc)

    @classmethod
    def read(cls, noted: Mapping[str, Any]) -> Self:
        """Read what `noted` wrote; raises KeyError, TypeError, ValueError."""
        revoked = noted["revoked"] and datetime.fromisoformat(noted["revoked"])
        ends = datetime.fromisoformat(noted["ends"])
        serial = int(noted["serial"], 16)
        return cls(noted["name"], noted["kind"], serial, noted["fingerprint"], ends, revoked, noted["why"])

    def noted(self) -> dict[str, str | None]:
        """As JSON."""
        return {
            "name": self.name,
            "kind": self.kind,
            "serial": f"{self.serial:x}",
            "fingerprint": self.fingerprint,
            "ends": self.ends.isoformat(),
            "revoked": self.revoked.isoformat() if self.revoked else None,
            "why": self.why,
        }


class TrustFolder:
    """What is in it, and how it is changed: each file whole, the index before what it speaks of."""

    def __init__(self, path: Path, entries: Iterable[Entry] = ()) -> None:
        self.path = path
        self.entries = list(entries)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read its index; raises NoFolderError, PermissionError."""
        try:
            index = json.loads((path / INDEX).read_bytes())
            return cls(path, [Entry.read(noted) for noted in index["certificates"]])
        except FileNotFoundError:
            raise NoFolderError(f"there is no authority in {path}") from None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise NoFolderError(f"{path / INDEX} was changed: it is no list of certificates") from None

    def latest(self) -> dict[str, Entry]:
        """The certificate that everybody has now."""
        return {entry.name: entry for entry in self.entries}

    def gone(self) -> list[str]:
        """Who has had a certificate, and whose last one is revoked."""
        return [entry.name for entry in self.latest().values() if entry.revoked is not None]

    def authority(self, passphrase: bytes | None) -> PostAuthority:
        """The authority itself; raises OSError, NoPassphraseError, UnusableKeyError."""
        certificate, key = (self.path / AUTHORITY).read_bytes(), (self.path / AUTHORITY_KEY).read_bytes()
        return PostAuthority.load(certificate, key, passphrase)

    def issue(self, authority: PostAuthority, hall: Hall, names: Iterable[str], days: int) -> None:
        """Give each of them a new certificate and key."""
        for name in names:
            addresses = hall.broker.names if name == BROKER else ()
            issued = authority.issue(name, days, addresses)
            kind = BROKER if name == BROKER else hall.parties[name].kind
            self.entries.append(Entry.of(name, kind, issued.certificate))
            self._write_index()
            self.write(f"{name}/{name}.key", issued.key)
            self.write(f"{name}/{name}.crt", issued.pem)

    def revoke(self, names: Iterable[str], why: str, now: datetime) -> list[Entry]:
        """Note all that they have as revoked; returns what was not so before."""
        wanted, revoked = set(names), []
        for at, entry in enumerate(self.entries):
            if entry.name in wanted and entry.revoked is None:
                self.entries[at] = replace(entry, revoked=now, why=why)
                revoked.append(self.entries[at])
        self._write_index()
        return revoked

    def spread(self, authority: PostAuthority, hall: Hall) -> None:
        """Write everything that follows from the description and the certificates anew."""
        for name in (BROKER, *hall.parties):
            self.write(f"{name}/{AUTHORITY}", authority.pem)
        for party in hall.parties.values():
            if party.kind == "gateway":
                home = self.path / party.name
                make_folder(home, 0o700)
                if not (home / KEY_FILE).exists():
                    make_signing_key(home)
                self.write(f"{SIGNED_BY}/{party.name}.pub", (home / PUBLIC_FILE).read_bytes())
        revoked = [Revoked(one.serial, one.revoked, one.why or "lost") for one in self.entries if one.revoked]
        self.write(f"{BROKER}/crl.pem", authority.revocation_list(revoked))
        for file, text in texts(hall, self.gone()):
            self.write(file, text.encode())

    def hand_over(self, to: Path) -> None:
        """Put the broker's files where Mosquitto finds them, for its group; raises LookupError, OSError."""
        group = "mosquitto" if os.geteuid() == 0 else None  # whoever else does this is the one who runs it
        make_folder(to, 0o750)
        for file in sorted((self.path / BROKER).iterdir()):
            text = file.read_bytes()
            if file.name == "mosquitto.conf":
                text = text.replace(FOLDER.encode(), str(to).encode())
            write_whole(to / file.name, text, 0o640, group=group)
        if group is not None:
            shutil.chown(to, group=group)

    def write(self, name: str, content: bytes) -> None:
        """Replace one file; keys for their owner alone."""
        file = self.path / name
        make_folder(file.parent, 0o700)
        write_whole(file, content, 0o600 if file.suffix in SECRETS else 0o640)

    def _write_index(self) -> None:
        index = {"version": 1, "certificates": [entry.noted() for entry in self.entries]}
        self.write(INDEX, (json.dumps(index, indent=1) + "\n").encode())


def texts(hall: Hall, gone: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The files that follow from the description alone."""
    yield f"{BROKER}/acl", access_list(hall, gone)
    yield f"{BROKER}/mosquitto.conf", listener(hall.broker.port)
    for party in hall.parties.values():
        if party.kind == "gateway":
            yield f"{party.name}/roles.toml", role_file(hall, party.site, gone)


def init(path: Path, hall: Hall, *, days: int, passphrase: bytes | None) -> TrustFolder:
    """Make an authority with all that the description asks for: all of it, or nothing.

    Raises FileExistsError where there is something already, OSError.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise FileExistsError(f"{path} is there already")
    make_folder(path.parent, 0o777)
    made = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-"))
    try:
        folder = TrustFolder(made)
        authority = PostAuthority.make(f"Border post authority {' '.join(hall.sites)}"[:64])
        folder.write(AUTHORITY_KEY, authority.secret(passphrase))
        folder.write(AUTHORITY, authority.pem)
        folder.issue(authority, hall, (BROKER, *hall.parties), days)
        folder.spread(authority, hall)
        made.rename(path)
        flush_folder(path.parent)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    return TrustFolder(path, folder.entries)


def due(folder: TrustFolder, hall: Hall, broken: Iterable[str], before: datetime) -> list[str]:
    """Who needs a new certificate: those who have none, a broken one, or one that ends before then."""
    latest, wrong = folder.latest(), set(broken)
    return [
        name
        for name in (BROKER, *hall.parties)
        if name not in latest
        or (latest[name].revoked is None and (name in wrong or latest[name].ends < before))
    ]


def left(folder: TrustFolder, hall: Hall) -> list[str]:
    """Whose certificate is in force although the description does not know them any more."""
    return [
        name
        for name, entry in folder.latest().items()
        if name not in (BROKER, *hall.parties) and entry.revoked is None
    ]


def readable_by_others(file: Path) -> bool:
    """Whether more than its owner and group can read a file; raises OSError."""
    return bool(file.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH | stat.S_IWGRP))


SOON = timedelta(days=60)
"""What ends within so long is renewed: the doctor speaks of it from then on."""
