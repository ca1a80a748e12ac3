"""Modbus RTU: address, message, CRC; a frame ends with silence. Pure.

Source: *Modbus over Serial Line* V1.02, sections 2.5.1 and 6.2.2: CRC-16 of polynomial A001, reflected, from
FFFF, low byte first; frames are separated by 3.5 characters of silence, by 1.75 ms above 19200 baud.
"""

from simulators.barrier.modbus.framing import CompleteMessage, InvalidBytes
from simulators.barrier.modbus.pdu import request_size

CHARACTER_BITS = 11
"""Bits of a character in the specification: start, eight, parity or a second stop, stop."""
SHORTEST = 4


def _table() -> tuple[int, ...]:
    entries = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)  # noqa: PLW2901 - this is the algorithm
        entries.append(value)
    return tuple(entries)


_TABLE = _table()


def crc16(data: bytes) -> bytes:
    """Return the checksum of a frame, as it is sent."""
    crc = 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc.to_bytes(2, "little")


def silence_s(baud: int) -> float:
    """Return the silence between two frames, in seconds."""
    return 1.75e-3 if baud > 19200 else 3.5 * CHARACTER_BITS / baud


class RtuFraming:
    """The framing of Modbus on a serial line."""

    name = "modbus-rtu"

    def frame(self, unit: int, pdu: bytes, tag: int = 0) -> bytes:  # noqa: ARG002 - only TCP has tags
        """See `Framing`."""
        body = bytes([unit]) + pdu
        return body + crc16(body)


def read_frames(received: bytes) -> list[CompleteMessage | InvalidBytes]:
    """Parse the bytes between two silences.

    One frame, as a rule. Several without silence between them were separated by one that was read too late.
    Anything else is noise, all of it.
    """
    found: list[CompleteMessage | InvalidBytes] = []
    rest = received
    while rest:
        frame = _whole(rest) or _first(rest)
        if frame is None:
            return [InvalidBytes(_describe_fault(received), received)]
        found.append(frame)
        rest = rest[len(frame.wire) :]
    return found


def _whole(data: bytes) -> CompleteMessage | None:
    if len(data) < SHORTEST or crc16(data[:-2]) != data[-2:]:
        return None
    return CompleteMessage(data[0], data[1:-2], data)


def _first(data: bytes) -> CompleteMessage | None:
    size = request_size(data[1:])
    return None if size is None else _whole(data[: size + 3])


def _describe_fault(data: bytes) -> str:
    return f"{len(data)} bytes" if len(data) < SHORTEST else "wrong CRC"
