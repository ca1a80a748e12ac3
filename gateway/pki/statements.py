"""Signatures of a gateway's retained messages, previews, tokens and answers.

A retained message carries the user properties `revision`, which is its session, a slash, and a number that
increases with each retained message of the session; and `jws`, a detached JWS over topic, line feed,
revision, line feed and body. An empty body, which clears the topic, is signed as well. The tokens of the
gateway list the newest number of each topic, so that a broker can neither show an old message as the newest
nor hide one. The pictures of a preview have a revision and a signature too, and are not listed: an old one is
never shown again. Tokens and answers are signed as commands are: topic, line feed, body.
"""

import re
from collections.abc import Callable, Iterable
from typing import TypeAlias

from gateway.common.public_keys import PublicKey
from gateway.contract.commands import SIGNATURE_PROPERTY, signed_bytes
from gateway.contract.states import FreshToken, Revision
from gateway.pki.jws import InvalidSignatureError, UnknownSignerError, Verifier

REVISION_PROPERTY = "revision"
_REVISION = re.compile(r"([A-Za-z0-9_-]{1,64})/([1-9][0-9]{0,15})")
UserProperties: TypeAlias = tuple[tuple[str, str], ...]


class StatementSigner:
    """Signer of one session of a gateway. Without a key nothing is signed, and messages have no number."""

    def __init__(self, session: str, prefix: str, sign: Callable[[bytes], str] | None) -> None:
        """`prefix`: root and site of all topics, with a slash at its end."""
        self._session = session
        self._prefix = prefix
        self._sign = sign
        self._number = 0
        self._tokens = 0
        self._newest: dict[str, int] = {}

    def sign_retained(self, topic: str, body: bytes) -> UserProperties:
        """Sign a retained message under the next number; an empty body clears the topic."""
        signed = self.sign_picture(topic, body)
        name = topic.removeprefix(self._prefix)
        if signed and body:
            self._newest[name] = self._number
        else:
            self._newest.pop(name, None)
        return signed

    def sign_picture(self, topic: str, body: bytes) -> UserProperties:
        """Sign a picture of a preview under the next number; an empty body ends the preview."""
        if self._sign is None:
            return ()
        self._number += 1
        revision = f"{self._session}/{self._number}"
        return (
            (REVISION_PROPERTY, revision),
            (SIGNATURE_PROPERTY, self._sign(_revision_bytes(topic, revision, body))),
        )

    def sign(self, topic: str, body: bytes) -> UserProperties:
        """Sign a token or an answer."""
        return () if self._sign is None else ((SIGNATURE_PROPERTY, self._sign(signed_bytes(topic, body))),)

    def token_message(self, token: str) -> bytes:
        """Write the message with a token and the newest numbers."""
        self._tokens += 1
        message = FreshToken(
            session=self._session, token=token, number=self._tokens, numbers=dict(self._newest)
        )
        return message.model_dump_json().encode()


class StatementVerifier:
    """Verifier with the public keys of all gateways of a site."""

    def __init__(self, keys: Iterable[PublicKey]) -> None:
        self._verifier = Verifier(keys)

    def check_retained(self, topic: str, body: bytes, user: UserProperties) -> Revision:
        """Verify a retained message or a picture; raises InvalidSignatureError with the reason."""
        revision = _single(user, REVISION_PROPERTY)
        parts = _REVISION.fullmatch(revision)
        if parts is None:
            raise InvalidSignatureError("its revision has another form")
        key = self._check(_revision_bytes(topic, revision, body), user)
        return Revision(parts[1], int(parts[2]), key)

    def check(self, topic: str, body: bytes, user: UserProperties) -> str:
        """Verify a token or an answer; returns the key's id; raises InvalidSignatureError."""
        return self._check(signed_bytes(topic, body), user)

    def _check(self, signed: bytes, user: UserProperties) -> str:
        try:
            return self._verifier.check(signed, _single(user, SIGNATURE_PROPERTY))
        except UnknownSignerError as error:
            raise InvalidSignatureError(str(error)) from None


def _single(user: UserProperties, name: str) -> str:
    """Return the only value of a user property; raises InvalidSignatureError."""
    values = [value for key, value in user if key == name]
    if not values:
        raise InvalidSignatureError("it is not signed")
    if len(values) > 1:
        raise InvalidSignatureError("it has two signatures")
    return values[0]


def _revision_bytes(topic: str, revision: str, body: bytes) -> bytes:
    return b"\n".join((topic.encode(), revision.encode(), body))
