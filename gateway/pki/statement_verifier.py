"""Verification of a gateway's retained messages, previews, tokens and answers; `statements` has their form.

Apart from the signer: a gateway signs with a function that it is given, and loads no public keys for it.
"""

import re
from collections.abc import Iterable

from gateway.common.public_keys import PublicKey
from gateway.contract.commands import SIGNATURE_PROPERTY, signed_bytes
from gateway.contract.states import Revision
from gateway.pki.jws import InvalidSignatureError, UnknownSignerError, Verifier
from gateway.pki.statements import REVISION_PROPERTY, UserProperties, revision_bytes

_REVISION = re.compile(r"([A-Za-z0-9_-]{1,64})/([1-9][0-9]{0,15})")


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
        key = self._check(revision_bytes(topic, revision, body), user)
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
