"""Commands and replies of ISO/IEC 7816-4, section 5, on the chip's side."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Self

Randomness = Callable[[int], bytes]
"""Source of random bytes of a given number. A test may use those of a worked example."""

SECURE_MESSAGING = 0x0C
"""Bits of CLA for secure messaging with an authenticated header (ISO/IEC 7816-4, 5.4.1)."""
CHAINING = 0x10


class Status(IntEnum):
    """The status words of this chip (ISO/IEC 7816-4, 5.6; Doc 9303-11)."""

    SUCCESS = 0x9000
    END_OF_FILE = 0x6282
    AUTHENTICATION_FAILED = 0x6300
    WRONG_LENGTH = 0x6700
    CHAINING_NOT_SUPPORTED = 0x6884
    SECURITY_STATUS_NOT_SATISFIED = 0x6982
    CONDITIONS_NOT_SATISFIED = 0x6985
    NO_CURRENT_EF = 0x6986
    SM_OBJECTS_MISSING = 0x6987
    SM_OBJECTS_INCORRECT = 0x6988
    INCORRECT_DATA = 0x6A80
    FILE_NOT_FOUND = 0x6A82
    INCORRECT_PARAMETERS = 0x6A86
    REFERENCED_DATA_NOT_FOUND = 0x6A88
    OFFSET_OUTSIDE_FILE = 0x6B00
    INS_NOT_SUPPORTED = 0x6D00
    CLA_NOT_SUPPORTED = 0x6E00


class RefusedError(Exception):
    """The chip refuses a command with a status word."""

    def __init__(self, status: Status) -> None:
        super().__init__(f"{status:04X} {status.name}")
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command APDU."""

    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes = b""
    ne: int | None = None
    """Maximum number of expected bytes; None if the command has no Le field."""
    extended: bool = False
    """True if its lengths were written in the extended form."""

    @property
    def secured(self) -> bool:
        """True if it is marked as under secure messaging."""
        return self.cla & SECURE_MESSAGING == SECURE_MESSAGING

    @property
    def chained(self) -> bool:
        """True if more commands of this chain follow."""
        return bool(self.cla & CHAINING)

    @classmethod
    def parse(cls, apdu: bytes) -> Self:
        """Parse the command in these bytes; raise RefusedError (6700) if its lengths are inconsistent."""
        if len(apdu) < 4:
            raise RefusedError(Status.WRONG_LENGTH)
        body = apdu[4:]
        extended = len(body) >= 3 and body[0] == 0
        size = 2 if extended else 1
        if extended:
            body = body[1:]
        data, ne = b"", None
        if len(body) == size:
            ne = _expected(body)
        elif body:
            end = size + int.from_bytes(body[:size], "big")
            data, rest = body[size:end], body[end:]
            if end == size or len(data) != end - size or len(rest) not in (0, size):
                raise RefusedError(Status.WRONG_LENGTH)
            ne = _expected(rest) if rest else None
        return cls(
            cla=apdu[0], ins=apdu[1], p1=apdu[2], p2=apdu[3], data=data, ne=ne, extended=extended
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reply:
    """A response APDU."""

    data: bytes = b""
    status: int = Status.SUCCESS

    def __bytes__(self) -> bytes:
        return self.data + self.status.to_bytes(2, "big")


def _expected(le: bytes) -> int:
    """Return the value of an Le field: all zeros mean its maximum plus one."""
    return int.from_bytes(le, "big") or 1 << 8 * len(le)
