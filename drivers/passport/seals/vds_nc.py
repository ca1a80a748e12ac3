"""Visible digital seals for non-constrained environments (VDS-NC): JSON, its canonical form signed.

Source: ICAO technical report *VDS-NC, Visible Digital Seal for non-constrained environments*, version 1;
samples of Australia's passport office.

    {"data": {"hdr": {"t": type, "v": version, "is": issuer}, "msg": {...}},
     "sig": {"alg": "ES256", "cer": certificate, "sigvl": r || s}}

`data` is signed; certificate and signature are in base64url.
"""

import base64
import binascii
import re
from collections.abc import Iterator

from pydantic import JsonValue

from drivers.passport.seals.encoding import canonical
from drivers.passport.seals.errors import MalformedSealError
from drivers.passport.seals.fields import FieldNames, count_of, objects_of, text_of, texts_of
from drivers.passport.seals.model import VdsNc
from drivers.passport.seals.parts import ProofOfTest, SealHolder, Vaccination

TEST, VACCINATION = "icao.test", "icao.vacc"
_TYPE = re.compile("[A-Za-z0-9._-]{1,64}")
_ISSUER = re.compile("[A-Z]{1,3}")
_ALGORITHM = re.compile("[A-Za-z0-9-]{1,16}")
_MAX_SIGNATURE_LENGTH = 2 * 66
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*={0,2}")
_Object = dict[str, JsonValue]

_HOLDER: FieldNames = {
    "name": "n",
    "birth_date": "dob",
    "sex": "sex",
    "document_type": "dt",
    "document_number": ("dn", "i"),
    "additional_identifier": "ai",
}
_EVENT: FieldNames = {"vaccine": "des", "product": "nam", "disease": "dis"}
_DOSE: FieldNames = {"given_on": "dvc", "country": "ctr", "centre": "adm", "lot": "lot", "next_on": "dvn"}
_PROVIDER: FieldNames = {"facility": "spn", "country": "ctr"}
_DATES: FieldNames = {"sampled_at": "sc", "reported_at": "ri"}
_RESULT: FieldNames = {"test": "tc", "method": "m", "result": "r"}


def parse(text: str) -> VdsNc:
    """Parse a seal; raises MalformedSealError.

    All fields of the two known types are optional here: a field that the issuer left out does not make a seal
    false. Fields of another kind than the standard has are left out, and still in `message`.
    """
    whole = _required(canonical.parse_json(text))
    canonical.to_canonical(whole)  # raises for values that cannot be written in canonical form, anywhere
    data, signature = _required(whole.get("data")), _required(whole.get("sig"))
    header, message = _required(data.get("hdr")), _required(data.get("msg"))
    kind, issuer, version = header.get("t"), header.get("is"), header.get("v")
    algorithm = signature.get("alg")
    if not (_is(kind, _TYPE) and _is(issuer, _ISSUER) and _is(algorithm, _ALGORITHM)):
        raise MalformedSealError("a seal has no type")
    if not isinstance(version, int) or isinstance(version, bool) or version < 0:
        raise MalformedSealError("a seal has no version")
    value = _bytes(signature.get("sigvl"))
    if not value or len(value) % 2 or len(value) > _MAX_SIGNATURE_LENGTH:
        raise MalformedSealError("a signature is not two numbers of equal length")
    known = kind in (TEST, VACCINATION)
    return VdsNc(
        type=str(kind),
        version=version,
        issuer=str(issuer),
        identifier=text_of(message, "utci" if kind == TEST else "uvci") if known else None,
        holder=SealHolder(**texts_of(message.get("pid"), _HOLDER)) if known else None,
        vaccinations=tuple(_vaccinations(message)) if kind == VACCINATION else (),
        test=_test(message) if kind == TEST else None,
        message=message,
        algorithm=str(algorithm),
        signed=canonical.to_canonical(data),
        signature=value,
        certificate=_bytes(signature.get("cer")) if "cer" in signature else b"",
    )


def is_vds_nc(text: str) -> bool:
    """Return true for JSON that is, or was meant to be, such a seal."""
    return text.startswith("{") and '"hdr"' in text and '"data"' in text


def _vaccinations(message: _Object) -> Iterator[Vaccination]:
    for event in objects_of(message.get("ve")):
        for dose in objects_of(event.get("vd")):
            yield Vaccination(**texts_of(event, _EVENT), **texts_of(dose, _DOSE), dose=count_of(dose, "seq"))


def _test(message: _Object) -> ProofOfTest:
    return ProofOfTest(
        **texts_of(message.get("sp"), _PROVIDER),
        **texts_of(message.get("dat"), _DATES),
        **texts_of(message.get("tr"), _RESULT),
    )


def _required(value: JsonValue) -> _Object:
    if not isinstance(value, dict):
        raise MalformedSealError("a seal lacks one of its parts")
    return value


def _is(value: JsonValue, pattern: re.Pattern[str]) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _bytes(value: JsonValue) -> bytes:
    if not isinstance(value, str) or not _BASE64URL.fullmatch(value):
        raise MalformedSealError("a certificate or signature is no base64url")
    bare = value.rstrip("=")
    try:
        return base64.urlsafe_b64decode(bare + "=" * (-len(bare) % 4))
    except (binascii.Error, ValueError):
        raise MalformedSealError("a certificate or signature is no base64url") from None
