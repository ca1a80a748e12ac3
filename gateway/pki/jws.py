"""Detached signatures: JWS of RFC 7515, appendix F, over exact bytes.

Made with Ed25519 (RFC 8037, RFC 9864), or with ES256 (RFC 7518, section 3.4) by browsers without it. The
algorithm belongs to the key: a header that names another one is invalid. Nothing is negotiated, so
cryptography's own functions suffice; tests compare them with another implementation.
"""

import json
import re
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Iterable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from gateway.common.public_keys import PublicKey, key_id

_HALF = 32
"""Size of each of the two numbers of a signature with P-256, in bytes."""
_LONGEST = 1024
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class InvalidSignatureError(ValueError):
    """The signature does not fit these bytes, or has another form; the text says which."""


class UnknownSignerError(Exception):
    """It was signed with a key that was not given; `kid` is the id of that key."""

    def __init__(self, kid: str) -> None:
        super().__init__(f"signed with {kid}, which is no key that was given")
        self.kid = kid


class Signer:
    """Signer with one key; may be used by several threads."""

    def __init__(self, key: Ed25519PrivateKey | EllipticCurvePrivateKey) -> None:
        public = key.public_key()
        self.kid = key_id(public)
        self._key = key
        header = json.dumps({"alg": algorithm_of(public), "kid": self.kid}, separators=(",", ":"))
        self._header = _base64(header.encode())

    def sign(self, payload: bytes) -> str:
        """Make the detached JWS of a payload: `header..signature`."""
        signed = self._header + b"." + _base64(payload)
        if isinstance(self._key, Ed25519PrivateKey):
            signature = self._key.sign(signed)
        else:
            r, s = decode_dss_signature(self._key.sign(signed, ECDSA(SHA256())))
            signature = r.to_bytes(_HALF, "big") + s.to_bytes(_HALF, "big")
        return (self._header + b".." + _base64(signature)).decode()


class Verifier:
    """Verifier with the public keys of all accepted signers."""

    def __init__(self, keys: Iterable[PublicKey]) -> None:
        self._keys = {key_id(key): key for key in keys}

    def check(self, payload: bytes, jws: str) -> str:
        """Verify a signature; returns its key's id; raises InvalidSignatureError, UnknownSignerError."""
        header, algorithm, kid, signature = _split_jws(jws)
        key = self._keys.get(kid)
        if key is None:
            raise UnknownSignerError(kid)
        if algorithm != algorithm_of(key):
            raise InvalidSignatureError("its header names another algorithm than that of the key")
        try:
            _verify(key, signature, header + b"." + _base64(payload))
        except InvalidSignature:
            raise InvalidSignatureError("it does not fit these bytes") from None
        return kid


def algorithm_of(key: PublicKey) -> str:
    """Return the name of a key's algorithm in a header (RFC 9864, RFC 7518)."""
    return "Ed25519" if isinstance(key, Ed25519PublicKey) else "ES256"


def named_key(jws: str) -> str:
    """Return the id of the key that a signature names, unverified; raises InvalidSignatureError."""
    return _split_jws(jws)[2]


def _verify(key: PublicKey, signature: bytes, signed: bytes) -> None:
    """Verify a signature; raises InvalidSignature."""
    if isinstance(key, Ed25519PublicKey):
        key.verify(signature, signed)
        return
    if len(signature) != 2 * _HALF:
        raise InvalidSignature
    r, s = (int.from_bytes(part, "big") for part in (signature[:_HALF], signature[_HALF:]))
    key.verify(encode_dss_signature(r, s), signed, ECDSA(SHA256()))


def _split_jws(jws: str) -> tuple[bytes, str, str, bytes]:
    """Return header as signed, algorithm, key id and signature; raises InvalidSignatureError."""
    parts = jws.split(".")
    if len(jws) > _LONGEST or not jws.isascii() or len(parts) != 3 or parts[1]:
        raise InvalidSignatureError("it is no detached JWS")
    header, signature = _decoded(parts[0]), _decoded(parts[2])
    try:
        said = json.loads(header)
    except (ValueError, RecursionError):
        said = None
    # Anything else in it, such as `crit` or `b64`, might change what is signed.
    if not isinstance(said, dict) or set(said) != {"alg", "kid"} or not isinstance(said["alg"], str):
        raise InvalidSignatureError("its header has another form")
    # The key id is logged before it is known to be valid: it must have the form of one.
    if not isinstance(said["kid"], str) or not _KEY_ID.fullmatch(said["kid"]):
        raise InvalidSignatureError("it names no key")
    return parts[0].encode(), said["alg"], said["kid"], signature


def _base64(raw: bytes) -> bytes:
    return urlsafe_b64encode(raw).rstrip(b"=")


def _decoded(text: str) -> bytes:
    """Decode base64url; raises InvalidSignatureError, also for another spelling of the same bytes."""
    try:
        raw = b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    except ValueError:
        raw = b""
    if not raw or _base64(raw) != text.encode():
        raise InvalidSignatureError("it is not valid base64url")
    return raw
