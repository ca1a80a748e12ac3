"""Capture files that Wireshark opens: pcapng, one section, one interface.

Source: draft-ietf-opsawg-pcapng, sections 4.1 to 4.3; link types from tcpdump.org/linktypes.html.
"""

import struct
from collections.abc import Iterable

USBMON = 220
"""LINKTYPE_USB_LINUX_MMAPPED: transfers as Linux's usbmon gives them, with a head of 64 bytes."""
RTAC_SERIAL = 250
"""LINKTYPE_RTAC_SERIAL: bytes of a serial line, with which way they went."""
UPPER_PDU = 252
"""LINKTYPE_WIRESHARK_UPPER_PDU: what any dissector of Wireshark reads, by its name."""

SECTION, INTERFACE, PACKET = 0x0A0D0D0A, 1, 6
BYTE_ORDER = 0x1A2B3C4D
TIME_UNIT = struct.pack("<HHB3x", 9, 1, 9) + bytes(4)
"""Option if_tsresol: times are in units of 10^-9 seconds; then the end of the options."""


def to_pcapng(link_type: int, packets: Iterable[tuple[int, bytes]]) -> bytes:
    """A whole file of packets, each with its time in nanoseconds since 1970."""
    return b"".join(
        (
            _block(SECTION, struct.pack("<IHHq", BYTE_ORDER, 1, 0, -1)),
            _block(INTERFACE, struct.pack("<HHI", link_type, 0, 0) + TIME_UNIT),
            *(_block(PACKET, _packet(at_ns, packet)) for at_ns, packet in packets),
        )
    )


def _packet(at_ns: int, packet: bytes) -> bytes:
    size = len(packet)
    return struct.pack("<IIIII", 0, at_ns >> 32, at_ns & 0xFFFFFFFF, size, size) + packet


def _block(kind: int, body: bytes) -> bytes:
    """One block: its length stands before and after it, and it is filled up to whole words."""
    body += bytes(-len(body) % 4)
    size = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + size + body + size
