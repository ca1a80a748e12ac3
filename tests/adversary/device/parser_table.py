"""Table of the parsers that take outside bytes in pieces, each with hostile streams.

A parser is a function that makes a function for one piece. A stream is a function of its size in bytes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from adversary.device.doubling import MIN_BYTES

from drivers.access.osdp.frames import LONGEST, OsdpFrameReader
from drivers.barrier.boards.numato import ReplyReader
from drivers.camera.multipart import HEADERS_LIMIT_BYTES, MultipartReader
from drivers.fingerprint.zfm.packets import PacketKind, PacketReader, encode_packet
from drivers.links.hid.uhid import EventStream, input_event
from drivers.links.http.lines import LineReader
from drivers.links.modbus.framing import SerialResponseReader, TcpMessageReader, serial_frame, tcp_frame
from drivers.links.modbus.pdu import Function, ReadRegisters
from drivers.passport.framings import AccessIsFraming, ElyctisFraming, PlainTextFraming, RteFraming
from drivers.passport.scanners import honeywell, newland
from drivers.passport.scanners.est100 import Est100Framing
from drivers.passport.scanners.row_pairing import RowPairing
from drivers.passport.scanners.rows import RowFraming
from drivers.passport.scanners.setup import LONGEST_REPLY_BYTES, CommandSet, ReplySearch
from drivers.passport.wedge.framing import WedgeFraming
from drivers.passport.wedge.keyboard import EVENT
from gateway.ipc.frames import FrameConnection, FrameType, encode_frame

Feed = Callable[[bytes], object]
Stream = Callable[[int], bytes]
WINDOWS = 12
"""Longest frames in the shortest stream: its first frame costs less, which must not show in the factor."""


@dataclass(frozen=True)
class PieceParser:
    """A parser and its streams; the first one is also tried in the quick tests."""

    make: Callable[[], Feed]
    streams: dict[str, Stream]
    window_bytes: int = 0
    """Length of the longest frame, where a stream costs more per byte once it is longer than that."""
    windows_bytes: dict[str, int] = field(default_factory=dict)
    """That length for single streams."""

    def shortest_bytes(self, shape: str) -> int:
        """Return the length from which a byte of this stream always costs the same."""
        return MIN_BYTES + WINDOWS * self.windows_bytes.get(shape, self.window_bytes)


def repeat(unit: bytes, head: bytes = b"") -> Stream:
    return lambda size: head + unit * (size // len(unit))


def drained(reader: Any) -> Feed:
    """Return the feed function of a reader that yields its frames."""

    def feed(piece: bytes) -> None:
        for _ in reader.feed(piece):
            pass

    return feed


def ipc() -> Feed:
    """Return a function that gives bytes to a connection as its transport does."""
    connection = FrameConnection(lambda kind, head, body: None, lambda: None)

    def feed(piece: bytes) -> None:
        rest = memoryview(piece)
        while rest:
            buffer = connection.get_buffer(-1)
            size = min(len(buffer), len(rest))
            buffer[:size] = rest[:size]
            del buffer
            connection.buffer_updated(size)
            rest = rest[size:]

    return feed


def keys(*codes: int) -> bytes:
    """Return the events of pressed and released keys, all at the same time."""
    return b"".join(EVENT.pack(1, 0, 1, code, value) for code in codes for value in (1, 0))


def replies(command_set: CommandSet, command: str) -> Feed:
    return ReplySearch(command_set, command).feed


REGISTERS = ReadRegisters(Function.READ_HOLDING_REGISTERS, 0, 120)
A_KEY, ENTER, LEFT_SHIFT = 30, 28, 42
SEGMENT_WITH_END = b"\xff\xe0\x00\x04\xff\xd9"
LONG_FRAME = b"\x00\x0f\xff\xff\x05\x00\x00"

PARSERS: dict[str, PieceParser] = {
    "multipart": PieceParser(
        lambda: drained(MultipartReader("b", 8 << 20)),
        {
            "jpeg_ends": repeat(SEGMENT_WITH_END, b"--b\r\nA: b\r\n\r\n\xff\xd8"),
            "xml_ends": repeat(b"<?>", b"--b\r\nA: b\r\n\r\n"),
            "tiny": repeat(b"--b\r\nA: b\r\n\r\nx\r\n"),
            "counted": repeat(b"--b\r\nContent-Length: 1\r\n\r\nx\r\n"),
            "counted_without_end": repeat(b"x", b"--b\r\nContent-Length: 99999999\r\n\r\n"),
            "unterminated": repeat(b"x", b"--b\r\nA: b\r\n\r\n"),
            "nearly_delimiters": repeat(b"\r\n--c", b"--b\r\nA: b\r\n\r\n"),
            "dashes": repeat(b"-", b"--b\r\nA: b\r\n\r\n"),
            "line_ends": repeat(b"\r\n", b"--b\r\n"),
            "jpeg_starts": repeat(b"\xff\xd8\xff", b"--b\r\nA: b\r\n\r\n\xff\xd8"),
            "jpeg_segments": repeat(b"\xff\xe0\x00\x02", b"--b\r\nA: b\r\n\r\n\xff\xd8"),
            "jpeg_scan": repeat(b"\xff\x00", b"--b\r\nA: b\r\n\r\n\xff\xd8\xff\xda\x00\x02"),
            "xml_comments": repeat(b"<!---->", b"--b\r\nA: b\r\n\r\n"),
            "xml_tags": repeat(b"<b></b>", b"--b\r\nA: b\r\n\r\n<a>"),
            "head_without_end": repeat(b"A: b\r\n", b"--b\r\n"),
            "headers": repeat(b"--b\r\nA: b\r\nC: d\r\n\r\n\r\n"),
        },
        windows_bytes={"head_without_end": HEADERS_LIMIT_BYTES},
    ),
    "est100": PieceParser(
        lambda: drained(Est100Framing()),
        {
            "endless": repeat(b"A", b"\x02CameraData:"),
            "empty": repeat(b"\x02\x03\r\n"),
            "starts": repeat(b"\x02"),
            "ends": repeat(b"\x03"),
            "noise": repeat(b"A"),
        },
    ),
    "accessis": PieceParser(
        lambda: drained(AccessIsFraming()),
        {
            "starts": repeat(b"\x1c\x02"),
            "endless": repeat(b"A", b"\x1c\x02"),
            "wrong_ends": repeat(b"\x03\x1f", b"\x1c\x02"),
            "empty": repeat(b"\x1c\x02\x03\x1d"),
            "noise": repeat(b"\x1c"),
        },
    ),
    "rte": PieceParser(
        lambda: drained(RteFraming("xor")),
        {
            "starts": repeat(b"\x01``OU\x02`"),
            "nearly_starts": repeat(b"\x01"),
            "endless": repeat(b"\x01..OU", b"\x01``OU\x02`"),
            "empty": repeat(b"\x01``OU\x02`\x03\x00"),
        },
    ),
    "elyctis": PieceParser(
        lambda: drained(ElyctisFraming()),
        {
            "heads": repeat(b"I\x00\xff"),
            "texts": repeat(b"I\x00\xff" + b"I" * 254),
            "empty": repeat(b"I\x00\x00"),
            "noise": repeat(b"I"),
            "nulls": repeat(b"\x00"),
        },
    ),
    "text": PieceParser(
        lambda: drained(PlainTextFraming()),
        {
            "endless": repeat(b"A"),
            "line_ends": repeat(b"\r\n"),
            "rows": repeat(b"A" * 30 + b"\r"),
            "characters": repeat(b"A\r"),
        },
    ),
    "rows_honeywell": PieceParser(
        lambda: drained(RowFraming(honeywell.ANSWERS)),
        {
            "endless": repeat(b"A"),
            "statuses": repeat(b"\x06!"),
            "nearly_answers": repeat(b"A" * 64 + b"\x06"),
            "answers": repeat(b"REVINF\x06!"),
            "rows": repeat(b"A" * 44 + b"\r"),
        },
    ),
    "rows_newland": PieceParser(
        lambda: drained(RowFraming(newland.ANSWERS)),
        {
            "heads": repeat(b"\x02\x010000#"),
            "starts": repeat(b"\x02"),
            "endless_answer": repeat(b"A", b"\x02\x010000#"),
            "statuses": repeat(b"\x06;", b"\x02\x010000#"),
            "answers": repeat(b"\x02\x010000#SCNMOD2\x06;\x03"),
        },
    ),
    "row_pairing": PieceParser(
        lambda: drained(RowPairing()),
        {
            "endless": repeat(b"<"),
            "rows": repeat(b"P<" + b"A" * 42 + b"\r"),
            "short": repeat(b"<<\r"),
        },
    ),
    "uhid": PieceParser(
        lambda: drained(EventStream()),
        {
            "small": repeat(input_event(b"x")),
            "long": repeat(input_event(bytes(4096))),
            "endless": repeat(b"x", input_event(bytes(4096))[:6]),
        },
        windows_bytes={"long": len(input_event(bytes(4096)))},
    ),
    "wedge": PieceParser(
        lambda: drained(WedgeFraming(0.1)),
        {
            "endless": repeat(keys(A_KEY)),
            "lines": repeat(keys(A_KEY, ENTER)),
            "modifiers": repeat(keys(LEFT_SHIFT)),
            "lost": repeat(EVENT.pack(1, 0, 0, 3, 0)),
            "zeros": repeat(bytes(24)),
        },
    ),
    "setup_honeywell": PieceParser(
        lambda: replies(honeywell.HoneywellCommandSet(), "REVINF"),
        {
            "endless": repeat(b"A"),
            "nearly_answers": repeat(b"REVINF"),
            "statuses": repeat(b"\x06!"),
        },
        window_bytes=LONGEST_REPLY_BYTES,
    ),
    "setup_newland": PieceParser(
        lambda: replies(newland.NewlandCommandSet(), "QRYPDN"),
        {
            "heads": repeat(b"\x02\x010000#QRYPDN"),
            "endless": repeat(b"A", b"\x02\x010000#QRYPDN"),
            "statuses": repeat(b"\x06;", b"\x02\x010000#QRYPDN"),
        },
        window_bytes=LONGEST_REPLY_BYTES,
    ),
    "modbus_tcp": PieceParser(
        lambda: drained(TcpMessageReader()),
        {"small": repeat(tcp_frame(1, 1, b"\x01")), "long": repeat(tcp_frame(1, 1, bytes(253)))},
    ),
    "modbus_rtu": PieceParser(
        lambda: drained(SerialResponseReader(1, REGISTERS)),
        {
            "noise": repeat(b"\x00"),
            "units": repeat(b"\x01"),
            "nearly_answers": repeat(b"\x01\x03"),
            "answers": repeat(serial_frame(1, b"\x03\xf0" + bytes(240))),
            "exceptions": repeat(serial_frame(1, b"\x83\x02")),
        },
        window_bytes=256,
    ),
    "numato": PieceParser(
        lambda: ReplyReader(b"gpio read 0").feed,
        {
            "nearly_answers": repeat(b"\rgpio read 0\r"),
            "noise": repeat(b"A"),
            "prompts": repeat(b"\r\n>"),
            "long_answer": repeat(b"1", b"gpio read 0\r\n"),
        },
    ),
    "osdp": PieceParser(
        lambda: drained(OsdpFrameReader()),
        {
            "starts": repeat(b"\x53"),
            "nearly_frames": repeat(b"\x53\x80\xa0\x05\x04"),
            "short": repeat(b"\x53\x80\x08\x00\x00\x40\x00\xe5"),
            "noise": repeat(b"\x00"),
        },
        LONGEST,
    ),
    "zfm": PieceParser(
        lambda: drained(PacketReader()),
        {
            "small": repeat(encode_packet(PacketKind.ACK, b"")),
            "headers": repeat(b"\xef\x01"),
            "nearly_packets": repeat(b"\xef\x01\xff\xff\xff\xff\x07\x01\x02"),
            "noise": repeat(b"\x00"),
            "bytes": repeat(b"\xef"),
        },
    ),
    "ipc": PieceParser(
        ipc,
        {
            "small": repeat(encode_frame(FrameType.HEARTBEAT)),
            "heads": repeat(encode_frame(FrameType.STATE, {"state": "online"})),
            "long": repeat(b"x", LONG_FRAME),
        },
    ),
    "http_lines": PieceParser(
        lambda: LineReader(1 << 30).feed,
        {
            "lines": repeat(b"{}\n"),
            "empty": repeat(b"\n"),
            "endless": repeat(b"x"),
        },
    ),
}


def all_streams() -> Iterator[tuple[str, PieceParser, str, Stream]]:
    """Yield every stream with its parser, and their names."""
    for name, parser in PARSERS.items():
        for shape, stream in parser.streams.items():
            yield name, parser, shape, stream
