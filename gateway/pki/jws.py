"""Detached signatures: JWS of RFC 7515, appendix F, made with Ed25519 (RFC 8037, RFC 9864) over exact bytes.

There is one algorithm, and a header that names it and the key. Nothing is negotiated, so cryptography's own
functions suffice; tests compare them with another implementation.
"""

import json
import re
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Iterable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.pki.keys import key_id

SIGNATURE_PROPERTY = "jws"
"""The MQTT 5 user property that carries the signature of an event."""
_ALGORITHM = "Ed25519"
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

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self.kid = key_id(key.public_key())
        self._sign = key.sign
        header = json.dumps({"alg": _ALGORITHM, "kid": self.kid}, separators=(",", ":"))
        self._header = _base64(header.encode())

    def sign(self, payload: bytes) -> str:
        """Make the detached JWS of a payload: `header..signature`."""
        header = self._header
        return (header + b".." + _base64(self._sign(header + b"." + _base64(payload)))).decode()


class Verifier:
    """Verifier with the public keys of all accepted signers."""

    def __init__(self, keys: Iterable[Ed25519PublicKey]) -> None:
        self._keys = {key_id(key): key for key in keys}

    def check(self, payload: bytes, jws: str) -> str:
        """Verify a signature; returns its key's id; raises InvalidSignatureError, UnknownSignerError."""
        header, kid, signature = _split_jws(jws)
        key = self._keys.get(kid)
        if key is None:
            raise UnknownSignerError(kid)
        try:
            key.verify(signature, header + b"." + _base64(payload))
        except InvalidSignature:
            raise InvalidSignatureError("it does not fit these bytes") from None
        return kid


def _split_jws(jws: str) -> tuple[bytes, str, bytes]:
    """Return header as signed, key id and signature; raises InvalidSignatureError."""
    parts = jws.split(".")
    if len(jws) > _LONGEST or not jws.isascii() or len(parts) != 3 or parts[1]:
        raise InvalidSignatureError("it is no detached JWS")
    header, signature = _decoded(parts[0]), _decoded(parts[2])
    try:
        said = json.loads(header)
    except (ValueError, RecursionError):
        said = None
    # Anything else in it, such as `crit` or `b64`, might change what is signed.
    if not isinstance(said, dict) or set(said) != {"alg", "kid"} or said["alg"] != _ALGORITHM:
        raise InvalidSignatureError("its header has another form")
    # The key id is logged before it is known to be valid: it must have the form of one.
    if not isinstance(said["kid"], str) or not _KEY_ID.fullmatch(said["kid"]):
        raise InvalidSignatureError("it names no key")
    return parts[0].encode(), said["kid"], signature


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
