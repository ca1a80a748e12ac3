"""Public keys of stations and gateways: their text in a file, and their ids.

A key is written as base64 of its SubjectPublicKeyInfo (RFC 5280, section 4.1), which is the middle of a PEM
file and what a browser exports as `spki`. It names its own algorithm: Ed25519 (RFC 8410), or ECDSA with P-256
and SHA-256 (`ES256`) for browsers without Ed25519. The id is the thumbprint of RFC 7638.
"""

import binascii
from base64 import b64decode, b64encode, urlsafe_b64encode
from hashlib import sha256
from typing import TypeAlias

from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

PublicKey: TypeAlias = Ed25519PublicKey | EllipticCurvePublicKey
MAX_KEY_TEXT = 200
"""Longest text of a key; P-256 needs 124 characters."""


def parse_public_key(text: str) -> PublicKey:
    """Parse the text of a key; raises ValueError with a remedy after the semicolon."""
    wrong = "is no public key; write the base64 line of a PEM file, as `borderpost trust key` prints it"
    if len(text) > MAX_KEY_TEXT:
        raise ValueError(wrong)
    try:
        key = load_der_public_key(b64decode(text, validate=True))
    except (binascii.Error, ValueError, UnsupportedAlgorithm, InternalError):
        raise ValueError(wrong) from None
    return supported_key(key)


def supported_key(key: object) -> PublicKey:
    """Return the key; raises ValueError for another kind than Ed25519 or P-256."""
    if isinstance(key, Ed25519PublicKey):
        return key
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return key
    raise ValueError("is a key of another kind; make an Ed25519 or a P-256 key")


def format_public_key(key: PublicKey) -> str:
    """Return the text of a key, on one line."""
    return b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def key_id(key: PublicKey) -> str:
    """Return the id of a key: the SHA-256 thumbprint of its JWK (RFC 7638; RFC 8037, section 2)."""
    if isinstance(key, Ed25519PublicKey):
        members = f'"crv":"Ed25519","kty":"OKP","x":"{_base64(key.public_bytes_raw())}"'
    else:
        point = key.public_numbers()
        x, y = (_base64(number.to_bytes(32, "big")) for number in (point.x, point.y))
        members = f'"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"'
    return _base64(sha256(f"{{{members}}}".encode()).digest())


def _base64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
