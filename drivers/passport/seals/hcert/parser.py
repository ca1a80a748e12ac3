"""Parser of health certificates: HC1:, base45, deflate, COSE_Sign1, claims, one scheme's certificate.

Sources: *Electronic Health Certificates* (European eHealth network) and WHO's *HCERT specification*, sections
3 and 4; WHO's `ICVPMin` for the digital yellow card, whose field names have changed once: both are read.
"""

import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import date
from typing import Any

from drivers.passport.seals.errors import MalformedSealError, UnsupportedSealError
from drivers.passport.seals.hcert import base45
from drivers.passport.seals.hcert.model import HealthCertificate, HealthScheme
from drivers.passport.seals.parts import ProofOfTest, Recovery, SealHolder, Vaccination

PREFIX = "HC1:"
MAX_CONTENT_BYTES = 64 * 1024
"""Upper bound on the content after decompression, in bytes."""
_ISSUER, _EXPIRY, _NOT_BEFORE, _ISSUED_AT, _HEALTH = 1, 4, 5, 6, -260
_SCHEMES = {
    1: HealthScheme.EU_DCC,
    3: HealthScheme.DDCC_VACCINATION,
    4: HealthScheme.DDCC_TEST,
    5: HealthScheme.HEALTH_LINK,
    -6: HealthScheme.ICVP,
}
_Object = dict[str, Any]


def is_health_certificate(text: str) -> bool:
    """Return true for a text that is, or was meant to be, a health certificate of any version."""
    return text.startswith("HC") and text[3:4] == ":" and text[2:3].isalnum()


def parse(text: str) -> HealthCertificate:
    """Parse a certificate.

    Raises MalformedSealError, and UnsupportedSealError for another version or without the library for CBOR.
    """
    if not text.startswith(PREFIX):
        raise UnsupportedSealError("a health certificate is of an unknown version")
    try:
        from drivers.passport.seals.hcert import cose
    except ImportError:
        raise UnsupportedSealError("health certificates need cbor2, which is not installed") from None
    message = cose.parse_sign1(_decompress(base45.decode(text.removeprefix(PREFIX))))
    claims = cose.load(message.payload)
    if not isinstance(claims, Mapping) or not claims:
        raise MalformedSealError("a health certificate has no claims")
    # WHO's first certificates have their content in place of the claims.
    health = claims.get(_HEALTH, {None: claims})
    if not isinstance(health, Mapping) or not health:
        raise MalformedSealError("the claim of a health certificate is empty")
    number, content = next(iter(health.items()))
    converted = cose.to_json(content)
    body = converted if isinstance(converted, dict) else {"content": converted}
    scheme = _scheme(number, body)
    issuer = claims.get(_ISSUER)
    not_before = cose.to_time(claims.get(_NOT_BEFORE))
    starts = [not_before.date() if not_before else None, *_days(body, "vls", "df")]
    return HealthCertificate(
        scheme=scheme,
        version=_text(body, "ver") or (_text(body, "v") if scheme is HealthScheme.ICVP else None),
        issuer=issuer[:64] if isinstance(issuer, str) else None,
        issued_at=cose.to_time(claims.get(_ISSUED_AT)),
        expires_at=cose.to_time(claims.get(_EXPIRY)),
        algorithm=message.algorithm,
        key_id=message.key_id.hex() if message.key_id is not None else None,
        holder=_holder(scheme, body),
        vaccinations=tuple(_vaccinations(scheme, body)),
        tests=tuple(_tests(body)) if scheme is HealthScheme.EU_DCC else (),
        recoveries=tuple(_recoveries(body)) if scheme is HealthScheme.EU_DCC else (),
        valid_from=max(filter(None, starts), default=None),
        valid_until=min(filter(None, _days(body, "vle", "du")), default=None),
        message=body,
        signed=message.signed,
        signature=message.signature,
    )


def _decompress(data: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(data, MAX_CONTENT_BYTES)
    except zlib.error:
        raise MalformedSealError("a health certificate cannot be decompressed") from None
    if not unpacker.eof:
        raise MalformedSealError("a health certificate is cut or too long")
    return content


def _scheme(number: object, body: _Object) -> HealthScheme:
    """Return the scheme of a place in the claim; the yellow card may be in the place of the EU's."""
    scheme = _SCHEMES.get(number, HealthScheme.UNKNOWN) if type(number) is int else HealthScheme.UNKNOWN
    if scheme is HealthScheme.EU_DCC and "nam" not in body and "n" in body:
        return HealthScheme.ICVP
    return scheme


def _holder(scheme: HealthScheme, body: _Object) -> SealHolder | None:
    if scheme is HealthScheme.EU_DCC:
        name = body.get("nam")
        parts = (_text(name, "fn") or _text(name, "fnt"), _text(name, "gn") or _text(name, "gnt"))
        return SealHolder(name=", ".join(filter(None, parts)) or None, birth_date=_text(body, "dob"))
    if scheme is HealthScheme.ICVP:
        # Fields of the first edition first: nationality, number and kind of an identity document.
        return SealHolder(
            name=_text(body, "n"),
            birth_date=_text(body, "dob"),
            sex=_text(body, "s"),
            document_type=_text(body, "ndt") or _text(body, "dt"),
            document_number=_text(body, "nid") or _text(body, "id"),
            nationality=_text(body, "ntl") or _text(body, "nt"),
        )
    return None


def _vaccinations(scheme: HealthScheme, body: _Object) -> Iterator[Vaccination]:
    if scheme not in {HealthScheme.EU_DCC, HealthScheme.ICVP}:
        return
    for dose in (*_objects(body.get("v")), *_objects(body.get("vx"))):
        yield Vaccination(
            vaccine=_text(dose, "vp"),
            product=_text(dose, "mp"),
            disease=_text(dose, "tg"),
            given_on=_text(dose, "dt") or _text(dose, "dv"),
            dose=_count(dose, "dn"),
            doses=_count(dose, "sd"),
            country=_text(dose, "co"),
            centre=_text(dose, "is"),
            lot=_text(dose, "bo"),
            clinician=_text(dose, "cn"),
            identifier=_text(dose, "ci"),
            valid_from=_text(dose, "vls"),
            valid_until=_text(dose, "vle"),
        )


def _tests(body: _Object) -> Iterator[ProofOfTest]:
    for test in _objects(body.get("t")):
        yield ProofOfTest(
            facility=_text(test, "tc"),
            country=_text(test, "co"),
            sampled_at=_text(test, "sc"),
            test=_text(test, "tt"),
            method=_text(test, "nm") or _text(test, "ma"),
            result=_text(test, "tr"),
        )


def _recoveries(body: _Object) -> Iterator[Recovery]:
    for recovery in _objects(body.get("r")):
        yield Recovery(
            disease=_text(recovery, "tg"),
            first_positive_on=_text(recovery, "fr"),
            country=_text(recovery, "co"),
            identifier=_text(recovery, "ci"),
            valid_from=_text(recovery, "df"),
            valid_until=_text(recovery, "du"),
        )


def _days(body: _Object, *names: str) -> list[date | None]:
    """Return the days of these names in every entry of the certificate."""
    entries = [entry for key in ("v", "vx", "r") for entry in _objects(body.get(key))]
    return [_day(entry.get(name)) for entry in entries for name in names]


def _day(value: object) -> date | None:
    with suppress(ValueError):
        return date.fromisoformat(value[:10]) if isinstance(value, str) else None
    return None


def _objects(value: object) -> list[_Object]:
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, dict)]


def _text(value: object, name: str) -> str | None:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, str) else None


def _count(value: _Object, name: str) -> int | None:
    found = value.get(name)
    return found if type(found) is int and found >= 0 else None
