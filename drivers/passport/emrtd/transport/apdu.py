"""Command and response APDUs (ISO/IEC 7816-4, section 5.1), short and extended."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from drivers.passport.emrtd.errors import CommandRefusedError, MalformedError

Transmit = Callable[[bytes], bytes]
"""Function that sends one command APDU and returns the response APDU; raises CardRemoved."""

SHORT_NE = 0x100
EXTENDED_NE = 0x10000
SUCCESS = 0x9000
END_OF_FILE = 0x6282
NOT_FOUND = frozenset({0x6A82, 0x6A83, 0x6A88})

SELECT, READ_BINARY, READ_BINARY_DO = 0xA4, 0xB0, 0xB1
GET_CHALLENGE, EXTERNAL_AUTHENTICATE, INTERNAL_AUTHENTICATE = 0x84, 0x82, 0x88
MANAGE_SECURITY_ENVIRONMENT, GENERAL_AUTHENTICATE = 0x22, 0x86
CHAINED = 0x10
"""Class bit of every command of a chain but the last."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command APDU. `ne` is the most bytes the answer may have; 0 requests none."""

    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes = field(default=b"", repr=False)
    ne: int = 0
    extended: bool = False
    """Use lengths in extended form even when short ones suffice."""

    @property
    def is_extended(self) -> bool:
        """True if the command is written in extended form."""
        return self.extended or self.ne > SHORT_NE or len(self.data) > 0xFF

    def to_bytes(self) -> bytes:
        """Encode the command; lengths that short form cannot hold are written in extended form."""
        if not 0 <= self.ne <= EXTENDED_NE or len(self.data) >= EXTENDED_NE:
            raise ValueError("a command is longer than an APDU can be")
        header = bytes((self.cla, self.ins, self.p1, self.p2))
        if self.is_extended:
            return header + self._extended_body()
        lc = bytes([len(self.data)]) if self.data else b""
        le = bytes([self.ne & 0xFF]) if self.ne else b""
        return header + lc + self.data + le

    def _extended_body(self) -> bytes:
        le = (self.ne & 0xFFFF).to_bytes(2, "big") if self.ne else b""
        if self.data:
            return b"\0" + len(self.data).to_bytes(2, "big") + self.data + le
        return b"\0" + le if le else b""

    def chained(self) -> "Command":
        """Return the command marked as not the last of its chain."""
        return replace(self, cla=self.cla | CHAINED)


@dataclass(frozen=True, slots=True)
class Response:
    """A parsed response APDU."""

    data: bytes = field(repr=False)
    status: int
    is_protected: bool = field(default=False, compare=False)
    """True if secure messaging proves that the answer is the chip's, and that the session goes on."""

    @classmethod
    def parse(cls, raw: bytes) -> "Response":
        """Split off the status word; raises MalformedError when there is none."""
        if not 2 <= len(raw) <= EXTENDED_NE + 2:
            raise MalformedError("an answer is shorter or longer than a response APDU can be")
        return cls(bytes(raw[:-2]), int.from_bytes(raw[-2:], "big"))

    def raise_for_status(self, command: Command) -> bytes:
        """Return the data of a successful answer; raises CommandRefusedError on any other status."""
        if self.status != SUCCESS:
            raise CommandRefusedError(command.ins, self.status, is_protected=self.is_protected)
        return self.data
