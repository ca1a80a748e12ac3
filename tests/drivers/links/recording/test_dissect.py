"""Descriptions of chunks: the kind of message, never its content."""

import binascii

import pytest

from drivers.access.osdp import frames as osdp
from drivers.fingerprint.zfm import codes as zfm
from drivers.fingerprint.zfm.packets import PacketKind, encode_packet
from drivers.links.link import Direction
from drivers.links.modbus.framing import serial_frame, tcp_frame
from drivers.links.recording import dissect as meanings
from drivers.registry import load_driver

READ, REFUSED = bytes.fromhex("02 0000 0008"), bytes.fromhex("82 04")


@pytest.mark.parametrize(
    ("chunk", "said"),
    [
        (tcp_frame(7, 1, READ), "unit 1: read inputs"),
        (serial_frame(3, READ), "unit 3: read inputs"),
        (serial_frame(3, REFUSED), "unit 3: read inputs, refused"),
        (serial_frame(3, b"\x63\x00"), "unit 3: function 63"),
        (serial_frame(3, READ)[:-1], ""),
        (b"", ""),
    ],
)
def test_modbus(chunk: bytes, said: str) -> None:
    assert meanings.describe_modbus("out", chunk) == said


@pytest.mark.parametrize(
    ("direction", "chunk", "said"),
    [
        ("out", b"GET /1/image.jpg?pwd=geheim\n", "GET /1/image.jpg"),
        ("out", b'POST /scan\n{"name": "WANJIKU"}', "POST /scan"),
        ("in", b"200\n", "status 200"),
        ("in", b"200 image/jpeg\n", "status 200"),
        ("in", b"WANJIKU", ""),
        ("out", b"WANJIKU", ""),
    ],
)
def test_http(direction: Direction, chunk: bytes, said: str) -> None:
    assert meanings.describe_http(direction, chunk) == said


@pytest.mark.parametrize(
    ("direction", "chunk", "said"),
    [
        ("out", encode_packet(PacketKind.COMMAND, b"\x01"), "take image"),
        ("in", encode_packet(PacketKind.ACK, b"\x02"), "no finger"),
        ("in", encode_packet(PacketKind.DATA, b"\x01\x02\x03"), "data"),
        ("in", b"\x01\x02\x03", ""),
    ],
)
def test_fingerprint_modules(direction: Direction, chunk: bytes, said: str) -> None:
    assert zfm.describe_zfm(direction, chunk) == said


def test_osdp_frames_of_a_chunk_are_named() -> None:
    poll = bytes.fromhex("53 65 08 00 04 60")
    poll += binascii.crc_hqx(poll, 0x1D0F).to_bytes(2, "little")
    assert osdp.describe_osdp("out", poll + poll) == "POLL, POLL"
    assert osdp.describe_osdp("in", b"noise") == ""


@pytest.mark.parametrize("name", ["modbus-barrier", "osdp", "zfm", "camera-snapshot", "desko"])
def test_drivers_describe_their_chunks(name: str) -> None:
    assert load_driver(name).describe_chunk("in", b"\0") == ""
