"""Signing keys of gateways and stations: anyone with the public key can verify what they sign.

Stored as PEM: PKCS #8 (RFC 5958, RFC 8410) and SubjectPublicKeyInfo. A gateway's key is Ed25519; a station's
may also be P-256.
"""

import json
from base64 import b64decode
from pathlib import Path

from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from gateway.common.atomic_file import write_whole
from gateway.common.public_keys import PublicKey, key_id, parse_public_key, supported_key

KEY_FILE, PUBLIC_FILE = "signing.key", "signing.pub"


class UnusableKeyError(Exception):
    """A file holds no key of the required kind; the text names the file, never its content."""


def make_signing_key(folder: Path) -> Ed25519PrivateKey:
    """Make `signing.key` (mode 0600) and `signing.pub` in a folder; raises FileExistsError, OSError."""
    key = Ed25519PrivateKey.generate()
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_whole(folder / KEY_FILE, secret, 0o600, replace=False)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    write_whole(folder / PUBLIC_FILE, public, 0o644)
    return key


def private_key(pem: bytes, passphrase: bytes | None = None) -> PrivateKeyTypes:
    """Load a private key of any kind; raises ValueError; TypeError if a passphrase is missing or needless."""
    try:
        return load_pem_private_key(pem, passphrase)
    except (UnsupportedAlgorithm, InternalError):  # TypeError: an Ed25519 key of 31 bytes
        raise ValueError("no private key") from None


def load_signing_key(file: Path) -> Ed25519PrivateKey:
    """Load a private signing key; raises UnusableKeyError, OSError."""
    try:
        key = private_key(file.read_bytes())
    except (ValueError, TypeError):
        raise UnusableKeyError(f"{file} holds no private key in PEM without a passphrase") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UnusableKeyError(f"{file} holds a key, but no Ed25519 key")
    return key


def load_public_key(file: Path) -> Ed25519PublicKey:
    """Load a public key; raises UnusableKeyError, OSError."""
    try:
        key = load_pem_public_key(file.read_bytes())
    except (ValueError, UnsupportedAlgorithm, InternalError):
        raise UnusableKeyError(f"{file} holds no public key in PEM") from None
    if not isinstance(key, Ed25519PublicKey):
        raise UnusableKeyError(f"{file} holds a key, but no Ed25519 key")
    return key


def make_station_key(file: Path) -> Ed25519PrivateKey:
    """Make a station's private key in a file (mode 0600); raises FileExistsError, OSError.

    Its id does not begin with a dash: such an id looks like an option of a command, or like a formula.
    """
    while key_id((key := Ed25519PrivateKey.generate()).public_key()).startswith("-"):
        pass
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_whole(file, secret, 0o600, replace=False)
    return key


def load_station_key(file: Path) -> Ed25519PrivateKey | EllipticCurvePrivateKey:
    """Load a station's private key, Ed25519 or P-256; raises UnusableKeyError, OSError."""
    try:
        key = private_key(file.read_bytes())
    except (ValueError, TypeError):
        raise UnusableKeyError(f"{file} holds no private key in PEM without a passphrase") from None
    if isinstance(key, Ed25519PrivateKey):
        return key
    if isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1):
        return key
    raise UnusableKeyError(f"{file} holds a key, but no Ed25519 or P-256 key")


def read_public_key(content: bytes, name: str) -> PublicKey:
    """Read a station's public key: PEM, the base64 line of it, or a JWK (RFC 7517).

    `name`: for the text of the error. Raises UnusableKeyError.
    """
    text = content.decode("utf-8", "replace").strip()
    try:
        if text.startswith("{"):
            return _key_of_jwk(text)
        if text.startswith("-----"):
            return supported_key(load_pem_public_key(content))
        return parse_public_key(text)
    except (ValueError, UnsupportedAlgorithm, InternalError):
        raise UnusableKeyError(
            f"{name} holds no public key of Ed25519 or P-256, as PEM, as one line of base64, or as JWK"
        ) from None


def _key_of_jwk(text: str) -> PublicKey:
    """Read a public key as a browser exports it; raises ValueError. A private key is refused."""
    jwk = json.loads(text)
    if not isinstance(jwk, dict) or "d" in jwk:
        raise ValueError("no public key")
    x, y = (_b64url(jwk.get(name)) for name in ("x", "y"))
    match jwk.get("kty"), jwk.get("crv"):
        case "OKP", "Ed25519":
            return Ed25519PublicKey.from_public_bytes(x)
        case "EC", "P-256":
            return EllipticCurvePublicKey.from_encoded_point(SECP256R1(), b"\x04" + x + y)
    raise ValueError("another kind of key")


def _b64url(text: object) -> bytes:
    """Decode base64url without padding; empty for what is no text. Raises ValueError."""
    if not isinstance(text, str):
        return b""
    return b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
