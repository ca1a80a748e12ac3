"""Health certificates as a health authority writes them: claims in CBOR, signed, compressed, in base45.

Source: *Electronic Health Certificates* (European eHealth network) and WHO's *HCERT specification*; RFC 8392
(claims), RFC 9052, section 4.2 (COSE_Sign1) and RFC 9285 (base45). Contents: schema 1.3.0 of the European
Union, and WHO's `ICVPMin`, first edition.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from simulators.mrz import transliterate
from simulators.passport.seals import cbor
from simulators.passport.seals.holder import Holder
from simulators.passport.seals.signer import SealSigner

PREFIX = b"HC1:"
_BASE45 = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_ALGORITHMS = {"ES256": -7, "ES384": -35, "ES512": -36, "PS256": -37, "PS384": -38, "PS512": -39}
_ALGORITHM, _KEY_ID = 1, 4
_ISSUER, _EXPIRES, _ISSUED, _HEALTH = 1, 4, 6, -260
_SIGN1 = 18
EU_DCC, ICVP = 1, -6
"""Places of the two contents in the health claim."""
_COVID, _YELLOW_FEVER = "840539006", "1D47"


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCertificate:
    """Claims of a certificate."""

    issuer: str
    """Issuing state, two letters."""
    scheme: int
    content: Mapping[str, Any]
    issued: datetime
    expires: datetime

    def signed_bytes(self, signer: SealSigner) -> bytes:
        """Encode the structure that is signed (RFC 9052, section 4.4)."""
        return cbor.encode(["Signature1", _protected(signer), b"", self._claims()])

    def barcode(self, signer: SealSigner, signature: bytes) -> bytes:
        """Encode the whole certificate, which is text."""
        message = cbor.encode(cbor.Tag(_SIGN1, [_protected(signer), {}, self._claims(), signature]))
        return PREFIX + base45(zlib.compress(message, 9))

    def altered(self) -> "HealthCertificate":
        """Return a copy with another last digit of the date of birth."""
        birth = str(self.content["dob"])
        other = birth[:-1] + str((int(birth[-1]) + 1) % 10)
        return replace(self, content={**self.content, "dob": other})

    def with_unknown_profile(self, number: int) -> "HealthCertificate":
        """Return a copy in a place of the claim that no list has."""
        return replace(self, scheme=number)

    def _claims(self) -> bytes:
        return cbor.encode(
            {
                _ISSUER: self.issuer,
                _EXPIRES: int(self.expires.timestamp()),
                _ISSUED: int(self.issued.timestamp()),
                _HEALTH: {self.scheme: dict(self.content)},
            }
        )


def _protected(signer: SealSigner) -> bytes:
    return cbor.encode({_ALGORITHM: _ALGORITHMS[signer.algorithm], _KEY_ID: signer.key_id})


def yellow_card(holder: Holder, *, given_on: date, valid_from: date, centre: str) -> dict[str, Any]:
    """Return the content of a digital yellow card: one vaccination against yellow fever."""
    return {
        "n": " ".join(filter(None, (holder.given_names, holder.surname))),
        "dob": _known(holder.birth),
        "s": holder.sex,
        "ntl": holder.nationality,
        "nid": holder.document_number,
        "ndt": "PPN",
        "v": {
            "tg": _YELLOW_FEVER,
            "vp": "XM0N24",
            "dt": given_on.isoformat(),
            "bo": "VC35679",
            "vls": valid_from.isoformat(),
            "is": centre,
            "cn": "Dr Utovax",
        },
    }


def dcc_vaccination(holder: Holder, *, given_on: date, country: str, centre: str) -> dict[str, Any]:
    """Return the content of a vaccination certificate of the European Union's schema: two doses of two."""
    dose = {
        "tg": _COVID,
        "vp": "1119349007",
        "mp": "EU/1/20/0000",
        "ma": "ORG-100000000",
        "dn": 2,
        "sd": 2,
        "dt": given_on.isoformat(),
        "co": country,
        "is": centre,
        "ci": f"URN:UVCI:01:{country}:SIMULATED#0",
    }
    return {
        "ver": "1.3.0",
        "nam": {
            "fn": holder.surname,
            "fnt": transliterate(holder.surname),
            "gn": holder.given_names,
            "gnt": transliterate(holder.given_names),
        },
        "dob": _known(holder.birth),
        "v": [dose],
    }


def base45(data: bytes) -> bytes:
    """Encode two bytes in three characters, a last one in two (RFC 9285, section 4)."""
    encoded = bytearray()
    for at in range(0, len(data), 2):
        pair = data[at : at + 2]
        number = int.from_bytes(pair, "big")
        for _ in range(len(pair) + 1):
            number, digit = divmod(number, 45)
            encoded.append(_BASE45[digit])
    return bytes(encoded)


def _known(birth: str) -> str:
    """Return the known part of a date of birth: its year alone where the month is unknown."""
    return birth.partition("-x")[0]
