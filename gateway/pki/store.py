"""Directory of a post's authority, with a directory for each principal, to be copied to its machine.

authority.json           issued certificates: owner, end, and revocation; public keys of stations;
                         hashes of the passwords of browsers
ca.key, ca.crt           the authority: its key never leaves this directory
broker/                  for Mosquitto: mosquitto.conf, acl, passwords, ca.crt, crl.pem, broker.crt and .key
NAME/                    ca.crt, NAME.crt, NAME.key, a browser's with NAME.p12; a gateway's with roles.toml,
                         signing.key and signing.pub
signed-by/GATEWAY.pub    public key to verify what that gateway signs
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
from gateway.config.roles import RevocationReason
from gateway.pki.acl import mosquitto_acl, role_file
from gateway.pki.browsers import password_file, pkcs12_file
from gateway.pki.ca import CertificateAuthority, RevokedCertificate
from gateway.pki.inventory import AUTHORITY, AUTHORITY_KEY, BROKER, INDEX, SIGNED_BY, Deployment
from gateway.pki.keys import KEY_FILE, PUBLIC_FILE, make_signing_key
from gateway.pki.mosquitto import FOLDER, listener_conf
from gateway.pki.role_keys import KeyChangeError, StationKeyRecord, enrolled_before

PRIVATE_SUFFIXES = frozenset({".key", ".p12"})


class StoreNotFoundError(Exception):
    """There is no authority in that directory, or its list of certificates cannot be read."""


@dataclass(frozen=True, slots=True)
class CertificateRecord:
    """Record of one issued certificate."""

    name: str
    kind: str
    serial: int
    fingerprint: str
    """SHA-256 of its DER, in hexadecimal."""
    not_after: datetime
    revoked: datetime | None = None
    reason: str | None = None

    @classmethod
    def from_certificate(cls, name: str, kind: str, certificate: x509.Certificate) -> Self:
        """Make the record of a certificate."""
        digest = certificate.fingerprint(SHA256()).hex()
        return cls(name, kind, certificate.serial_number, digest, certificate.not_valid_after_utc)

    @classmethod
    def from_json(cls, json: Mapping[str, Any]) -> Self:
        """Read the result of `to_json`; raises KeyError, TypeError, ValueError."""
        revoked = json["revoked"] and datetime.fromisoformat(json["revoked"])
        ends = datetime.fromisoformat(json["ends"])
        serial = int(json["serial"], 16)
        return cls(json["name"], json["kind"], serial, json["fingerprint"], ends, revoked, json["why"])

    def to_json(self) -> dict[str, str | None]:
        """Convert to JSON."""
        return {
            "name": self.name,
            "kind": self.kind,
            "serial": f"{self.serial:x}",
            "fingerprint": self.fingerprint,
            "ends": self.not_after.isoformat(),
            "revoked": self.revoked.isoformat() if self.revoked else None,
            "why": self.reason,
        }


@dataclass(frozen=True, slots=True)
class BrowserLogin:
    """Secrets of one browser: password of its PKCS #12 file, and hash of the one at the broker."""

    file_password: str
    password_hash: str
    legacy: bool = False
    """True for systems that read a PKCS #12 file only with 3DES."""


class CertificateStore:
    """Content of the directory, and its changes.

    Each file is replaced as a whole, the list of certificates first.
    """

    def __init__(
        self,
        path: Path,
        entries: Iterable[CertificateRecord] = (),
        station_keys: Iterable[StationKeyRecord] = (),
        passwords: Mapping[str, str] | None = None,
    ) -> None:
        self.path = path
        self.certificates = list(entries)
        self.station_keys = list(station_keys)
        self.passwords = dict(passwords or {})
        """Hashes of the passwords of browsers, by principal."""

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a directory; raises StoreNotFoundError, PermissionError."""
        try:
            index = json.loads((path / INDEX).read_bytes())
            return cls(
                path,
                [CertificateRecord.from_json(noted) for noted in index["certificates"]],
                [StationKeyRecord.from_json(noted) for noted in index.get("station_keys", ())],
                {str(name): str(word) for name, word in index.get("passwords", {}).items()},
            )
        except FileNotFoundError:
            raise StoreNotFoundError(f"there is no authority in {path}") from None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise StoreNotFoundError(f"{path / INDEX} was changed: it is no list of certificates") from None

    def current_certificates(self) -> dict[str, CertificateRecord]:
        """Return the newest certificate of each principal."""
        return {entry.name: entry for entry in self.certificates}

    def revoked_names(self) -> list[str]:
        """List the principals whose newest certificate is revoked."""
        return [entry.name for entry in self.current_certificates().values() if entry.revoked is not None]

    def load_ca(self, passphrase: bytes | None) -> CertificateAuthority:
        """Load the authority; raises OSError, NoPassphraseError, UnusableKeyError."""
        certificate, key = (self.path / AUTHORITY).read_bytes(), (self.path / AUTHORITY_KEY).read_bytes()
        return CertificateAuthority.load(certificate, key, passphrase)

    @property
    def is_key_encrypted(self) -> bool:
        """True if the authority's key is stored encrypted; raises OSError."""
        return b"ENCRYPTED" in (self.path / AUTHORITY_KEY).read_bytes().partition(b"\n")[0]

    def issue(
        self, authority: CertificateAuthority, deployment: Deployment, names: Iterable[str], days: int
    ) -> None:
        """Issue a new certificate and key to each name."""
        for name in names:
            addresses = deployment.broker.names if name == BROKER else ()
            issued = authority.issue(name, days, addresses)
            kind = BROKER if name == BROKER else deployment.principals[name].kind
            self.certificates.append(CertificateRecord.from_certificate(name, kind, issued.certificate))
            self._write_index()
            self.write(f"{name}/{name}.key", issued.key)
            self.write(f"{name}/{name}.crt", issued.pem)

    def revoke(
        self, names: Iterable[str], reason: RevocationReason, now: datetime
    ) -> list[CertificateRecord]:
        """Mark all certificates and keys of some names as revoked; returns the newly revoked certificates."""
        wanted, revoked = set(names), []
        self.station_keys = [
            replace(key, revoked=reason) if key.station in wanted and key.revoked is None else key
            for key in self.station_keys
        ]
        for at, entry in enumerate(self.certificates):
            if entry.name in wanted and entry.revoked is None:
                self.certificates[at] = replace(entry, revoked=now, reason=reason)
                revoked.append(self.certificates[at])
        self.passwords = {name: word for name, word in self.passwords.items() if name not in wanted}
        self._write_index()
        return revoked

    def write_browser_login(self, name: str, login: BrowserLogin) -> list[str]:
        """Write a principal's PKCS #12 file and the broker's passwords; returns their names in the directory.

        Raises OSError, UnusableKeyError.
        """
        certificate, key, issuer = (
            (self.path / name / file).read_bytes() for file in (f"{name}.crt", f"{name}.key", AUTHORITY)
        )
        content = pkcs12_file(name, certificate, key, issuer, login.file_password, legacy=login.legacy)
        self.write(f"{name}/{name}.p12", content)
        self.passwords[name] = login.password_hash
        self._write_index()
        self.write(f"{BROKER}/passwords", password_file(self.passwords).encode())
        return [f"{name}/{name}.p12", f"{BROKER}/passwords"]

    def enrol_station_key(self, record: StationKeyRecord) -> None:
        """Add a station's public key; raises KeyChangeError for one that is known."""
        for known in self.station_keys:
            if known.kid == record.kid:
                raise KeyChangeError(enrolled_before(known.station, is_revoked=known.revoked is not None))
        self.station_keys.append(record)
        self._write_index()

    def revoke_station_key(self, kid: str, reason: RevocationReason) -> str:
        """Mark a station's key as revoked; returns the station. Raises KeyChangeError."""
        for at, known in enumerate(self.station_keys):
            if known.kid == kid:
                if known.revoked is None:
                    self.station_keys[at] = replace(known, revoked=reason)
                    self._write_index()
                return known.station
        raise KeyChangeError(f"{self.path} has no key {kid}\n    borderpost trust show lists the keys")

    def write_role_files(self, deployment: Deployment) -> list[str]:
        """Write the role file of every gateway; returns their names in the directory."""
        files = [
            (file, text) for file, text in derived_files(deployment, self) if file.endswith("/roles.toml")
        ]
        for file, text in files:
            self.write(file, text.encode())
        return [file for file, _ in files]

    def write_derived_files(self, authority: CertificateAuthority, deployment: Deployment) -> None:
        """Write all files that follow from the description and the certificates."""
        for name in (BROKER, *deployment.principals):
            self.write(f"{name}/{AUTHORITY}", authority.pem)
        for principal in deployment.principals.values():
            if principal.kind == "gateway":
                home = self.path / principal.name
                make_folder(home, 0o700)
                if not (home / KEY_FILE).exists():
                    make_signing_key(home)
                self.write(f"{SIGNED_BY}/{principal.name}.pub", (home / PUBLIC_FILE).read_bytes())
        revoked = [
            RevokedCertificate(one.serial, one.revoked, one.reason or "lost")
            for one in self.certificates
            if one.revoked
        ]
        self.write(f"{BROKER}/crl.pem", authority.revocation_list(revoked))
        for file, text in derived_files(deployment, self):
            self.write(file, text.encode())

    def install_for_broker(self, directory: Path) -> None:
        """Copy the broker's files to Mosquitto's directory, for its group; raises LookupError, OSError."""
        group = "mosquitto" if os.geteuid() == 0 else None  # without root, the user who runs it is the owner
        make_folder(directory, 0o750)
        for file in sorted((self.path / BROKER).iterdir()):
            text = file.read_bytes()
            if file.name == "mosquitto.conf":
                text = text.replace(FOLDER.encode(), str(directory).encode())
            write_whole(directory / file.name, text, 0o640, group=group)
        if group is not None:
            shutil.chown(directory, group=group)

    def write(self, name: str, content: bytes) -> None:
        """Replace one file; keys are readable by their owner alone."""
        file = self.path / name
        make_folder(file.parent, 0o700)
        write_whole(file, content, 0o600 if file.suffix in PRIVATE_SUFFIXES else 0o640)

    def _write_index(self) -> None:
        index = {
            "version": 1,
            "certificates": [entry.to_json() for entry in self.certificates],
            "station_keys": [key.to_json() for key in self.station_keys],
            "passwords": self.passwords,
        }
        self.write(INDEX, (json.dumps(index, indent=1) + "\n").encode())


def derived_files(deployment: Deployment, folder: CertificateStore) -> Iterator[tuple[str, str]]:
    """Yield the files that follow from the description, the revoked names, keys and passwords."""
    revoked, ports = folder.revoked_names(), deployment.broker
    yield f"{BROKER}/acl", mosquitto_acl(deployment, revoked)
    yield f"{BROKER}/mosquitto.conf", listener_conf(ports.port, websocket_port=ports.websocket_port)
    if ports.websocket_port is not None:
        yield f"{BROKER}/passwords", password_file(folder.passwords)
    for principal in deployment.principals.values():
        if principal.kind == "gateway":
            roles = role_file(deployment, principal.site, revoked, folder.station_keys)
            yield f"{principal.name}/roles.toml", roles


def init(path: Path, deployment: Deployment, *, days: int, passphrase: bytes | None) -> CertificateStore:
    """Make an authority with all certificates of the description: all of it, or nothing.

    Raises OSError; FileExistsError where something exists already.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise FileExistsError(f"{path} exists already")
    make_folder(path.parent, 0o777)
    made = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-"))
    try:
        folder = CertificateStore(made)
        authority = CertificateAuthority.make(f"Border post authority {' '.join(deployment.sites)}"[:64])
        folder.write(AUTHORITY_KEY, authority.key_pem(passphrase))
        folder.write(AUTHORITY, authority.pem)
        folder.issue(authority, deployment, (BROKER, *deployment.principals), days)
        folder.write_derived_files(authority, deployment)
        made.rename(path)
        flush_folder(path.parent)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    return CertificateStore(path, folder.certificates)


def names_to_renew(
    folder: CertificateStore, deployment: Deployment, broken: Iterable[str], before: datetime
) -> list[str]:
    """List the principals whose certificate is missing, broken, or ends before a time."""
    latest, wrong = folder.current_certificates(), set(broken)
    return [
        name
        for name in (BROKER, *deployment.principals)
        if name not in latest
        or (latest[name].revoked is None and (name in wrong or latest[name].not_after < before))
    ]


def stale_names(folder: CertificateStore, deployment: Deployment) -> list[str]:
    """List the principals with a valid certificate that the description does not name any more."""
    return [
        name
        for name, entry in folder.current_certificates().items()
        if name not in (BROKER, *deployment.principals) and entry.revoked is None
    ]


def is_readable_by_others(file: Path) -> bool:
    """Tell whether more than its owner and group can read a file; raises OSError."""
    return bool(file.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH | stat.S_IWGRP))


RENEW_BEFORE = timedelta(days=60)
"""Time before its end from which a certificate is renewed; the doctor reports it from then on."""
