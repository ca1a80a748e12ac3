"""What both framings of Modbus make of bytes: whole messages, or what was none. Pure."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class CompleteMessage:
    """A message as it came. `tag` is MBAP's transaction, 0 on a serial line."""

    unit: int
    pdu: bytes
    wire: bytes
    tag: int = 0


@dataclass(frozen=True, slots=True)
class InvalidBytes:
    """Bytes that were no message, and what was wrong with them."""

    fault: str
    wire: bytes


class Framing(Protocol):
    """How messages travel."""

    def frame(self, unit: int, pdu: bytes, tag: int) -> bytes:
        """A message as bytes."""
