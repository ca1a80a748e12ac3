"""Results of both framings of Modbus: whole messages or invalid bytes. Pure."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class CompleteMessage:
    """A received message. `tag` is MBAP's transaction, 0 on a serial line."""

    unit: int
    pdu: bytes
    wire: bytes
    tag: int = 0


@dataclass(frozen=True, slots=True)
class InvalidBytes:
    """Invalid bytes and their fault."""

    fault: str
    wire: bytes


class Framing(Protocol):
    """Framing of messages."""

    def frame(self, unit: int, pdu: bytes, tag: int) -> bytes:
        """Return a message as bytes."""
