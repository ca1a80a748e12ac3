"""Keys of the signers of health certificates, from files of the operator. Nothing is fetched.

    certificates         PEM or DER, in files or folders
    lists in JSON        {"certificates": [{"kid": ..., "rawData": ...}]}, as national back ends publish them
    lists of WHO         a DID document: {"verificationMethod": [{"id": ..., "publicKeyJwk": {...}}]}

A key identifier is the first eight bytes of the SHA-256 of a certificate (European eHealth network, section
3.3.2), or what a list states. No list is signed in a way that all publishers share: the operator vouches for
the file. What a list no longer has is revoked, so a list has an age.
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from asn1crypto import x509

from drivers.passport.emrtd.crypto import curves
from drivers.passport.emrtd.crypto.public_keys import MAX_RSA_BITS, EcKey, PublicKey, RsaKey
from drivers.passport.emrtd.errors import ChipError, MalformedError
from drivers.passport.emrtd.pki.certificates import Certificate, parse_errors
from drivers.passport.emrtd.pki.file_kinds import unusable_kind

DEFAULT_MAX_AGE_DAYS = 30
"""Days after which a list no longer vouches for its keys, unless the operator sets others."""
_KEY_ID_BYTES = 8
_MAX_FILE_BYTES = 32 * 1024 * 1024
_MAX_KEYS = 20_000
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----\s([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----")
_CURVES = {"P-256": "secp256r1", "P-384": "secp384r1", "P-521": "secp521r1"}
_COUNTRY = re.compile(r":trustlist:[^:#]*:([A-Z]{3})(?=[:#])")
"""State in an identifier of WHO's list: behind the trust domain, which may be three capitals too (`DCC`)."""


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A key that may sign health certificates."""

    key_id: bytes
    key: PublicKey = field(repr=False)
    certificate: Certificate | None = None
    usages: frozenset[str] = frozenset()
    """Extended key usages of the certificate."""
    country: str | None = None
    listed_at: datetime | None = None
    """Date of the list that has it; None for a certificate in a file of its own."""

    def is_current_on(self, day: date, max_age_days: float) -> bool:
        """Return true when the list that has this key is not older than that."""
        return self.listed_at is None or day - self.listed_at.date() <= timedelta(days=max_age_days)


@dataclass(frozen=True, slots=True)
class HealthTrustLists:
    """Keys that the operator trusts for health certificates."""

    keys: tuple[TrustedKey, ...] = field(default=(), repr=False)
    faults: tuple[str, ...] = ()
    """One sentence for each unusable file or entry, for the technician."""
    list_dates: tuple[tuple[str, datetime], ...] = ()
    """Name and date of every list."""
    max_age_days: float = DEFAULT_MAX_AGE_DAYS

    @classmethod
    def load(cls, *places: Path, max_age_days: float = DEFAULT_MAX_AGE_DAYS) -> "HealthTrustLists":
        """Load certificates and lists from files and folders, recursively.

        A bad file or entry is noted in `faults` and skipped. A list without a date of its own has that of its
        file.
        """
        builder = _Builder()
        for path in _files(places, builder.faults):
            try:
                status = path.stat()
                if status.st_size > _MAX_FILE_BYTES:
                    raise MalformedError("the file is larger than any list")
                builder.take(path.name, path.read_bytes(), datetime.fromtimestamp(status.st_mtime, UTC))
            except (OSError, ChipError) as fault:
                reason = fault.strerror if isinstance(fault, OSError) else str(fault)
                builder.faults.append(f"{path.name}: {reason}")
        return builder.lists(max_age_days)

    @classmethod
    def from_bytes(
        cls, *contents: bytes, at: datetime | None = None, max_age_days: float = DEFAULT_MAX_AGE_DAYS
    ) -> "HealthTrustLists":
        """Load from memory; `at` is the date of lists that have none."""
        builder = _Builder()
        for number, content in enumerate(contents, start=1):
            try:
                builder.take(f"entry {number}", content, at or datetime.now(UTC))
            except ChipError as fault:
                builder.faults.append(f"entry {number}: {fault}")
        return builder.lists(max_age_days)

    def find(self, key_id: str | None) -> tuple[TrustedKey, ...]:
        """Find the keys of an identifier, in hexadecimal: short ones may be of several keys."""
        return tuple(known for known in self.keys if known.key_id.hex() == key_id)


class _Builder:
    """Keys loaded so far."""

    def __init__(self) -> None:
        self.keys: list[TrustedKey] = []
        self.faults: list[str] = []
        self.dates: list[tuple[str, datetime]] = []

    def lists(self, max_age_days: float) -> HealthTrustLists:
        return HealthTrustLists(tuple(self.keys), tuple(self.faults), tuple(self.dates), max_age_days)

    def take(self, name: str, content: bytes, modified: datetime) -> None:
        """Load one file; raises ChipError when it is none of the known kinds."""
        whole = _json(content)
        if whole is None:
            self._take_certificates(name, content)
            return
        made = _made_at(whole) or modified
        entries = _entries(whole)
        if not entries:
            raise MalformedError("this JSON has neither certificates nor keys")
        self.dates.append((name, made))
        for number, entry in enumerate(entries, start=1):
            try:
                self._add(_from_entry(entry, made))
            except (ChipError, binascii.Error, ValueError, KeyError, TypeError) as fault:
                reason = str(fault) if isinstance(fault, ChipError) else "it has neither certificate nor key"
                self.faults.append(f"{name}, entry {number} of {len(entries)}: {reason}")

    def _take_certificates(self, name: str, content: bytes) -> None:
        blocks = [base64.b64decode(block[1], validate=False) for block in _PEM.finditer(content)]
        if not blocks and (kind := unusable_kind(content)):
            raise MalformedError(kind)
        for number, encoded in enumerate(blocks or [content], start=1):
            try:
                self._add(_from_certificate(encoded, None))
            except ChipError as fault:
                where = f"{name}, entry {number} of {len(blocks)}" if len(blocks) > 1 else name
                self.faults.append(f"{where}: {fault}")

    def _add(self, key: TrustedKey) -> None:
        if len(self.keys) >= _MAX_KEYS:
            raise MalformedError("there are more keys than states have")
        self.keys.append(key)


def _json(content: bytes) -> Any | None:
    """Parse JSON, also behind a first line with a signature; None when it is none."""
    for text in (content, content.partition(b"\n")[2]):
        if text.lstrip()[:1] in (b"{", b"["):
            try:
                return json.loads(text)
            except (ValueError, RecursionError):
                return None
    return None


def _made_at(whole: Any) -> datetime | None:
    """Return the date that a list states: of the proof of a DID document, or of the list itself."""
    if not isinstance(whole, dict):
        return None
    proof = whole.get("proof")
    stated = [
        proof.get("created") if isinstance(proof, dict) else None,
        whole.get("issued"),
        whole.get("created"),
    ]
    for text in stated:
        if isinstance(text, str):
            try:
                moment = datetime.fromisoformat(text)
            except ValueError:
                continue
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None


def _entries(whole: Any) -> list[dict[str, Any]]:
    if isinstance(whole, dict):
        whole = whole.get("certificates") or whole.get("verificationMethod") or []
    return [entry for entry in whole if isinstance(entry, dict)] if isinstance(whole, list) else []


def _from_entry(entry: dict[str, Any], made: datetime) -> TrustedKey:
    """Read an entry of a list; raises ChipError, or an error of wrong types."""
    if isinstance(raw := entry.get("rawData"), str):
        return _from_certificate(base64.b64decode(raw), made, entry.get("kid"))
    jwk = entry["publicKeyJwk"]
    identifier = unquote(str(entry.get("id", "")))
    key_id = str(jwk.get("kid") or identifier.rpartition("#")[2])
    found = _COUNTRY.search(identifier)
    if chain := jwk.get("x5c"):
        return _from_certificate(base64.b64decode(chain[0]), made, key_id)
    return TrustedKey(
        key_id=_base64(key_id), key=_jwk(jwk), country=found[1] if found else None, listed_at=made
    )


def _from_certificate(encoded: bytes, made: datetime | None, key_id: str | None = None) -> TrustedKey:
    certificate = Certificate.parse(encoded)
    with parse_errors("a certificate"):
        usage = x509.Certificate.load(encoded, strict=True).extended_key_usage_value
        usages = frozenset(item.dotted for item in usage) if usage is not None else frozenset()
    own = hashlib.sha256(encoded).digest()[:_KEY_ID_BYTES]
    return TrustedKey(
        key_id=_base64(key_id) if key_id else own,
        key=certificate.public_key(),
        certificate=certificate,
        usages=usages,
        country=certificate.country,
        listed_at=made,
    )


def _jwk(jwk: dict[str, Any]) -> PublicKey:
    """Read a JSON Web Key (RFC 7518, section 6); raises MalformedError or UnsupportedError."""
    if jwk["kty"] == "EC":
        name = _CURVES.get(jwk["crv"])
        curve = next((known for known in curves.CURVES if known.name == name), None)
        if curve is None:
            raise MalformedError("a key is on an unknown curve")
        encoded = b"\x04" + _padded(jwk["x"], curve.size) + _padded(jwk["y"], curve.size)
        return EcKey(curve, curve.decode(encoded))
    if jwk["kty"] != "RSA":
        raise MalformedError("a key is of an unknown kind")
    modulus, exponent = (int.from_bytes(_base64(jwk[name]), "big") for name in ("n", "e"))
    if not 2048 <= modulus.bit_length() <= MAX_RSA_BITS or not 1 < exponent < modulus:
        raise MalformedError("an RSA key is too short, too long, or has an invalid exponent")
    return RsaKey(modulus, exponent)


def _padded(text: str, size: int) -> bytes:
    value = _base64(text)
    if len(value) > size:
        raise MalformedError("a coordinate is longer than its curve")
    return value.rjust(size, b"\0")


def _base64(text: str) -> bytes:
    bare = text.rstrip("=").translate(str.maketrans("-_", "+/"))
    return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)


def _files(places: Iterable[Path], faults: list[str]) -> Iterator[Path]:
    for place in places:
        if place.is_dir():
            yield from sorted(path for path in place.rglob("*") if path.is_file())
        elif place.exists():
            yield place
        else:
            faults.append(f"{place.name}: there is no such file or folder")
