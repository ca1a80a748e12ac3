"""Parser of health certificates: HC1:, base45, deflate, COSE_Sign1, claims, one scheme's certificate.

Sources: *Electronic Health Certificates* (European eHealth network) and WHO's *HCERT specification*, sections
3 and 4; WHO's `ICVPMin` for the digital yellow card, whose field names have changed once: both are read.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import date
from typing import Any

from drivers.passport.seals.encoding import base45
from drivers.passport.seals.encoding.compression import decompress
from drivers.passport.seals.errors import MalformedSealError, UnsupportedSealError
from drivers.passport.seals.fields import FieldNames, count_of, objects_of, text_of, texts_of
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

_HOLDERS: dict[HealthScheme, FieldNames] = {
    HealthScheme.EU_DCC: {"birth_date": "dob"},
    # The second names are those of the second edition: nationality, kind and number of an identity document.
    HealthScheme.ICVP: {
        "name": "n",
        "birth_date": "dob",
        "sex": "s",
        "document_type": ("ndt", "dt"),
        "document_number": ("nid", "id"),
        "nationality": ("ntl", "nt"),
    },
}
_DOSE: FieldNames = {
    "vaccine": "vp",
    "product": "mp",
    "disease": "tg",
    "given_on": ("dt", "dv"),
    "country": "co",
    "centre": "is",
    "lot": "bo",
    "clinician": "cn",
    "identifier": "ci",
    "valid_from": "vls",
    "valid_until": "vle",
}
_TEST: FieldNames = {
    "facility": "tc",
    "country": "co",
    "sampled_at": "sc",
    "test": "tt",
    "method": ("nm", "ma"),
    "result": "tr",
}
_RECOVERY: FieldNames = {
    "disease": "tg",
    "first_positive_on": "fr",
    "country": "co",
    "identifier": "ci",
    "valid_from": "df",
    "valid_until": "du",
}


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
    content = decompress(base45.decode(text.removeprefix(PREFIX)), MAX_CONTENT_BYTES)
    message = cose.parse_sign1(content)
    claims = cose.load(message.payload)
    if not isinstance(claims, Mapping) or not claims:
        raise MalformedSealError("a health certificate has no claims")
    # WHO's first certificates have their content in place of the claims.
    health = claims.get(_HEALTH, {None: claims})
    if not isinstance(health, Mapping) or not health:
        raise MalformedSealError("the claim of a health certificate is empty")
    number, certificate = next(iter(health.items()))
    converted = cose.to_json(certificate)
    body = converted if isinstance(converted, dict) else {"content": converted}
    scheme = _scheme(number, body)
    issuer = claims.get(_ISSUER)
    not_before = cose.to_time(claims.get(_NOT_BEFORE))
    starts = [not_before.date() if not_before else None, *_days(body, "vls", "df")]
    return HealthCertificate(
        scheme=scheme,
        version=text_of(body, "ver", *(("v",) if scheme is HealthScheme.ICVP else ())),
        issuer=issuer[:64] if isinstance(issuer, str) else None,
        issued_at=cose.to_time(claims.get(_ISSUED_AT)),
        expires_at=cose.to_time(claims.get(_EXPIRY)),
        algorithm=message.algorithm,
        key_id=message.key_id.hex() if message.key_id is not None else None,
        holder=_holder(scheme, body),
        vaccinations=tuple(_vaccinations(scheme, body)),
        tests=tuple(ProofOfTest(**texts_of(test, _TEST)) for test in _entries(scheme, body, "t")),
        recoveries=tuple(Recovery(**texts_of(each, _RECOVERY)) for each in _entries(scheme, body, "r")),
        valid_from=max(filter(None, starts), default=None),
        valid_until=min(filter(None, _days(body, "vle", "du")), default=None),
        message=body,
        signed=message.signed,
        signature=message.signature,
    )


def _scheme(number: object, body: _Object) -> HealthScheme:
    """Return the scheme of a place in the claim; the yellow card may be in the place of the EU's."""
    scheme = _SCHEMES.get(number, HealthScheme.UNKNOWN) if type(number) is int else HealthScheme.UNKNOWN
    if scheme is HealthScheme.EU_DCC and "nam" not in body and "n" in body:
        return HealthScheme.ICVP
    return scheme


def _holder(scheme: HealthScheme, body: _Object) -> SealHolder | None:
    if scheme not in _HOLDERS:
        return None
    holder = SealHolder(**texts_of(body, _HOLDERS[scheme]))
    if scheme is HealthScheme.EU_DCC:
        names = text_of(body.get("nam"), "fn", "fnt"), text_of(body.get("nam"), "gn", "gnt")
        return holder.model_copy(update={"name": ", ".join(filter(None, names)) or None})
    return holder


def _vaccinations(scheme: HealthScheme, body: _Object) -> Iterator[Vaccination]:
    if scheme in _HOLDERS:
        for dose in (*objects_of(body.get("v")), *objects_of(body.get("vx"))):
            yield Vaccination(**texts_of(dose, _DOSE), dose=count_of(dose, "dn"), doses=count_of(dose, "sd"))


def _entries(scheme: HealthScheme, body: _Object, name: str) -> list[_Object]:
    """Return the entries of a certificate of the European Union; none of any other scheme."""
    return objects_of(body.get(name)) if scheme is HealthScheme.EU_DCC else []


def _days(body: _Object, *names: str) -> list[date | None]:
    """Return the days of these names in every entry of the certificate."""
    entries = [entry for key in ("v", "vx", "r") for entry in objects_of(body.get(key))]
    return [_day(entry.get(name)) for entry in entries for name in names]


def _day(value: object) -> date | None:
    with suppress(ValueError):
        return date.fromisoformat(value[:10]) if isinstance(value, str) else None
    return None
