"""Keys of the signers of health certificates, from files of the operator. Nothing is fetched.

    certificates         PEM or DER, in files or folders
    lists in JSON        {"certificates": [{"kid": ..., "rawData": ...}]}, as national back ends publish them
    lists of WHO         a DID document: {"verificationMethod": [{"id": ..., "publicKeyJwk": {...}}]}

A key identifier is the first eight bytes of the SHA-256 of a certificate (European eHealth network, section
3.3.2), or what a list states. Publishers sign lists in different ways or not at all, so no signature of one
is verified: the operator is responsible for the file. A key that a list no longer has is revoked, so a list
has an age.
"""

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from drivers.passport.emrtd.crypto import curves
from drivers.passport.emrtd.crypto.public_keys import MAX_RSA_BITS, EcKey, PublicKey, RsaKey
from drivers.passport.emrtd.errors import ChipError, MalformedError
from drivers.passport.emrtd.pki.certificates import Certificate
from drivers.passport.emrtd.pki.operator_files import encoded_objects, read_files, with_subject

DEFAULT_MAX_AGE_DAYS = 30
"""Age of a list from which its keys count as undetermined, in days, unless the operator sets another."""
_KEY_ID_BYTES = 8
_MAX_KEYS = 20_000
_CURVES = {"P-256": "secp256r1", "P-384": "secp384r1", "P-521": "secp521r1"}
_COUNTRY = re.compile(r":trustlist:[^:#]*:([A-Z]{3})(?=[:#])")
"""State in an identifier of WHO's list: behind the trust domain, which may be three capitals too (`DCC`)."""
_WRONG_TYPES = (ValueError, LookupError, TypeError, AttributeError)
"""Errors of entries whose values have other types than those of a list."""


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A key that may sign health certificates."""

    key_id: bytes
    key: PublicKey = field(repr=False)
    certificate: Certificate | None = None
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
        for file in read_files(places, builder.faults):
            builder.take(file.name, file.content, file.modified_at)
        return builder.lists(max_age_days)

    @classmethod
    def from_bytes(
        cls, *contents: bytes, at: datetime | None = None, max_age_days: float = DEFAULT_MAX_AGE_DAYS
    ) -> "HealthTrustLists":
        """Load from memory; `at` is the date of lists that have none."""
        builder = _Builder()
        for number, content in enumerate(contents, start=1):
            builder.take(f"entry {number}", content, at or datetime.now(UTC))
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

    def take(self, name: str, content: bytes, modified_at: datetime) -> None:
        """Load one file; every part that cannot be used becomes a fault."""
        whole = _json(content)
        if whole is None:
            for where, encoded in encoded_objects(name, content, self.faults):
                self._take_certificate(where, encoded)
            return
        entries = _entries(whole)
        if not entries:
            self.faults.append(f"{name}: this JSON has neither certificates nor keys")
            return
        made_at = _made_at(whole) or modified_at
        self.dates.append((name, made_at))
        for number, entry in enumerate(entries, start=1):
            where = f"{name}, entry {number} of {len(entries)}"
            try:
                self._take_entry(where, entry, made_at)
            except _WRONG_TYPES:
                self.faults.append(f"{where}: it has neither certificate nor key")

    def _take_entry(self, where: str, entry: dict[str, Any], made_at: datetime) -> None:
        """Load an entry of a list; raises one of _WRONG_TYPES."""
        if isinstance(raw := entry.get("rawData"), str):
            self._take_certificate(where, base64.b64decode(raw), entry.get("kid"), made_at)
            return
        jwk = entry["publicKeyJwk"]
        identifier = unquote(str(entry.get("id", "")))
        key_id = str(jwk.get("kid") or identifier.rpartition("#")[2])
        if chain := jwk.get("x5c"):
            self._take_certificate(where, base64.b64decode(chain[0]), key_id, made_at)
            return
        found = _COUNTRY.search(identifier)
        try:
            self._add(TrustedKey(_base64(key_id), _jwk(jwk), None, found and found[1], made_at))
        except ChipError as fault:
            self.faults.append(f"{where}: {fault}")

    def _take_certificate(
        self, where: str, encoded: bytes, key_id: str | None = None, made_at: datetime | None = None
    ) -> None:
        try:
            self._add(_from_certificate(encoded, made_at, key_id))
        except ChipError as fault:
            self.faults.append(f"{with_subject(where, encoded)}: {fault}")

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
                return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
            except (ValueError, OverflowError):
                continue
    return None


def _entries(whole: Any) -> list[dict[str, Any]]:
    if isinstance(whole, dict):
        whole = whole.get("certificates") or whole.get("verificationMethod") or []
    return [entry for entry in whole if isinstance(entry, dict)] if isinstance(whole, list) else []


def _from_certificate(encoded: bytes, made_at: datetime | None, key_id: str | None) -> TrustedKey:
    certificate = Certificate.parse(encoded)
    if certificate.purposes is None:  # they may limit the key to one kind of health certificates
        raise MalformedError("the extended key usage cannot be read")
    own = hashlib.sha256(encoded).digest()[:_KEY_ID_BYTES]
    return TrustedKey(
        key_id=_base64(key_id) if key_id else own,
        key=certificate.public_key(),
        certificate=certificate,
        country=certificate.country,
        listed_at=made_at,
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
