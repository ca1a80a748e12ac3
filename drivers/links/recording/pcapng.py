"""Capture files for Wireshark: pcapng, one section, one interface.

Source: draft-ietf-opsawg-pcapng, sections 4.1 to 4.3; link types from tcpdump.org/linktypes.html.
"""

import struct
from collections.abc import Iterable

USBMON = 220
"""LINKTYPE_USB_LINUX_MMAPPED: transfers in the format of Linux's usbmon, with a header of 64 bytes."""
RTAC_SERIAL = 250
"""LINKTYPE_RTAC_SERIAL: bytes of a serial line, with their direction."""
UPPER_PDU = 252
"""LINKTYPE_WIRESHARK_UPPER_PDU: data of any dissector of Wireshark, by its name."""

SECTION, INTERFACE, PACKET = 0x0A0D0D0A, 1, 6
BYTE_ORDER = 0x1A2B3C4D
TIME_UNIT = struct.pack("<HHB3x", 9, 1, 9) + bytes(4)
"""Option if_tsresol: times are in units of 10^-9 seconds; then the end of the options."""


def to_pcapng(link_type: int, packets: Iterable[tuple[int, bytes]]) -> bytes:
    """Return a whole file of packets, each with its time in nanoseconds since 1970."""
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
    """Return one block: its length is at its begin and end, and it is padded to whole words."""
    body += bytes(-len(body) % 4)
    size = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + size + body + size
