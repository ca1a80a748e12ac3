"""Passwords printed on a document, by which a reader proves that it has seen the page.

Source: ICAO Doc 9303-11, section 4.3.2 (MRZ information), section 4.4.4.1 (references) and section 9.7.2.
"""

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum

from drivers.passport.emrtd.crypto.ciphers import PASSWORD, Suite
from drivers.passport.emrtd.errors import UnsupportedError
from drivers.passport.mrz import Mrz
from drivers.passport.mrz.model import check_digit


class PasswordKind(StrEnum):
    """Kind of a password."""

    MRZ = "mrz"
    """Number, birth and expiry of the machine readable zone."""
    CAN = "can"
    """The card access number, six digits."""


@dataclass(frozen=True, slots=True)
class Password:
    """One password. Its repr does not show it."""

    kind: PasswordKind
    secret: str = field(repr=False)

    @classmethod
    def from_mrz(cls, mrz: Mrz) -> "Password":
        """Build it from a zone as read; raises UnsupportedError when the zone lacks a field of it."""
        if mrz.birth_date is None or mrz.expiry_date is None:
            raise UnsupportedError("this zone has no date of birth or no date of expiry")
        return cls.from_fields(mrz.document_number, mrz.birth_date.raw, mrz.expiry_date.raw)

    @classmethod
    def from_fields(cls, document_number: str, birth: str, expiry: str) -> "Password":
        """Build it from a number and two dates YYMMDD; raises UnsupportedError for fields that no zone holds.

        A number of more than nine characters counts in full, not as it is split on the card.
        """
        pieces = []
        for text in (document_number.ljust(9, "<"), birth, expiry):
            digit = check_digit(text)
            if digit is None:
                raise UnsupportedError("a field of the zone was not read completely")
            pieces.append(text + digit)
        return cls(PasswordKind.MRZ, "".join(pieces))

    @classmethod
    def from_can(cls, number: str) -> "Password":
        """Build it from a card access number; raises UnsupportedError when it is none."""
        if not (number.isascii() and number.isdecimal() and 1 <= len(number) <= 16):
            raise UnsupportedError("a card access number has digits only")
        return cls(PasswordKind.CAN, number)

    @property
    def reference(self) -> int:
        """Reference to the password in MSE:Set AT."""
        return 1 if self.kind is PasswordKind.MRZ else 2

    @property
    def to_bytes(self) -> bytes:
        """Return f(pi): all 20 bytes of SHA-1 over MRZ information, or the digits of a CAN."""
        octets = self.secret.encode("ascii")
        return _sha1(octets) if self.kind is PasswordKind.MRZ else octets

    @property
    def seed(self) -> bytes:
        """Return K_seed of Basic Access Control: the first 16 bytes of the same digest."""
        return _sha1(self.secret.encode("ascii"))[:16]

    def pace_key(self, suite: Suite) -> bytes:
        """Return K_pi, under which the chip encrypts its nonce."""
        return suite.derive(self.to_bytes, PASSWORD)


def _sha1(octets: bytes) -> bytes:
    # SHA-1 is the standard's choice; nothing here depends on collisions being hard.
    return hashlib.sha1(octets, usedforsecurity=False).digest()
