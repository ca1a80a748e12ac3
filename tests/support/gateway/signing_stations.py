"""Keys of stations for tests: private keys in memory, their entries for a role file, and signed messages."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.common.public_keys import format_public_key
from gateway.config import Roles
from gateway.contract.commands import signed_bytes
from gateway.pki.jws import Signer


def p256_key() -> EllipticCurvePrivateKey:
    """Make a key as a browser without Ed25519 does."""
    return generate_private_key(SECP256R1())


@dataclass(frozen=True)
class SigningStation:
    """A station with a key of its own."""

    name: str
    key: Ed25519PrivateKey | EllipticCurvePrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def signer(self) -> Signer:
        return Signer(self.key)

    @property
    def pem(self) -> str:
        """Private key, as a station's program reads it."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    @property
    def public_key(self) -> str:
        return format_public_key(self.key.public_key())

    def sign(self, topic: str, body: bytes) -> str:
        """Make the signature of a command."""
        return self.signer.sign(signed_bytes(topic, body))

    def entry(self, **more: str) -> dict[str, Any]:
        """Return its entry in a role file, by the id of the key."""
        return {self.signer.kid: {"station": self.name, "public_key": self.public_key, **more}}

    def table(self, revoked: str | None = None) -> str:
        """Return its entry as text of a role file."""
        lines = [f"[key.{self.signer.kid}]", f'station = "{self.name}"', f'public_key = "{self.public_key}"']
        return "\n".join([*lines, *([f'revoked = "{revoked}"'] if revoked else []), ""])


def with_keys(roles: Roles, entries: Mapping[str, Any]) -> Roles:
    """Return the roles with keys of stations."""
    return Roles.model_validate(roles.model_dump() | {"key": dict(entries)})
