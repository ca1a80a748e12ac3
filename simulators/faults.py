"""Faults of a reader on a serial line, each a small typed value.

Some take effect at once (`Unplug`, `Silence(for_s=...)`, `Noise`, `NoDocument`), the others affect the next
read, or the next `reads` reads. They can be combined: a slow frame in small pieces with a wrong check digit.
The names in `fault` are used in scenario files, on the control socket and on the command line.
"""

from dataclasses import dataclass, replace
from random import Random
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from simulators.links.uart_sampling import resample
from simulators.mrz import CHECK_AT, Check, format_of

Lines = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Transmission:
    """A frame and how it is sent."""

    data: bytes
    delay_s: float = 0.0
    chunk: int | None = None
    every_s: float = 0.0
    is_suppressed: bool = False
    then_unplug: bool = False
    unplug_for_s: float | None = None


class Fault(BaseModel):
    """A fault that can be injected."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ReadFault(Fault):
    """A fault of the next reads: of their lines, their frame or its transmission."""

    reads: int = Field(default=1, ge=1, description="Number of consecutive reads affected.")
    rank: ClassVar[int] = 0
    """Order in which the faults of one read apply, lowest first, whatever the order of injection."""

    def lines(self, lines: Lines) -> Lines:
        """Return the lines to be framed."""
        return lines

    def frame(self, sent: Transmission) -> Transmission:
        """Return the frame to be sent."""
        return sent


class Unplug(Fault):
    """Pull the cable now."""

    fault: Literal["unplug"] = "unplug"
    for_s: float | None = Field(
        default=None, gt=0, description="Seconds until it returns; permanent if omitted."
    )


class Noise(Fault):
    """Meaningless bytes on an idle line, now."""

    fault: Literal["noise"] = "noise"
    size: int = Field(default=16, ge=1, le=4096, description="Number of bytes.")
    seed: int = 0

    @property
    def data(self) -> bytes:
        """The bytes; the same for the same seed."""
        return Random(self.seed).randbytes(self.size)


class NoDocument(Fault):
    """A read without a document, reported now."""

    fault: Literal["no-document"] = "no-document"


class Silence(ReadFault):
    """Suppressed reads: the next ones or, with `for_s`, everything for that many seconds from now."""

    fault: Literal["silence"] = "silence"
    for_s: float | None = Field(
        default=None, gt=0, description="Seconds of silence from now, including answers to commands."
    )

    def frame(self, sent: Transmission) -> Transmission:
        """Suppress the frame."""
        return replace(sent, is_suppressed=True)


class SwappedLines(ReadFault):
    """The first two lines arrive in the wrong order."""

    fault: Literal["swapped-lines"] = "swapped-lines"

    def lines(self, lines: Lines) -> Lines:
        """Return the second line before the first."""
        return (lines[1], lines[0], *lines[2:]) if len(lines) > 1 else lines


class MissingLine(ReadFault):
    """One line of the zone is missing."""

    fault: Literal["missing-line"] = "missing-line"
    line: int = Field(
        default=1,
        ge=1,
        le=3,
        description="Number of the line, counted from 1; of two lines, 3 means the last.",
    )
    rank: ClassVar[int] = 1

    def lines(self, lines: Lines) -> Lines:
        """Return all other lines."""
        index = min(self.line, len(lines)) - 1
        return (*lines[:index], *lines[index + 1 :]) if lines else lines


class WrongDigit(ReadFault):
    """A check digit of the zone that does not match its data."""

    fault: Literal["wrong-digit"] = "wrong-digit"
    check: Check = Field(default=Check.NUMBER, description="Name of the check digit.")
    rank: ClassVar[int] = -1  # before the lines are swapped or removed

    def lines(self, lines: Lines) -> Lines:
        """Return the lines with a wrong digit; unchanged if the zone has no such digit."""
        kind = format_of(lines)
        if kind is None or self.check not in CHECK_AT[kind]:
            return lines
        row, column = CHECK_AT[kind][self.check]
        digit = lines[row][column]
        # A filler represents an absent digit; 0 would be correct there in an empty optional field.
        wrong = str((int(digit) + 1) % 10) if digit.isdigit() else "7"
        changed = lines[row][:column] + wrong + lines[row][column + 1 :]
        return (*lines[:row], changed, *lines[row + 1 :])


class CharacterFault(ReadFault):
    """One character of the zone that a reader makes something else of: dirt, wear, movement."""

    line: int = Field(
        default=2,
        ge=1,
        le=3,
        description="Number of the line, counted from 1; of two lines, 3 means the last.",
    )
    at: int = Field(default=14, ge=1, description="Place of the character in its line, counted from 1.")
    rank: ClassVar[int] = -1  # before the lines are swapped or removed

    def lines(self, lines: Lines) -> Lines:
        """Return the lines with that character as it is read; unchanged if the line has no such place."""
        row = min(self.line, len(lines)) - 1
        if row < 0 or self.at > len(lines[row]):
            return lines
        before, character, after = (
            lines[row][: self.at - 1],
            lines[row][self.at - 1],
            lines[row][self.at :],
        )
        return (*lines[:row], before + self.as_read(character) + after, *lines[row + 1 :])

    def as_read(self, character: str) -> str:
        """Return the characters that are read in its place."""
        return character


class MisreadCharacter(CharacterFault):
    """One character is read as another one. G has the check digit of 6, L that of 1, and so on."""

    fault: Literal["misread-character"] = "misread-character"
    read_as: str = Field(default="G", pattern="^[A-Z0-9<]$", description="The character that is read.")

    def as_read(self, character: str) -> str:  # noqa: ARG002 - whatever is printed there
        """Return the other character."""
        return self.read_as


class LostCharacter(CharacterFault):
    """One character is not read: the line is too short."""

    fault: Literal["lost-character"] = "lost-character"

    def as_read(self, character: str) -> str:  # noqa: ARG002 - whatever is printed there
        """Return nothing."""
        return ""


class DoubledCharacter(CharacterFault):
    """One character is read twice: the line is too long."""

    fault: Literal["doubled-character"] = "doubled-character"

    def as_read(self, character: str) -> str:
        """Return it twice."""
        return character * 2


class WrongFrameCheck(ReadFault):
    """A wrong check byte at the end of the frame. Only for framings that have one."""

    fault: Literal["wrong-frame-check"] = "wrong-frame-check"

    def frame(self, sent: Transmission) -> Transmission:
        """Invert the last byte."""
        return replace(sent, data=sent.data[:-1] + bytes([sent.data[-1] ^ 0xFF]))


class Truncated(ReadFault):
    """The frame ends before byte `at`; the reader continues as if it had sent the whole frame."""

    fault: Literal["cut"] = "cut"
    at: int = Field(ge=0, description="Number of bytes that are still sent.")
    unplug: bool = Field(default=False, description="Whether the frame ends because the cable was pulled.")
    for_s: float | None = Field(
        default=None, gt=0, description="With `unplug`: seconds until it is plugged in again."
    )
    rank: ClassVar[int] = 1

    @model_validator(mode="after")
    def _for_s_is_about_the_cable(self) -> "Truncated":
        if self.for_s is not None and not self.unplug:
            raise ValueError("for_s requires unplug = true")
        return self

    def frame(self, sent: Transmission) -> Transmission:
        """Return the first `at` bytes."""
        return replace(sent, data=sent.data[: self.at], then_unplug=self.unplug, unplug_for_s=self.for_s)


class Garbage(ReadFault):
    """Meaningless bytes directly before and after the frame."""

    fault: Literal["garbage"] = "garbage"
    before: int = Field(default=8, ge=0, le=4096, description="Number of bytes before the frame.")
    after: int = Field(default=0, ge=0, le=4096, description="Number of bytes after the frame.")
    seed: int = 0
    rank: ClassVar[int] = 2

    def frame(self, sent: Transmission) -> Transmission:
        """Return the frame with its surrounding bytes; they are the same for the same seed."""
        chance = Random(self.seed)
        return replace(sent, data=chance.randbytes(self.before) + sent.data + chance.randbytes(self.after))


class SlowBytes(ReadFault):
    """The frame arrives a few bytes at a time."""

    fault: Literal["dribble"] = "dribble"
    size: int = Field(default=1, ge=1, description="Bytes in one piece.")
    every_ms: float = Field(default=5.0, ge=0, description="Pause between pieces, in milliseconds.")

    def frame(self, sent: Transmission) -> Transmission:
        """Return the same bytes in small pieces."""
        return replace(sent, chunk=self.size, every_s=self.every_ms / 1000)


class WrongRate(ReadFault):
    """The reader sends at another rate than the host receives."""

    fault: Literal["wrong-rate"] = "wrong-rate"
    sent_baud: int = Field(default=9600, gt=0, description="Rate of the reader, in bits per second.")
    received_baud: int = Field(default=115200, gt=0, description="Rate of the host, in bits per second.")
    rank: ClassVar[int] = 3

    def frame(self, sent: Transmission) -> Transmission:
        """Return the bytes that the host receives."""
        return replace(sent, data=resample(sent.data, self.sent_baud, self.received_baud))


class SevenBits(ReadFault):
    """The reader sends 7 data bits and even parity to a host that receives 8 data bits."""

    fault: Literal["seven-bits"] = "seven-bits"
    rank: ClassVar[int] = 3

    def frame(self, sent: Transmission) -> Transmission:
        """Return the bytes with the parity bit as their highest one."""
        return replace(sent, data=bytes(byte | (byte.bit_count() & 1) << 7 for byte in sent.data))


class Delayed(ReadFault):
    """A pause before the reader sends."""

    fault: Literal["slow"] = "slow"
    delay_s: float = Field(default=2.0, gt=0, description="Delay in seconds.")

    def frame(self, sent: Transmission) -> Transmission:
        """Return the same bytes, delayed."""
        return replace(sent, delay_s=sent.delay_s + self.delay_s)


AnyFault = Annotated[
    Unplug
    | Noise
    | NoDocument
    | Silence
    | SwappedLines
    | MissingLine
    | WrongDigit
    | MisreadCharacter
    | LostCharacter
    | DoubledCharacter
    | WrongFrameCheck
    | Truncated
    | Garbage
    | SlowBytes
    | WrongRate
    | SevenBits
    | Delayed,
    Field(discriminator="fault"),
]
FAULTS: TypeAdapter[AnyFault] = TypeAdapter(AnyFault)


def fault_of(name: str, arguments: dict[str, Any] | None = None) -> AnyFault:
    """Return the fault with that name; raise pydantic's ValidationError, a ValueError, if it is invalid."""
    return FAULTS.validate_python({**(arguments or {}), "fault": name})


class PendingFaults:
    """Injected faults that have not yet applied."""

    def __init__(self) -> None:
        self._pending: list[tuple[ReadFault, int]] = []

    def add(self, fault: ReadFault) -> None:
        """Apply the fault to the next reads."""
        self._pending.append((fault, fault.reads))

    def clear(self) -> None:
        """Discard all pending faults."""
        self._pending.clear()

    def take(self) -> list[ReadFault]:
        """Return the faults of the next read in the order they apply, and count it for each of them."""
        due = sorted((fault for fault, _ in self._pending), key=lambda fault: fault.rank)
        self._pending = [(fault, remaining - 1) for fault, remaining in self._pending if remaining > 1]
        return due

    def __len__(self) -> int:
        return len(self._pending)
