"""Limits on what a broker may send us: size, properties, QoS and number of messages.

A broker delivers what others publish, and may itself be hostile. Each limit is checked before a message is
parsed: parsing costs more time than sending.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from gateway.common.token_bucket import TokenBucket

MAX_PROPERTY_BYTES = 2048
"""Upper bound on the properties of a PUBLISH: paho 2.2 parses 30,000 bytes of them in a tenth of a second."""


@dataclass(frozen=True, slots=True)
class InboundLimits:
    """Limits of one connection."""

    packet_bytes: int = 64 * 1024
    """Longest packet; a longer one ends the connection, and is not read.

    It is not stated as Maximum Packet Size (MQTT 5, section 3.1.2.11.4): Mosquitto 2.0.21 drops a longer
    message of QoS 1 and never frees its place in the in-flight window, so a few of them would end all
    reception.
    """
    receive_maximum: int = 20
    """Receive Maximum of CONNECT (section 3.1.2.11.3): unacknowledged messages of QoS 1."""
    messages_per_s: float = 50
    burst: int = 200
    read_s: float = 0.002
    """Time for packets before the event loop does other work, in seconds; one packet is always read."""


class RefusedBecause(StrEnum):
    """Limit that a broker exceeded, so that the connection was closed."""

    TOO_LARGE = "too_large"
    TOO_MANY = "too_many"
    WRONG_QOS = "wrong_qos"
    PROPERTIES = "properties"


@dataclass(frozen=True, slots=True)
class InboundRefusal:
    """Reason for which we closed a connection."""

    because: RefusedBecause
    size: int
    """Size of the packet that exceeded the limit, in bytes, without its fixed header."""
    topic: str = ""
    """Its topic, if it was read."""


class InboundGuard:
    """Check of incoming messages before they are parsed; kept over several connections."""

    def __init__(self, limits: InboundLimits, now_s: Callable[[], float]) -> None:
        self.limits = limits
        self._now_s = now_s
        self._bucket = TokenBucket.full(limits.messages_per_s, limits.burst, now_s())

    def check(self, first_byte: int, packet: bytes | bytearray) -> InboundRefusal | None:
        """Return the reason to close the connection; None: the message may be parsed."""
        if first_byte & 0x06 == 0x04:
            return InboundRefusal(RefusedBecause.WRONG_QOS, len(packet), _topic(packet))
        if not self._bucket.take(self._now_s()):
            return InboundRefusal(RefusedBecause.TOO_MANY, len(packet), _topic(packet))
        if _has_large_properties(first_byte, packet):
            return InboundRefusal(RefusedBecause.PROPERTIES, len(packet), _topic(packet))
        return None


def refused_for_size(size: int, beginning: bytes) -> InboundRefusal:
    """Return the refusal of a packet that is too large to be read, by its first bytes."""
    return InboundRefusal(RefusedBecause.TOO_LARGE, size, _topic(beginning))


def _has_large_properties(first_byte: int, packet: bytes | bytearray) -> bool:
    """Tell whether the properties of a PUBLISH are above the limit; a malformed packet counts as well."""
    at = 2 + int.from_bytes(packet[:2], "big") + (2 if first_byte & 0x06 else 0)
    low = packet[at] if at < len(packet) else 0xFF
    high = packet[at + 1] if at + 1 < len(packet) else 0xFF
    return low >= 0x80 and (high >= 0x80 or (high << 7 | low & 0x7F) > MAX_PROPERTY_BYTES)


def _topic(packet: bytes | bytearray) -> str:
    """Return the topic of a PUBLISH of which only the beginning may be known."""
    return bytes(packet[2 : 2 + int.from_bytes(packet[:2], "big")]).decode("utf-8", "replace")


BROKER_REMEDY = "Check that this is the right broker, and that no other person controls it."


def exceeded_limit(broker: str, refused: InboundRefusal) -> str:
    """Return a sentence about a limit that a broker exceeded."""
    what = {
        RefusedBecause.TOO_LARGE: f"a message of {refused.size} bytes, which is larger than it may send",
        RefusedBecause.TOO_MANY: "more messages than it may send",
        RefusedBecause.PROPERTIES: "a message with more properties than it may send",
        RefusedBecause.WRONG_QOS: "a message with QoS 2, which nothing here subscribes to",
    }[refused.because]
    return f"{broker} sent {what}; the connection was closed and is made again."
