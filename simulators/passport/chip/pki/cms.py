"""Signed data (RFC 5652, 5) of security objects and master lists (Doc 9303-10, 4.6.2; 9303-12, 9)."""

import hashlib
from collections.abc import Sequence
from datetime import datetime

from simulators.passport.chip.encoding import der
from simulators.passport.chip.pki.certificate import Certificate
from simulators.passport.chip.pki.signing_keys import digest_identifier

_SIGNED_DATA = "1.2.840.113549.1.7.2"
_CONTENT_TYPE, _MESSAGE_DIGEST, _SIGNING_TIME = (f"1.2.840.113549.1.9.{arc}" for arc in (3, 4, 5))


def signed_data(
    content_type: str,
    content: bytes,
    signer: Certificate,
    *,
    extra: Sequence[Certificate] = (),
    signed_at: datetime | None = None,
) -> bytes:
    """Encode ContentInfo around `content`, with the signer's certificate and those in `extra`.

    The signed attributes have the time only if it is given.
    """
    hash_name = signer.key.scheme.hash_name
    attributes = [
        _attribute(_CONTENT_TYPE, der.oid(content_type)),
        _attribute(_MESSAGE_DIGEST, der.octet_string(hashlib.new(hash_name, content).digest())),
    ]
    if signed_at is not None:
        attributes.append(_attribute(_SIGNING_TIME, der.time(signed_at)))
    # They are signed as a SET OF and written as [0] (5.4).
    to_sign = der.set_of(*attributes)
    signer_info = der.sequence(
        der.integer(1),
        der.sequence(signer.issuer, der.integer(signer.serial)),
        digest_identifier(hash_name),
        der.context(0, *sorted(attributes)),
        signer.key.algorithm_identifier,
        der.octet_string(signer.key.sign(to_sign)),
    )
    signed = der.sequence(
        der.integer(3),
        der.set_of(digest_identifier(hash_name)),
        der.sequence(der.oid(content_type), der.context(0, der.octet_string(content))),
        der.context(0, *sorted([signer.der, *(certificate.der for certificate in extra)])),
        der.set_of(signer_info),
    )
    return der.sequence(der.oid(_SIGNED_DATA), der.context(0, signed))


def _attribute(oid: str, value: bytes) -> bytes:
    return der.sequence(der.oid(oid), der.set_of(value))
