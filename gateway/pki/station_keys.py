"""Keys of stations as the role file lists them, and verification of signed commands."""

from gateway.common.public_keys import parse_public_key
from gateway.config import Roles
from gateway.contract.commands import signed_bytes
from gateway.contract.reason_codes import CommandReason
from gateway.pki.jws import InvalidSignatureError, UnknownSignerError, Verifier, named_key


class RoleFileKeys:
    """Keys of one role file, revoked ones included."""

    def __init__(self, roles: Roles) -> None:
        self._entries = roles.key
        self._verifier = Verifier(parse_public_key(entry.public_key) for entry in roles.key.values())

    def verify(self, station: str, topic: str, body: bytes, jws: str) -> tuple[str, CommandReason | None]:
        """Return the id of the key, and the reason for refusal; None when the signature is valid.

        A revoked key is a reason only where the signature is valid: it proves that the key is still in use.
        """
        try:
            key = named_key(jws)
            entry = self._entries.get(key)
            if entry is not None and entry.station != station:
                return key, CommandReason.WRONG_TOPIC
            self._verifier.check(signed_bytes(topic, body), jws)
        except InvalidSignatureError:
            return "", CommandReason.BAD_SIGNATURE
        except UnknownSignerError:
            return "", CommandReason.UNKNOWN_KEY
        if entry is not None and entry.revoked is not None:
            return key, CommandReason.REVOKED_KEY
        return key, None
