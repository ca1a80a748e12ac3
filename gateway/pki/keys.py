"""Signing key of a gateway, Ed25519: anyone with the public key can verify what it signs.

Stored as PEM: PKCS #8 (RFC 5958, RFC 8410) and SubjectPublicKeyInfo. The id of a key is its RFC 7638
thumbprint.
"""

from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InternalError, UnsupportedAlgorithm
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


def key_id(key: Ed25519PublicKey) -> str:
    """Return the id of a key: the SHA-256 thumbprint of its JWK (RFC 7638; RFC 8037, section 2)."""
    x = _base64(key.public_bytes_raw())
    return _base64(sha256(f'{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}'.encode()).digest())


def _base64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
