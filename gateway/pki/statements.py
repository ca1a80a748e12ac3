"""Signatures of a gateway's retained messages, previews, tokens and answers.

A retained message carries the user properties `revision`, which is its session, a slash, and a number that
increases with each retained message of the session; and `jws`, a detached JWS over topic, line feed,
revision, line feed and body. An empty body, which clears the topic, is signed as well. The tokens of the
gateway list the newest number of each topic, so that a broker can neither show an old message as the newest
nor hide one. The pictures of a preview have a revision and a signature too, and are not listed: an old one is
never shown again. Tokens and answers are signed as commands are: topic, line feed, body.
"""

from collections.abc import Callable
from typing import TypeAlias

from gateway.contract.commands import SIGNATURE_PROPERTY, signed_bytes
from gateway.contract.states import FreshToken

REVISION_PROPERTY = "revision"
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
            (SIGNATURE_PROPERTY, self._sign(revision_bytes(topic, revision, body))),
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


def revision_bytes(topic: str, revision: str, body: bytes) -> bytes:
    """Return what the signature of a retained message or a picture covers."""
    return b"\n".join((topic.encode(), revision.encode(), body))
