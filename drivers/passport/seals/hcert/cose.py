"""Signed CBOR: COSE_Sign1 (RFC 9052, section 4.2) around a CBOR Web Token (RFC 8392)."""

import base64
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, NoReturn

import cbor2
from pydantic import JsonValue

from drivers.passport.seals.errors import MalformedSealError

ALGORITHMS = {-7: "ES256", -35: "ES384", -36: "ES512", -37: "PS256", -38: "PS384", -39: "PS512"}
"""Signature algorithms by their number (RFC 9053, section 2; RFC 8230)."""
_MAX_DEPTH = 16
_MAX_VALUES = 4096
_MAX_INTEGER_BITS = 64
_TAGS = frozenset({18, 61})
"""Tags around a message: COSE_Sign1, CBOR Web Token."""
_ALGORITHM, _KEY_ID = 1, 4
# Decimals and rationals of any exponent, shared values, patterns and the like: no certificate has them, and
# some cost far more than their bytes.
_REFUSED_TAGS = (4, 5, 25, 28, 29, 30, 35, 36, 37, 256, 258, 260, 261)


@dataclass(frozen=True, slots=True)
class Sign1:
    """A message with one signature."""

    protected: bytes = field(repr=False)
    algorithm: str | None
    """None for an algorithm that is not in ALGORITHMS."""
    key_id: bytes | None
    payload: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    @property
    def signed(self) -> bytes:
        """The bytes that were signed: Sig_structure of RFC 9052, section 4.4."""
        return cbor2.dumps(["Signature1", self.protected, b"", self.payload])


def parse_sign1(data: bytes) -> Sign1:
    """Parse a message; raises MalformedSealError."""
    value = load(data)
    while isinstance(value, cbor2.CBORTag) and value.tag in _TAGS:
        value = value.value
    match value:
        # Inside a tag, cbor2 makes tuples and frozen mappings.
        case [bytes(protected), Mapping() as unprotected, bytes(payload), bytes(signature)]:
            pass
        case _:
            raise MalformedSealError("a message is no COSE_Sign1")
    head = load(protected) if protected else {}
    if not isinstance(head, Mapping):
        raise MalformedSealError("a message has no header")
    # Both may come outside the signature; what is inside it counts first.
    algorithm = head.get(_ALGORITHM, unprotected.get(_ALGORITHM))
    key_id = head.get(_KEY_ID, unprotected.get(_KEY_ID))
    return Sign1(
        protected=protected,
        algorithm=ALGORITHMS.get(algorithm) if type(algorithm) is int else None,
        key_id=key_id if isinstance(key_id, bytes) else None,
        payload=payload,
        signature=signature,
    )


def load(data: bytes) -> Any:
    """Parse CBOR without the types that no certificate has; raises MalformedSealError."""
    try:
        return cbor2.loads(
            data,
            max_depth=_MAX_DEPTH,
            allow_duplicate_keys=False,
            semantic_decoders=dict.fromkeys(_REFUSED_TAGS, _refuse),
        )
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, RecursionError, MemoryError, EOFError):
        raise MalformedSealError("a certificate is no CBOR, or has types that no certificate has") from None


def _refuse(decoder: object) -> NoReturn:  # noqa: ARG001
    raise ValueError("refused")


def to_json(value: object) -> JsonValue:
    """Convert CBOR to JSON: bytes to base64, times to ISO 8601; raises MalformedSealError."""
    return _Converter().convert(value)


class _Converter:
    """Converter of one value with a bound on the number of values in it."""

    def __init__(self) -> None:
        self._count = 0

    def convert(self, value: object) -> JsonValue:
        self._count += 1
        if self._count > _MAX_VALUES:
            raise MalformedSealError("a certificate has too many values")
        match value:
            case None | bool() | str():
                return value
            case int():
                if value.bit_length() > _MAX_INTEGER_BITS:
                    raise MalformedSealError("a certificate has a number that is too large")
                return value
            case float():
                if not math.isfinite(value):
                    raise MalformedSealError("a certificate has a number that is none")
                return value
            case bytes():
                return base64.b64encode(value).decode("ascii")
            case datetime() | date():
                return value.isoformat()
            case list() | tuple():
                return [self.convert(item) for item in value]
            case Mapping():
                return {str(self.convert(name)): self.convert(item) for name, item in value.items()}
            case cbor2.CBORTag():
                return self.convert(value.value)
            case _:
                return None


def to_time(value: object) -> datetime | None:
    """Convert a NumericDate (RFC 8392, section 2); None when there is none. Raises MalformedSealError."""
    match value:
        case None:
            return None
        case float() if math.isnan(value):  # certificates without an end exist that are written so
            return None
        case datetime() | int() | float() if not isinstance(value, bool):
            with suppress(ValueError, OverflowError, OSError):
                if isinstance(value, datetime):
                    return value.astimezone(UTC)
                return datetime.fromtimestamp(value, UTC)
    raise MalformedSealError("a certificate has a time that is none")
