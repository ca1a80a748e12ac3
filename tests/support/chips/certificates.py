"""A state that issues documents, built for tests: CSCA, signers, revocation lists, security objects.

`cryptography` is used for the arithmetic only, so that forms can be written that documents have and libraries
refuse (explicit curves, odd names, old hash functions).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from drivers.passport.emrtd.crypto.curves import BY_OID, CURVES
from drivers.passport.emrtd.encoding.der import encode_oid
from drivers.passport.emrtd.encoding.tlv import encode

START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2036, 1, 1, tzinfo=UTC)
HASHES = {
    "sha1": ("1.3.14.3.2.26", hashes.SHA1()),
    "sha224": ("2.16.840.1.101.3.4.2.4", hashes.SHA224()),
    "sha256": ("2.16.840.1.101.3.4.2.1", hashes.SHA256()),
    "sha384": ("2.16.840.1.101.3.4.2.2", hashes.SHA384()),
    "sha512": ("2.16.840.1.101.3.4.2.3", hashes.SHA512()),
}
RSA_WITH = {
    "sha1": "1.2.840.113549.1.1.5",
    "sha224": "1.2.840.113549.1.1.14",
    "sha256": "1.2.840.113549.1.1.11",
    "sha384": "1.2.840.113549.1.1.12",
    "sha512": "1.2.840.113549.1.1.13",
}
ECDSA_WITH = {
    "sha1": "1.2.840.10045.4.1",
    "sha224": "1.2.840.10045.4.3.1",
    "sha256": "1.2.840.10045.4.3.2",
    "sha384": "1.2.840.10045.4.3.3",
    "sha512": "1.2.840.10045.4.3.4",
}
SOD_CONTENT, MASTER_LIST = "2.23.136.1.1.1", "2.23.136.1.1.2"
_OPENSSL_CURVES = {
    "secp256r1": ec.SECP256R1,
    "secp384r1": ec.SECP384R1,
    "brainpoolP256r1": ec.BrainpoolP256R1,
}
_serials = count(1000)


def sequence(*parts: bytes) -> bytes:
    return encode(0x30, b"".join(parts))


def set_of(*parts: bytes) -> bytes:
    return encode(0x31, b"".join(sorted(parts)))


def oid(dotted: str) -> bytes:
    return encode(0x06, encode_oid(dotted))


def integer(value: int) -> bytes:
    return encode(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def bits(value: bytes) -> bytes:
    return encode(0x03, b"\0" + value)


def utc(moment: datetime) -> bytes:
    return encode(0x17, moment.strftime("%y%m%d%H%M%SZ").encode())


def digest_info(name: str) -> bytes:
    return sequence(oid(HASHES[name][0]), b"\x05\0")


@dataclass(frozen=True)
class Key:
    """A private key with its signature scheme: `rsa`, `pss`, or a curve, named or `explicit`."""

    scheme: str
    hash_name: str = "sha256"
    explicit: bool = False
    private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey = field(init=False)

    def __post_init__(self) -> None:
        made = (
            rsa.generate_private_key(65537, 2048)
            if self.scheme in {"rsa", "pss"}
            else ec.generate_private_key(_OPENSSL_CURVES[self.scheme]())
        )
        object.__setattr__(self, "private", made)

    @property
    def info(self) -> bytes:
        """SubjectPublicKeyInfo."""
        if not self.explicit:
            return self.private.public_key().public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        curve = next(c for c in CURVES if c.name == self.scheme)
        numbers = self.private.public_key().public_numbers()
        return sequence(
            sequence(oid("1.2.840.10045.2.1"), explicit_curve(curve.oid)),
            bits(curve.encode((numbers.x, numbers.y))),
        )

    @property
    def algorithm(self) -> bytes:
        if self.scheme == "rsa":
            return sequence(oid(RSA_WITH[self.hash_name]), b"\x05\0")
        if self.scheme == "pss":
            hashed = digest_info(self.hash_name)
            return sequence(
                oid("1.2.840.113549.1.1.10"),
                sequence(
                    encode(0xA0, hashed),
                    encode(0xA1, sequence(oid("1.2.840.113549.1.1.8"), hashed)),
                    encode(0xA2, integer(HASHES[self.hash_name][1].digest_size)),
                ),
            )
        return sequence(oid(ECDSA_WITH[self.hash_name]))

    def sign(self, data: bytes) -> bytes:
        function = HASHES[self.hash_name][1]
        if isinstance(self.private, ec.EllipticCurvePrivateKey):
            return self.private.sign(data, ec.ECDSA(function))
        scheme = (
            padding.PKCS1v15()
            if self.scheme == "rsa"
            else padding.PSS(padding.MGF1(function), function.digest_size)
        )
        return self.private.sign(data, scheme, function)


def explicit_curve(dotted: str) -> bytes:
    curve = BY_OID[dotted]
    return sequence(
        integer(1),
        sequence(oid("1.2.840.10045.1.1"), integer(curve.p)),
        sequence(
            encode(0x04, curve.a.to_bytes(curve.size, "big")),
            encode(0x04, curve.b.to_bytes(curve.size, "big")),
        ),
        encode(0x04, curve.encode(curve.generator)),
        integer(curve.order),
        integer(1),
    )


def negative_info(key: Key) -> bytes:
    """Return the key's info with its modulus as a negative INTEGER: no zero byte in front of it."""
    assert isinstance(key.private, rsa.RSAPrivateKey)
    numbers = key.private.public_key().public_numbers()
    modulus = encode(0x02, numbers.n.to_bytes(256, "big"))
    return sequence(
        sequence(oid("1.2.840.113549.1.1.1"), b"\x05\0"), bits(sequence(modulus, integer(numbers.e)))
    )


class NegativeKey(Key):
    """An RSA key whose certificate has its modulus as a negative number."""

    @property
    def info(self) -> bytes:
        return negative_info(self)


@dataclass(frozen=True)
class Issued:
    """A certificate with its key."""

    der: bytes
    key: Key
    name: bytes
    key_id: bytes
    serial: int


def name(country: str | None, common: str) -> bytes:
    parts = [] if country is None else [("2.5.4.6", encode(0x13, country.encode()))]
    parts.append(("2.5.4.3", encode(0x0C, common.encode())))
    return sequence(*(encode(0x31, sequence(oid(kind), value)) for kind, value in parts))


def certificate(
    key: Key,
    *,
    issuer: Issued | None = None,
    country: str | None = "UT",
    common: str = "CSCA",
    start: datetime = START,
    end: datetime = END,
    authority_key_id: bytes | None = None,
    identifiers: bool = True,
    key_id_value: bytes | None = None,
    more_extensions: tuple[bytes, ...] = (),
) -> Issued:
    """Issue a certificate: self-signed and a CA without `issuer`, else a signer's.

    `key_id_value` is written in place of the subject key identifier, its OCTET STRING included.
    """
    serial = next(_serials)
    key_id = hashlib.sha1(key.info, usedforsecurity=False).digest()
    subject = name(country, common)
    signing, signer_name = (issuer.key, issuer.name) if issuer else (key, subject)
    extensions = []
    if identifiers:
        above = authority_key_id or (issuer.key_id if issuer else key_id)
        value = encode(0x04, key_id) if key_id_value is None else key_id_value
        extensions.append(sequence(oid("2.5.29.14"), encode(0x04, value)))
        extensions.append(sequence(oid("2.5.29.35"), encode(0x04, sequence(encode(0x80, above)))))
    if issuer is None:
        basic = sequence(b"\x01\x01\xff", integer(0))
        extensions.append(sequence(oid("2.5.29.19"), b"\x01\x01\xff", encode(0x04, basic)))
        extensions.append(sequence(oid("2.5.29.15"), b"\x01\x01\xff", encode(0x04, b"\x03\x02\x01\x06")))
    extensions.extend(more_extensions)
    body = sequence(
        encode(0xA0, integer(2)),
        integer(serial),
        signing.algorithm,
        signer_name,
        sequence(utc(start), utc(end)),
        subject,
        key.info,
        encode(0xA3, sequence(*extensions)) if extensions else b"",
    )
    der = sequence(body, signing.algorithm, bits(signing.sign(body)))
    return Issued(der, key, subject, key_id, serial)


def revocation_list(
    issuer: Issued, *revoked: int, start: datetime = START, end: datetime | None = END, key: Key | None = None
) -> bytes:
    signing = key or issuer.key
    entries = sequence(*(sequence(integer(serial), utc(start)) for serial in revoked)) if revoked else b""
    identifier = sequence(oid("2.5.29.35"), encode(0x04, sequence(encode(0x80, issuer.key_id))))
    body = sequence(
        integer(1),
        signing.algorithm,
        issuer.name,
        utc(start),
        utc(end) if end else b"",
        entries,
        encode(0xA0, sequence(identifier)),
    )
    return sequence(body, signing.algorithm, bits(signing.sign(body)))


def signed_data(
    content_type: str,
    content: bytes,
    signer: Issued,
    *,
    certificates: tuple[Issued, ...] | None = None,
    issuer_name: bytes | None = None,
    attributes: bool = True,
    stated_digest: bytes | None = None,
    by_key_id: bool = False,
    algorithm: bytes | None = None,
) -> bytes:
    """CMS SignedData in its ContentInfo."""
    hash_name = signer.key.hash_name
    digest = stated_digest or hashlib.new(hash_name, content, usedforsecurity=False).digest()
    signed_attributes = b""
    to_sign = content
    if attributes:
        items = sorted(
            [
                sequence(oid("1.2.840.113549.1.9.3"), set_of(oid(content_type))),
                sequence(oid("1.2.840.113549.1.9.4"), set_of(encode(0x04, digest))),
            ]
        )
        signed_attributes = encode(0xA0, b"".join(items))
        to_sign = encode(0x31, b"".join(items))
    identifier = (
        encode(0x80, signer.key_id) if by_key_id else sequence(issuer_name or b"", integer(signer.serial))
    )
    info = sequence(
        integer(3 if by_key_id else 1),
        identifier,
        digest_info(hash_name),
        signed_attributes,
        algorithm or signer.key.algorithm,
        encode(0x04, signer.key.sign(to_sign)),
    )
    inside = (signer,) if certificates is None else certificates
    data = sequence(
        integer(3),
        set_of(digest_info(hash_name)),
        sequence(oid(content_type), encode(0xA0, encode(0x04, content))),
        encode(0xA0, b"".join(c.der for c in inside)) if inside else b"",
        encode(0x31, info),
    )
    return sequence(oid("1.2.840.113549.1.7.2"), encode(0xA0, data))


def lds_security_object(groups: Mapping[int, bytes], hash_name: str = "sha256") -> bytes:
    values = (
        sequence(integer(n), encode(0x04, hashlib.new(hash_name, c, usedforsecurity=False).digest()))
        for n, c in groups.items()
    )
    return sequence(integer(0), digest_info(hash_name), sequence(*values))


def security_object(
    groups: Mapping[int, bytes], signer: Issued, csca: Issued, hash_name: str = "sha256", **more: object
) -> bytes:
    """EF.SOD."""
    content = lds_security_object(groups, hash_name)
    return encode(0x77, signed_data(SOD_CONTENT, content, signer, issuer_name=csca.name, **more))


def master_list(certificates: tuple[bytes, ...], signer: Issued, csca: Issued) -> bytes:
    content = sequence(integer(0), encode(0x31, b"".join(certificates)))
    return signed_data(MASTER_LIST, content, signer, certificates=(signer, csca), issuer_name=csca.name)


def with_malformed_validity(certificate: Issued) -> bytes:
    """Return a certificate whose first time is none: it is unusable, and its subject can still be read."""
    begin = certificate.der.index(b"\x17\x0d") + 2
    return certificate.der[:begin] + b"not a time!!!" + certificate.der[begin + 13 :]
