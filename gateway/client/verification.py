"""Verification of signatures: each event must be signed by its gateway, for its position."""

import json
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import Any

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from drivers.observation import Observation
from gateway.client.models import DiscardCounts, ReceivedEvent, RejectedMessage
from gateway.contract.topics import Position
from gateway.pki.jws import InvalidSignatureError, UnknownSignerError, Verifier
from gateway.pki.keys import key_id

log = structlog.get_logger()


class SignatureVerifier:
    """Verifier that rejects, counts and reports messages without a valid signature."""

    def __init__(
        self,
        keys: Mapping[str, Iterable[Ed25519PublicKey]],
        site: str,
        discarded: DiscardCounts,
        on_rejected: Callable[[RejectedMessage], None] | None,
    ) -> None:
        """`keys`: of each gateway, by its site and name, such as `ke-busia/gw-1`."""
        known = [(name, key) for name, given in keys.items() for key in given]
        self._verifier = Verifier(key for _, key in known)
        self._signers = {(name, key_id(key)) for name, key in known}
        self._site = site
        self._source = f"/bgw/{site}/"
        self._discarded = discarded
        self._on_rejected = on_rejected

    def verify_event(self, position: Position, payload: bytes, jws: str | None) -> bool:
        """Tell whether an event is signed by the gateway, and was published at its own position."""
        try:
            if jws is None:
                raise InvalidSignatureError("it is not signed")
            kid = self._verifier.check(payload, jws)
        except (InvalidSignatureError, UnknownSignerError) as error:
            self._reject(RejectedMessage(position, _id(payload), None, str(error)))
            return False
        # A signature for one device is not valid at the topic of another.
        source = _string_field(payload, "source") or ""
        gateway, _, there = source.removeprefix(self._source).partition("/")
        if not source.startswith(self._source) or not gateway or there != str(position):
            self._reject(
                RejectedMessage(position, _id(payload), None, "it was published at another position")
            )
            return False
        # A key is good for one gateway: that of another gateway, or of another state, does not vouch for it.
        if (f"{self._site}/{gateway}", kid) not in self._signers:
            text = "it is signed with the key of another gateway"
            self._reject(RejectedMessage(position, _id(payload), None, text))
            return False
        return True

    def verify_images(self, received: ReceivedEvent, images: dict[str, bytes]) -> dict[str, bytes]:
        """Return the images whose hash is in the signed event."""
        listed = _hashes(received)
        kept = {}
        for role, content in images.items():
            if listed.get(role) == sha256(content).hexdigest():
                kept[role] = content
            else:
                text = "its hash is not the one in the event"
                self._reject(RejectedMessage(received.position, received.envelope.id, role, text))
        return kept

    def _reject(self, refused: RejectedMessage) -> None:
        self._discarded.rejected += 1
        log.warning("event_signature_rejected", device=str(refused.position), text=refused.text)
        if self._on_rejected is not None:
            self._on_rejected(refused)


def _string_field(payload: bytes, name: str) -> str | None:
    try:
        found = json.loads(payload)[name]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return found if isinstance(found, str) else None


def _id(payload: bytes) -> str | None:
    """Return the id of an event if it has the form of one: it is not verified."""
    found = _string_field(payload, "id")
    return found if found is not None and len(found) == 36 and found.replace("-", "").isalnum() else None


def _hashes(received: ReceivedEvent) -> dict[str, Any]:
    if isinstance(received.data, Observation):
        return {attachment.role: attachment.sha256 for attachment in received.data.attachments}
    try:
        return {each["role"]: each["sha256"] for each in received.data.get("attachments", ())}
    except (TypeError, KeyError, AttributeError):
        return {}
