"""Fingerprint scanners: their output, and records of other makers."""

import io
from typing import Any

import numpy as np
from PIL import Image
from support.devices.uru4000_images import WIDTH

from drivers.driver import BadFrame
from drivers.fingerprint.commands import CaptureFinger
from drivers.fingerprint.nb1010 import Nb1010
from drivers.fingerprint.records import Compression, Record2005, Record2011, Representation, View
from drivers.fingerprint.records.fields import RecordError
from drivers.fingerprint.records.reading import decode
from drivers.fingerprint.uru4000 import image as uru_image
from drivers.fingerprint.uru4000.driver import Uru4000
from drivers.fingerprint.uru4000.registers import parse_event, versions
from drivers.fingerprint.wsbd.driver import WsBd
from drivers.fingerprint.wsbd.images import content_type, decode_raster
from drivers.fingerprint.wsbd.results import ResultError, parse_result
from drivers.fingerprint.zfm.driver import Zfm
from drivers.fingerprint.zfm.packets import PacketKind, PacketReader, encode_packet
from drivers.fingerprint.zfm.parameters import ProductInfo, SystemParameters
from fuzz.scripted_links import CUT, SILENT, ScriptedLinkFactory, recorded, run_driver
from fuzz.target import target

CAPTURE = ("capture", CaptureFinger(timeout_s=2))
QUICK: dict[str, Any] = {"encodings": ["fir_2005"], "record_image": "none", "quality": "ridge_clarity"}


def acknowledged(*contents: bytes) -> bytes:
    """Return a module's answers, one per instruction."""
    return SILENT.join(encode_packet(PacketKind.ACK, content) for content in contents)


@target(
    seeds=(
        acknowledged(b"\0", b"\0" + bytes.fromhex("0004000900c80003ffffffff00020006"), b"\0", b"\x02", b"\0"),
        acknowledged(b"\x13"),
    ),
    words=(SILENT, CUT, b"\xef\x01\xff\xff\xff\xff\x07\0", b"\xef\x01\xff\xff\xff\xff\x02\0", b"\x55"),
)
def zfm(data: bytes) -> None:
    settings = {"port": "/dev/ttyFUZZ", "model": "r503", "image_px": [16, 16], **QUICK}
    run_driver(Zfm, settings, ScriptedLinkFactory(data), CAPTURE)


@target(
    seeds=tuple(one[:4000] for one in recorded("fingerprint/zfm.rec")), words=(b"\xef\x01\xff\xff\xff\xff",)
)
def zfm_packets(data: bytes) -> None:
    packets = PacketReader()
    for found in (*packets.feed(data[:300]), *packets.feed(data[300:]), *packets.on_silence()):
        content = getattr(found, "content", b"")
        SystemParameters.parse(content)
        ProductInfo.parse(content)


AWAKE = (b"\x56\xaa" + bytes(62), b"\x80", b"\x01" * 4, b"\0", bytes(16))


@target(
    seeds=(SILENT.join(AWAKE * 3), SILENT.join((b"stalled", b"late", b"*64", b"*112192"))),
    words=(SILENT, b"stalled", b"late", b"\x56\xaa", b"\x01\x01", b"\0\x02", b"*64", b"*111424"),
)
def uru4000(data: bytes) -> None:
    run_driver(
        Uru4000, {"port": "usb:05ba:000a", **QUICK}, ScriptedLinkFactory(data, (0x05BA, 0x000A)), CAPTURE
    )


@target(
    seeds=(b"\x40\0\0\0\x08\0\x05" + bytes(9) + b"\x02\x08" + bytes(46) + b"\x80",),
    words=(b"\x01\x04", b"\x82\x02"),
)
def uru4000_images(data: bytes) -> None:
    """Decode an image with a fuzzed header and fuzzed rows."""
    head, filling = data[:64], data[64:96] or b"\x80"
    rows = min(int.from_bytes(head[4:6], "little"), 300)
    body = filling * (rows * WIDTH // len(filling) + 1)
    frame = uru_image.parse(head.ljust(64, b"\0") + body[: rows * WIDTH - len(data) % 2])
    if not isinstance(frame, BadFrame):
        frame.decode_pixels(
            [n * 0x01234567 for n in frame.key_numbers] if frame.is_encrypted else (), turned=True
        )
    parse_event(data[:64])
    versions(data[:16])
    uru_image.key_of(data[:4], 7)


ANSWER = bytes(17) + b"\xff" + bytes(46)


@target(
    seeds=(SILENT.join((ANSWER,) * 4), SILENT.join((b"late", b"stalled", ANSWER, b"*64", b"*16384"))),
    words=(SILENT, b"stalled", b"late", b"*64", b"*256"),
)
def nb1010(data: bytes) -> None:
    run_driver(
        Nb1010, {"port": "usb:298d:1010", **QUICK}, ScriptedLinkFactory(data, (0x298D, 0x1010)), CAPTURE
    )


def _result(inside: str) -> bytes:
    return (
        '<result xmlns="http://docs.oasis-open.org/bioserv/ns/wsbd-1.0" xmlns:i="http://www.w3.org/2001/XMLSchema-instance">'
        f"<status>success</status>{inside}</result>"
    ).encode()


SESSION = "<sessionId>d8a5b2a0-5f3a-4d0a-9a3c-1d0e2c7b9f10</sessionId>"
METADATA = (
    "<metadata><item><key>contentType</key><value>image/png</value></item><item><key>resolution</key>"
    "<value><width>500</width><unit>ppi</unit></value></item></metadata>"
)
IDS = "<captureIds><element>d8a5b2a0-5f3a-4d0a-9a3c-1d0e2c7b9f11</element></captureIds>"
RESULTS = tuple(
    map(_result, ("", SESSION, METADATA, IDS, METADATA + "<sensorData>iVBORw0KGgo=</sensorData>"))
)
XML = b"\0application/xml\n"


@target(
    ResultError,
    seeds=RESULTS,
    words=(b"<status>", b"<metadata>", b"<item>", b"<key>", b"<value>", b"encoding="),
)
def wsbd_results(data: bytes) -> None:
    content_type(parse_result(data).metadata)


@target(
    seeds=(SILENT.join(XML + RESULTS[n] for n in (2, 1, 0, 0, 0, 0, 3, 4, 0, 0, 0)),),
    words=(SILENT, XML, *RESULTS, b"lockHeldByAnother", b"initializationNeeded"),
    longest=8192,
)
def wsbd(data: bytes) -> None:
    run_driver(
        WsBd, {"url": "http://localhost:1", "edition": "oasis", **QUICK}, ScriptedLinkFactory(data), CAPTURE
    )


def _images() -> list[bytes]:
    made = []
    for name in ("PNG", "BMP", "JPEG", "JPEG2000", "TIFF", "WSQ"):
        import wsq  # noqa: F401 - registers the format with Pillow

        file = io.BytesIO()
        Image.fromarray(np.tile(np.arange(32, dtype=np.uint8) * 8, (32, 1))).save(file, name)
        made.append(file.getvalue())
    return made


TYPES = ("image/png", "image/bmp", "image/jpeg", "image/jp2", "image/tiff", "image/x-wsq")
METADATA_OF_ONE = parse_result(_result(METADATA)).metadata


@target(seeds=[bytes([n]) + image for n, image in enumerate(_images())], longest=8192)
def images(data: bytes) -> None:
    """Read files that a service returns as captured images."""
    kind = TYPES[data[0] % len(TYPES)] if data else ""
    decode_raster(data[1:], kind, {} if len(data) % 2 else METADATA_OF_ONE, 500)


PIXELS = bytes(16)
RECORDS = (
    Record2005(
        (View(1, 4, 4, PIXELS),), Compression.NONE, (500, 500), (500, 500), acquisition_level=30
    ).encode(),
    Record2011((Representation(1, 4, 4, Compression.NONE, PIXELS, (500, 500), (500, 500)),)).encode(),
)


@target(RecordError, seeds=RECORDS, words=(b"FIR\0",))
def records(data: bytes) -> None:
    """Read a record and write it again unchanged."""
    record = decode(data)
    assert decode(record.encode()) == record
