"""Export of a recording as a file for Wireshark.

USB and serial lines have link types of their own. For smart cards, ISO 14443 (264) describes the radio
frames, not the APDUs of PC/SC. So APDUs, and other data with a dissector but without a link type, are written
as Wireshark's "exported PDUs", which need no setting there. RTAC Serial: Wireshark, `packet-rtacser.c`; 12
bytes, of which times and control lines stay zero. Exported PDUs: Wireshark, `wsutil/exported_pdu_tlvs.h`.
"""

import struct

from drivers.links.link import Direction
from drivers.links.recording.pcapng import RTAC_SERIAL, UPPER_PDU, USBMON, to_pcapng
from drivers.links.recording.recording import Chunk, Recording, Wire
from drivers.links.recording.usb_trace import usbmon

TX, RX = 1, 2
"""RTAC's events DATA_TX_START and DATA_RX_START, seen from the host."""
DISSECTOR_NAME, P2P_DIRECTION, SENT, RECEIVED = 12, 35, 0, 1
DISSECTORS: dict[Wire, str] = {"smart-card": "iso7816", "modbus-tcp": "mbtcp"}


def recording_to_pcapng(recording: Recording) -> bytes:
    """Return the whole file as pcapng; its times count from 1970."""
    if recording.wire == "usb":
        return to_pcapng(USBMON, [(transfer.at_ns, usbmon(transfer)) for transfer in recording.transfers])
    if recording.wire == "serial":
        return to_pcapng(RTAC_SERIAL, [(_ns(chunk), _rtac(chunk)) for chunk in recording.chunks])
    dissector = DISSECTORS.get(recording.wire, "data")
    packets = [(_ns(chunk), _upper(dissector, chunk.direction) + chunk.data) for chunk in recording.chunks]
    return to_pcapng(UPPER_PDU, packets)


def _ns(chunk: Chunk) -> int:
    return round(chunk.at_s * 1e9)


def _rtac(chunk: Chunk) -> bytes:
    return struct.pack(">8xB3x", TX if chunk.direction == "out" else RX) + chunk.data


def _upper(dissector: str, direction: Direction) -> bytes:
    """Return the header of an exported PDU: tags, each padded to whole words, and their end."""
    name = dissector.encode()
    name += bytes(-len(name) % 4)
    way = SENT if direction == "out" else RECEIVED
    return (
        struct.pack(">HH", DISSECTOR_NAME, len(name))
        + name
        + struct.pack(">HHIHH", P2P_DIRECTION, 4, way, 0, 0)
    )
