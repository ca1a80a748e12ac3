"""Certificates of an issuing state, with their keys, and periods of validity."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from simulators.passport.chip.pki.signing_keys import SigningKey


@dataclass(frozen=True, slots=True)
class State:
    """The issuer: two letters in certificates, three in documents (Doc 9303-3, section 5)."""

    alpha_2: str = "UT"
    alpha_3: str = "UTO"


@dataclass(frozen=True, slots=True)
class Validity:
    """Period of validity of a certificate."""

    start: datetime
    end: datetime

    @classmethod
    def spanning(cls, now: datetime, *, before: timedelta, after: timedelta) -> "Validity":
        """Return the period from `before` to `after` a moment."""
        return cls((now - before).replace(microsecond=0), (now + after).replace(microsecond=0))


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and its key."""

    der: bytes = field(repr=False)
    serial: int
    issuer: bytes = field(repr=False)
    """The issuer's name, in DER."""
    key: SigningKey = field(repr=False)
    validity: Validity

    @property
    def key_id(self) -> bytes:
        """Subject key identifier of the certificate."""
        return key_id(self.key)


def key_id(key: SigningKey) -> bytes:
    """Return the subject key identifier of a key (RFC 5280, 4.2.1.2)."""
    return hashlib.sha1(key.public_key_info).digest()  # noqa: S324 - as the standard requires
