"""Bytes as a receiver at another rate sees them.

A start bit, eight data bits with the least significant first, a stop bit.
Source: TIA-232 and the usual UART (16550): the first edge to 0 starts a byte, each bit is sampled in its
middle.
"""

BITS_PER_BYTE = 10
IDLE_BITS = 20


def resample(data: bytes, sent_baud: int, received_baud: int) -> bytes:
    """Return what a receiver at `received_baud` reads of bytes that were sent at `sent_baud`."""
    bits = [1]
    for byte in data:
        bits += [0, *(byte >> place & 1 for place in range(8)), 1]
    bits += [1] * IDLE_BITS
    ratio = sent_baud / received_baud  # sent bits per received bit
    received, at = bytearray(), 0.0
    while (start := _next_start(bits, at)) is not None:
        sampled = [bits[min(int(start + (place + 1.5) * ratio), len(bits) - 1)] for place in range(8)]
        received.append(sum(bit << place for place, bit in enumerate(sampled)))
        at = start + (BITS_PER_BYTE - 0.5) * ratio
    return bytes(received)


def _next_start(bits: list[int], at: float) -> float | None:
    """Return the time of the next edge to 0, in sent bits; None at the end."""
    place = int(at)
    if place < len(bits) and bits[place] == 0:  # still low: a receiver takes that for a start bit at once
        return at
    while place < len(bits):
        if bits[place] == 0:
            return float(place)
        place += 1
    return None
