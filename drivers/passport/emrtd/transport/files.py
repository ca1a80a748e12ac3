"""Elementary files of an eMRTD and their reads (ICAO Doc 9303-10, section 3).

Fingerprints and irises (DG3, DG4) are omitted on purpose: they need a right to read that a border post of
this kind does not have, and are never requested.
"""

from collections.abc import Generator
from dataclasses import dataclass
from enum import Enum

from drivers.passport.emrtd.encoding import tlv
from drivers.passport.emrtd.errors import (
    CommandRefusedError,
    MalformedError,
    NotTransacted,
    SessionLostError,
)
from drivers.passport.emrtd.transport.apdu import (
    END_OF_FILE,
    NOT_FOUND,
    READ_BINARY,
    READ_BINARY_DO,
    SELECT,
    SUCCESS,
    Command,
    Response,
)
from drivers.passport.emrtd.transport.read_length import SAFE_CHUNK, SHORT_CHUNK, ReadLength
from drivers.passport.emrtd.transport.secure_messaging import Channel

_KIB = 1024


@dataclass(frozen=True, slots=True)
class _Entry:
    file_id: int
    tag: int | None
    limit: int


class ElementaryFile(Enum):
    """Files that this package reads: identifier, tag of the data object inside, and upper bound in bytes."""

    CARD_ACCESS = _Entry(0x011C, 0x31, 4 * _KIB)
    ATR_INFO = _Entry(0x2F01, None, _KIB)
    COM = _Entry(0x011E, 0x60, _KIB)
    SOD = _Entry(0x011D, 0x77, 64 * _KIB)
    DG1 = _Entry(0x0101, 0x61, _KIB)
    DG2 = _Entry(0x0102, 0x75, 512 * _KIB)
    DG11 = _Entry(0x010B, 0x6B, 64 * _KIB)
    DG12 = _Entry(0x010C, 0x6C, 512 * _KIB)
    DG14 = _Entry(0x010E, 0x6E, 32 * _KIB)
    DG15 = _Entry(0x010F, 0x6F, 8 * _KIB)

    @property
    def file_id(self) -> int:
        """Two-byte file identifier; the short identifier is its last five bits."""
        return self.value.file_id

    @property
    def tag(self) -> int | None:
        """Tag of the data object that fills the file; EF.ATR/INFO is a row of objects and has none."""
        return self.value.tag

    @property
    def limit(self) -> int:
        """Upper bound on the file, in bytes; a larger one is refused."""
        return self.value.limit

    @property
    def number(self) -> int | None:
        """Number of a data group, or None for the other files."""
        return int(self.name[2:]) if self.name.startswith("DG") else None


DATA_GROUPS = {file.number: file for file in ElementaryFile if file.number is not None}
"""Data groups that are read, by number."""

_PROTECTION = 64
"""Upper bound on the overhead of secure messaging in an answer, in bytes, rounded up."""
_MAX_CHUNK_LENGTH = 0x1000
"""Upper bound on the bytes of a read: 0.4 s at 106 kbit/s, within which neither progress nor a cancellation
shows; longer reads save less than a hundredth of the time."""
_SHORT_OFFSETS = 0x8000
_DISCRETIONARY = 0x53
_LENGTH_INFO = 0x7F66
_HEAD, _MAX_HEAD_LENGTH = 4, 5
_SPARE_ANSWERS, _MIN_ANSWER = 16, 128
"""Limits against a chip that returns a byte at a time, which would keep a counter busy for an hour."""


@dataclass(frozen=True, slots=True)
class FileProgress:
    """Progress of the read of a file."""

    file: ElementaryFile
    bytes_read: int
    bytes_total: int


def longest_chunk(atr_info: bytes) -> int:
    """Return the most bytes of one read, as stated by EF.ATR/INFO (7F66, ISO/IEC 7816-4).

    The result is that of short answers unless the chip states extended lengths; raises MalformedError.
    """
    information = tlv.optional(tlv.children(atr_info, most=32), _LENGTH_INFO)
    if information is None:
        return SHORT_CHUNK
    sizes = [int.from_bytes(item.value, "big") for item in tlv.children(information, most=2)]
    if len(sizes) != 2:
        raise MalformedError("the extended length information has not two sizes")
    return max(SHORT_CHUNK, min(sizes[1] - _PROTECTION, _MAX_CHUNK_LENGTH))


def select(channel: Channel, file: ElementaryFile) -> None:
    """Select a file by its identifier; raises CommandRefusedError when it is missing or not readable."""
    channel.command(Command(0x00, SELECT, 0x02, 0x0C, file.file_id.to_bytes(2, "big")))


def read(
    channel: Channel,
    file: ElementaryFile,
    length: ReadLength | None = None,
    content: bytearray | None = None,
) -> Generator[FileProgress, None, bytes]:
    """Select a file and read the data object in it, its length taken from its first four bytes.

    `content` receives the bytes as they arrive; if it holds some of an earlier read of the same file, the
    read goes on after them. Yields progress after each answer and returns the object with its header. Raises
    MalformedError for another object than the file must hold or one above its limit, CommandRefusedError,
    SessionLostError when the chip ends the session at a long read, and the channel's errors.
    """
    length = length or ReadLength()
    content = bytearray() if content is None else content
    select(channel, file)
    if len(content) < _HEAD:
        content[:] = _read_piece(channel, 0, _HEAD, length)
    if len(content) == _HEAD and content[1] > 0x82:
        # The length alone takes more than two bytes: faces of 64 KiB and above.
        content += _read_piece(channel, _HEAD, 2, length)
    tag, size, start = tlv.parse_header(bytes(content))
    total = start + size
    if tag != file.tag:
        raise MalformedError(f"file {file.name} holds another data object than it must")
    if total > file.limit:
        raise MalformedError(f"file {file.name} claims more bytes than such a file has")
    del content[total:]
    yield FileProgress(file, len(content), total)
    for _ in range(_SPARE_ANSWERS + total // _MIN_ANSWER):
        if len(content) == total:
            break
        content += _read_piece(channel, len(content), total - len(content), length)
        yield FileProgress(file, len(content), total)
    if len(content) != total:
        raise MalformedError(f"file {file.name} comes in more pieces than it needs")
    return bytes(content)


def read_objects(channel: Channel, file: ElementaryFile) -> bytes:
    """Select and read a small file that is a row of data objects, in one answer."""
    select(channel, file)
    # Not the most that a short answer holds: chips exist that lose the field at it.
    command = Command(0x00, READ_BINARY, 0x00, 0x00, ne=SAFE_CHUNK)
    response = channel.exchange(command)
    return response.data if response.status == END_OF_FILE else response.raise_for_status(command)


def _read_piece(channel: Channel, offset: int, wanted: int, length: ReadLength) -> bytes:
    """Read some bytes, at least one and at most as many as wanted, with shorter reads after a refusal."""
    while True:
        size = length.in_flight = min(wanted, length.longest)
        try:
            data = _read_binary(channel, offset, size, length)
        except NotTransacted:
            if not length.try_short():
                raise
        except CommandRefusedError as refusal:
            is_over = channel.security is not None and not refusal.is_protected
            shorten = length.on_session_ended if is_over else length.step_down
            if refusal.status in NOT_FOUND or not shorten():
                length.in_flight = None
                raise
            if is_over:
                raise SessionLostError("the chip answered a long read without protection") from None
        except MalformedError:
            length.in_flight = None
            raise
        else:
            length.on_answer()
            return data


def _read_binary(channel: Channel, offset: int, size: int, length: ReadLength) -> bytes:
    """Read some bytes, at least one and at most as many as asked for."""
    extended = length.is_extended
    if offset < _SHORT_OFFSETS:
        command = Command(0x00, READ_BINARY, offset >> 8, offset & 0xFF, b"", size, extended)
        data = _data(channel.exchange(command), command)
    else:
        # Offsets of more than 15 bits go into a data object, and the answer comes in one. Chips count its
        # header in different ways, so there is room for any, and excess bytes are cut off.
        where = tlv.encode(0x54, offset.to_bytes(3, "big"))
        room = min(size + _MAX_HEAD_LENGTH, length.longest)
        command = Command(0x00, READ_BINARY_DO, 0x00, 0x00, where, room, extended)
        data = tlv.parse_value(_data(channel.exchange(command), command), _DISCRETIONARY)[:size]
    if not data or len(data) > size:
        raise MalformedError("the chip gave no bytes of a file, or more than asked for")
    return data


def _data(response: Response, command: Command) -> bytes:
    """Return the bytes, also of an answer that warns of the end of the file."""
    if response.status == END_OF_FILE and response.data:
        return response.data
    return response.raise_for_status(command) if response.status != SUCCESS else response.data
