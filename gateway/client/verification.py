"""Verification of signatures: each message must be signed by its gateway, for its topic."""

import json
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import Any, TypeAlias

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from drivers.observation import Observation
from gateway.client.freshness import Freshness
from gateway.client.models import DiscardCounts, ReceivedEvent, RejectedMessage
from gateway.common.public_keys import key_id
from gateway.contract.states import Revision
from gateway.contract.topics import GATEWAY_LANE, Position
from gateway.pki.jws import InvalidSignatureError, UnknownSignerError, Verifier
from gateway.pki.statement_verifier import StatementVerifier

log = structlog.get_logger()


UserProperties: TypeAlias = tuple[tuple[str, str], ...]
ANOTHER_GATEWAY = "it is signed with the key of another gateway"


def signers_of(keys: Mapping[str, Iterable[Ed25519PublicKey]]) -> frozenset[tuple[str, str]]:
    """Return pairs of a gateway, by site and name, and the id of a key of it."""
    return frozenset((gateway, key_id(key)) for gateway, given in keys.items() for key in given)


class StatementCheck:
    """Check of retained messages, tokens and answers; what is not signed is counted and reported."""

    def __init__(
        self,
        keys: Mapping[str, Iterable[Ed25519PublicKey]],
        prefix: str,
        freshness: Freshness,
        reject: Callable[[RejectedMessage], None],
    ) -> None:
        """`keys`: see `SignatureVerifier`. `prefix`: root and site of all topics, with a slash at its end."""
        self._verifier = StatementVerifier(key for given in keys.values() for key in given)
        self._signers = signers_of(keys)
        self._site = prefix.rstrip("/").rpartition("/")[2]
        self._prefix = prefix
        self._freshness = freshness
        self._reject = reject
        self._pictures: dict[str, Revision] = {}
        """Origin of the last picture of each preview, by topic."""

    def accepts_retained(self, topic: str, position: Position, body: bytes, user: UserProperties) -> bool:
        """Tell whether a retained message is signed, and no older than the one in use."""
        name = topic.removeprefix(self._prefix)
        try:
            revision = self._verifier.check_retained(topic, body, user)
            self._check_gateway(position, revision.key)
            if body and _string_field(body, "session") != revision.session:
                raise InvalidSignatureError("it names another session than its revision")
            if not self._freshness.hold(name, revision):
                raise InvalidSignatureError("it is older than the message in use")
        except InvalidSignatureError as error:
            self._report(topic, position, str(error))
            return False
        return True

    def accepts_picture(
        self, topic: str, position: Position, body: bytes, user: UserProperties, now_s: float
    ) -> bool:
        """Tell whether a picture of a preview is signed, by a living session, and newer than the last one."""
        try:
            order = self._verifier.check_retained(topic, body, user)
            if order.key != self._freshness.living_key(order.session, now_s):
                raise InvalidSignatureError("its session has published no token for too long")
            last = self._pictures.get(topic)
            if last is not None and last.session == order.session and order.number <= last.number:
                raise InvalidSignatureError("it is no newer than the last picture")
            self._pictures[topic] = order
        except InvalidSignatureError as error:
            self._report(topic, position, str(error))
            return False
        return True

    def key_of(self, topic: str, position: Position, body: bytes, user: UserProperties) -> str | None:
        """Return the id of the key that signed a token or an answer; None if there is none."""
        try:
            key = self._verifier.check(topic, body, user)
            self._check_gateway(position, key)
            return key
        except InvalidSignatureError as error:
            self._report(topic, position, str(error))
            return None

    def _check_gateway(self, position: Position, key: str) -> None:
        """Require a gateway's own key for its birth and its tokens; those bind its devices' messages."""
        if position.lane == GATEWAY_LANE and (f"{self._site}/{position.device}", key) not in self._signers:
            raise InvalidSignatureError(ANOTHER_GATEWAY)

    def _report(self, topic: str, position: Position, text: str) -> None:
        kind = topic.removeprefix(self._prefix).split("/")[2]
        self._reject(RejectedMessage(position, None, None, text, kind))


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
        self._verifier = Verifier(key for given in keys.values() for key in given)
        self._signers = signers_of(keys)
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
            self.reject(RejectedMessage(position, _id(payload), None, str(error)))
            return False
        # A signature for one device is not valid at the topic of another.
        source = _string_field(payload, "source") or ""
        gateway, _, there = source.removeprefix(self._source).partition("/")
        if not source.startswith(self._source) or not gateway or there != str(position):
            self.reject(RejectedMessage(position, _id(payload), None, "it was published at another position"))
            return False
        # A key is valid for one gateway only: neither for another gateway, nor for one of another state.
        if (f"{self._site}/{gateway}", kid) not in self._signers:
            self.reject(RejectedMessage(position, _id(payload), None, ANOTHER_GATEWAY))
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
                self.reject(RejectedMessage(received.position, received.envelope.id, role, text))
        return kept

    def reject(self, refused: RejectedMessage) -> None:
        """Count and report a message without a valid signature."""
        self._discarded.rejected += 1
        log.warning(
            "event_signature_rejected", device=str(refused.position), kind=refused.kind, text=refused.text
        )
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
