"""Limits on what a broker may send, checked byte by byte before a message is parsed."""

import struct

import pytest

from gateway.delivery.mqtt.inbound import (
    MAX_PROPERTY_BYTES,
    InboundGuard,
    InboundLimits,
    InboundRefusal,
    RefusedBecause,
    exceeded_limit,
    refused_for_size,
)

QOS_0, QOS_1, QOS_2, RETAINED = 0x30, 0x32, 0x34, 0x31
TOPIC = "bgw/v1/ke-busia/lane-1/barrier/cmd/open/lane-1"


def publish(properties: int, *, qos: int = QOS_1, topic: str = TOPIC) -> bytes:
    """Return a PUBLISH without its fixed header, with so many bytes of properties."""
    length, left = b"", properties
    while left > 0x7F:
        length += bytes([left & 0x7F | 0x80])
        left >>= 7
    length += bytes([left])
    name = topic.encode()
    mid = b"\x80\x81" if qos & 0x06 else b""
    return struct.pack(">H", len(name)) + name + mid + length + bytes(properties) + b"payload"


class GuardFixture:
    """A guard of two messages a second, five at once, and its clock."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.guard = InboundGuard(InboundLimits(messages_per_s=2, burst=5), lambda: self.now_s)

    def check(self, packet: bytes, first_byte: int = QOS_1) -> InboundRefusal | None:
        return self.guard.check(first_byte, packet)


@pytest.fixture
def guard() -> GuardFixture:
    return GuardFixture()


def test_messages_are_limited_by_rate(guard: GuardFixture) -> None:
    packet = publish(5)
    assert [guard.check(packet) for _ in range(5)] == [None] * 5
    assert guard.check(packet) == InboundRefusal(RefusedBecause.TOO_MANY, len(packet), TOPIC)
    guard.now_s += 0.5
    assert guard.check(packet) is None
    assert guard.check(packet) is not None


def test_large_packet_is_refused_with_its_topic() -> None:
    """Only the part of a large packet that came with earlier bytes is known."""
    packet = publish(5)
    assert refused_for_size(30_000, packet) == InboundRefusal(RefusedBecause.TOO_LARGE, 30_000, TOPIC)
    assert refused_for_size(30_000, b"").topic == ""


@pytest.mark.parametrize("first_byte", [QOS_2, 0x35, 0x3C])
def test_qos_2_is_refused(guard: GuardFixture, first_byte: int) -> None:
    packet = publish(5, qos=first_byte)
    assert guard.check(packet, first_byte) == InboundRefusal(RefusedBecause.WRONG_QOS, len(packet), TOPIC)


@pytest.mark.parametrize("first_byte", [QOS_0, QOS_1, RETAINED])
@pytest.mark.parametrize("topic", [TOPIC, "t", "t" * 300])
def test_properties_are_bounded(guard: GuardFixture, first_byte: int, topic: str) -> None:
    for size in (0, 0x7F, 0x80, MAX_PROPERTY_BYTES):
        assert guard.check(publish(size, qos=first_byte, topic=topic), first_byte) is None
    for size in (MAX_PROPERTY_BYTES + 1, 0x3FFF, 0x4000, 40_000):
        guard.now_s += 10
        packet = publish(size, qos=first_byte, topic=topic)
        refused = InboundRefusal(RefusedBecause.PROPERTIES, len(packet), topic)
        assert guard.check(packet, first_byte) == refused


@pytest.mark.parametrize("packet", [b"", b"\0", b"\0\x04top", b"\0\x01t", b"\0\x01t\0\1", b"\0\x01t\0\1\x80"])
def test_cut_message_is_refused(guard: GuardFixture, packet: bytes) -> None:
    refused = guard.check(packet)
    assert refused is not None
    assert refused.because is RefusedBecause.PROPERTIES


def test_topic_of_no_text_is_replaced(guard: GuardFixture) -> None:
    refused = guard.check(b"\0\x02\xff\xfe" + b"\0\1\xff\xff", QOS_1)
    assert refused is not None
    assert refused.topic == "\ufffd\ufffd"


@pytest.mark.parametrize(
    ("because", "what"),
    [
        (RefusedBecause.TOO_LARGE, "a message of 9 bytes, which is larger than it may send"),
        (RefusedBecause.TOO_MANY, "more messages than it may send"),
        (RefusedBecause.PROPERTIES, "a message with more properties than it may send"),
        (RefusedBecause.WRONG_QOS, "a message with QoS 2, which nothing here subscribes to"),
    ],
)
def test_exceeded_limit_has_a_sentence(because: RefusedBecause, what: str) -> None:
    sentence = f"hq sent {what}; the connection was closed and is made again."
    assert exceeded_limit("hq", InboundRefusal(because, 9)) == sentence
