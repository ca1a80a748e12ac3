"""Logins of browsers: a PKCS #12 file with a principal's certificate, and a password at the broker.

Any page in a browser may use the certificates of that browser, so the broker requires a password as well.
Both secrets are random: nobody chooses or remembers them.
"""

import secrets
from base64 import b64encode
from hashlib import pbkdf2_hmac

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    KeySerializationEncryption,
    PrivateFormat,
    pkcs12,
)

from gateway.pki.keys import UnusableKeyError, private_key

_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""Letters and digits that nobody confuses on paper."""
_GROUPS, _GROUP = 5, 5
_ITERATIONS = 1000
"""Rounds of the hash: few, because 120 random bits cannot be tried, and the broker waits for each login."""
_LEGACY_ROUNDS = 50_000


def new_word() -> str:
    """Make a random password of more than 120 bits, in groups to type."""
    groups = ("".join(secrets.choice(_LETTERS) for _ in range(_GROUP)) for _ in range(_GROUPS))
    return "-".join(groups)


def hashed(word: str) -> str:
    """Return a password as Mosquitto stores it: PBKDF2 with SHA-512 (mosquitto_passwd(1))."""
    salt = secrets.token_bytes(12)
    digest = pbkdf2_hmac("sha512", word.encode(), salt, _ITERATIONS)
    return f"$7${_ITERATIONS}${b64encode(salt).decode()}${b64encode(digest).decode()}"


def pkcs12_file(
    name: str, certificate: bytes, key: bytes, authority: bytes, word: str, *, legacy: bool
) -> bytes:
    """Make the PKCS #12 file (RFC 7292) of a principal from PEM; raises UnusableKeyError.

    `legacy`: with 3DES and SHA-1, for Windows before 10 1709, macOS before 13 and Android before 13, which
    read no other; default: AES-256 and SHA-256.
    """
    try:
        secret = private_key(key)
        own = x509.load_pem_x509_certificate(certificate)
        issuer = x509.load_pem_x509_certificate(authority)
    except (ValueError, TypeError):
        raise UnusableKeyError(f"the files of {name} hold no certificate and private key") from None
    encryption: KeySerializationEncryption = BestAvailableEncryption(word.encode())
    if legacy:
        encryption = (
            PrivateFormat.PKCS12.encryption_builder()
            .kdf_rounds(_LEGACY_ROUNDS)
            .key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
            .hmac_hash(SHA1())  # noqa: S303 - what those systems read
            .build(word.encode())
        )
    return pkcs12.serialize_key_and_certificates(
        name.encode(),
        secret,  # type: ignore[arg-type] # one that `trust` made
        own,
        [issuer],
        encryption,
    )


def password_file(passwords: dict[str, str]) -> str:
    """Return Mosquitto's password_file, from hashes by user name."""
    return "".join(f"{name}:{word}\n" for name, word in sorted(passwords.items()))
