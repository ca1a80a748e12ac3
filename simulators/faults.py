"""What goes wrong with a reader on a serial line, each thing a small typed value.

Some happen at once (`Unplug`, `Silence(for_s=...)`, `Noise`, `NoDocument`), the others befall the next
read, or the next `reads` of them. They can be combined: a slow, dribbled frame with a wrong check digit.
The names in `fault` are those of scenario files, of the control socket and of the command line.
"""

from dataclasses import dataclass, replace
from random import Random
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from simulators.mrz import CHECK_AT, Check, format_of

Lines = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Transmission:
    """A frame on its way: what is sent, and how."""

    data: bytes
    delay_s: float = 0.0
    chunk: int | None = None
    every_s: float = 0.0
    is_suppressed: bool = False
    then_unplug: bool = False
    unplug_for_s: float | None = None


class Fault(BaseModel):
    """Something that goes wrong."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ReadFault(Fault):
    """Something that spoils the next reads: their lines, their frame or how the frame travels."""

    reads: int = Field(1, ge=1, description="How many reads in a row it spoils.")
    rank: ClassVar[int] = 0
    """Faults of one read apply in the order of their rank, whatever the order they were asked for."""

    def lines(self, lines: Lines) -> Lines:
        """What becomes of the lines before they are framed."""
        return lines

    def frame(self, sent: Transmission) -> Transmission:
        """What becomes of the frame."""
        return sent


class Unplug(Fault):
    """The cable comes out, now."""

    fault: Literal["unplug"] = "unplug"
    for_s: float | None = Field(None, gt=0, description="Back after so many seconds; without it, for good.")


class Noise(Fault):
    """Bytes that mean nothing, on an idle line, now."""

    fault: Literal["noise"] = "noise"
    size: int = Field(16, ge=1, le=4096, description="How many bytes.")
    seed: int = 0

    @property
    def data(self) -> bytes:
        """The bytes; the same for the same seed."""
        return Random(self.seed).randbytes(self.size)


class NoDocument(Fault):
    """The reader reports a read without a document in it, now."""

    fault: Literal["no-document"] = "no-document"


class Silence(ReadFault):
    """The reader says nothing: for the next reads or, with `for_s`, at all for so many seconds from now."""

    fault: Literal["silence"] = "silence"
    for_s: float | None = Field(None, gt=0, description="Mute, answers to commands included, for so long.")

    def frame(self, sent: Transmission) -> Transmission:
        """Nothing of it is sent."""
        return replace(sent, is_suppressed=True)


class SwappedLines(ReadFault):
    """The first two lines arrive in the wrong order."""

    fault: Literal["swapped-lines"] = "swapped-lines"

    def lines(self, lines: Lines) -> Lines:
        """Second before first."""
        return (lines[1], lines[0], *lines[2:]) if len(lines) > 1 else lines


class MissingLine(ReadFault):
    """One line of the zone was not seen."""

    fault: Literal["missing-line"] = "missing-line"
    line: int = Field(1, ge=1, le=3, description="Which one, counted from 1; of two lines, 3 is the last.")
    rank: ClassVar[int] = 1

    def lines(self, lines: Lines) -> Lines:
        """All but that one."""
        gone = min(self.line, len(lines)) - 1
        return (*lines[:gone], *lines[gone + 1 :]) if lines else lines


class WrongDigit(ReadFault):
    """A check digit of the zone that does not agree with what it checks."""

    fault: Literal["wrong-digit"] = "wrong-digit"
    check: Check = Field(Check.NUMBER, description="Which check digit.")
    rank: ClassVar[int] = -1  # while the lines are still where they belong

    def lines(self, lines: Lines) -> Lines:
        """The digit made wrong; unchanged where the zone has no such digit."""
        kind = format_of(lines)
        if kind is None or self.check not in CHECK_AT[kind]:
            return lines
        row, column = CHECK_AT[kind][self.check]
        digit = lines[row][column]
        # A filler stands for an absent digit; 0 would be right there in an empty optional field.
        wrong = str((int(digit) + 1) % 10) if digit.isdigit() else "7"
        spoiled = lines[row][:column] + wrong + lines[row][column + 1 :]
        return (*lines[:row], spoiled, *lines[row + 1 :])


class WrongFrameCheck(ReadFault):
    """The frame's own check byte, its last, is wrong. Only for framings that have one."""

    fault: Literal["wrong-frame-check"] = "wrong-frame-check"

    def frame(self, sent: Transmission) -> Transmission:
        """Its last byte inverted."""
        return replace(sent, data=sent.data[:-1] + bytes([sent.data[-1] ^ 0xFF]))


class Truncated(ReadFault):
    """The frame ends before byte `at`; the reader goes on as if it had sent all of it."""

    fault: Literal["cut"] = "cut"
    at: int = Field(ge=0, description="How many bytes are still sent.")
    unplug: bool = Field(False, description="It ends because the cable came out.")
    for_s: float | None = Field(None, gt=0, description="With `unplug`: back after so many seconds.")
    rank: ClassVar[int] = 1

    @model_validator(mode="after")
    def _for_s_is_about_the_cable(self) -> "Truncated":
        if self.for_s is not None and not self.unplug:
            raise ValueError("for_s goes with unplug = true")
        return self

    def frame(self, sent: Transmission) -> Transmission:
        """Its first `at` bytes."""
        return replace(sent, data=sent.data[: self.at], then_unplug=self.unplug, unplug_for_s=self.for_s)


class Garbage(ReadFault):
    """Bytes that mean nothing, directly before and after the frame."""

    fault: Literal["garbage"] = "garbage"
    before: int = Field(8, ge=0, le=4096, description="How many bytes before the frame.")
    after: int = Field(0, ge=0, le=4096, description="How many bytes after it.")
    seed: int = 0
    rank: ClassVar[int] = 2

    def frame(self, sent: Transmission) -> Transmission:
        """The frame in its surroundings; the same ones for the same seed."""
        chance = Random(self.seed)
        return replace(sent, data=chance.randbytes(self.before) + sent.data + chance.randbytes(self.after))


class SlowBytes(ReadFault):
    """The frame comes a few bytes at a time."""

    fault: Literal["dribble"] = "dribble"
    size: int = Field(1, ge=1, description="Bytes at a time.")
    every_ms: float = Field(5.0, ge=0, description="Pause between them, in milliseconds.")

    def frame(self, sent: Transmission) -> Transmission:
        """The same bytes in small pieces."""
        return replace(sent, chunk=self.size, every_s=self.every_ms / 1000)


class Delayed(ReadFault):
    """The reader takes its time before it sends."""

    fault: Literal["slow"] = "slow"
    delay_s: float = Field(2.0, gt=0, description="How long, in seconds.")

    def frame(self, sent: Transmission) -> Transmission:
        """The same bytes, later."""
        return replace(sent, delay_s=sent.delay_s + self.delay_s)


AnyFault = Annotated[
    Unplug
    | Noise
    | NoDocument
    | Silence
    | SwappedLines
    | MissingLine
    | WrongDigit
    | WrongFrameCheck
    | Truncated
    | Garbage
    | SlowBytes
    | Delayed,
    Field(discriminator="fault"),
]
_FAULTS: TypeAdapter[AnyFault] = TypeAdapter(AnyFault)


def fault_of(name: str, arguments: dict[str, Any] | None = None) -> AnyFault:
    """The fault of that name; pydantic's ValidationError, a ValueError, for one that cannot be."""
    return _FAULTS.validate_python({**(arguments or {}), "fault": name})


class PendingFaults:
    """The faults that wait for the next reads."""

    def __init__(self) -> None:
        self._left: list[tuple[ReadFault, int]] = []

    def add(self, fault: ReadFault) -> None:
        """Let it befall the next reads."""
        self._left.append((fault, fault.reads))

    def clear(self) -> None:
        """Spare the next reads."""
        self._left.clear()

    def take(self) -> list[ReadFault]:
        """The faults of one read, in the order they apply; each has one read less to spoil."""
        due = sorted((fault for fault, _ in self._left), key=lambda fault: fault.rank)
        self._left = [(fault, left - 1) for fault, left in self._left if left > 1]
        return due

    def __len__(self) -> int:
        return len(self._left)
