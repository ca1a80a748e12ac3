"""The chip of a travel document, as a reader meets it: APDUs in, APDUs out, and what can go wrong between."""

import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce
from operator import xor

from simulators.mrz import Document
from simulators.passport.chip.apdu import Randomness
from simulators.passport.chip.faults import (
    CardRemoval,
    CardRemovedError,
    ChipFault,
    CorruptedReply,
    CutReply,
    IssuingFault,
    SecureMessagingError,
    SessionFault,
    SlowField,
    WrongStatus,
)
from simulators.passport.chip.personalisation import Personalisation, personalise
from simulators.passport.chip.pki.issuing_state import IssuingState
from simulators.passport.chip.profile import Profile
from simulators.passport.chip.session import Session


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply and how long the exchange takes on the air, in seconds."""

    reply: bytes
    airtime_s: float


class Chip:
    """One chip in the field.

    `faults` are those that happen while it is read; `issued` takes those of issuing as well. `random` is what
    the chip draws its challenges, nonces and ephemeral keys from: a test may give it a worked example's.
    """

    def __init__(
        self,
        personalisation: Personalisation,
        faults: Iterable[ChipFault] = (),
        *,
        random: Randomness = secrets.token_bytes,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.personalisation = personalisation
        self.present = True
        self.commands = 0
        """How many commands came since the last reset."""
        self._random, self._sleep = random, sleep
        self._pending: list[SessionFault] = []
        self._field: SlowField | None = None
        self._session = Session(personalisation, random)
        for fault in faults:
            self.inject(fault)

    @classmethod
    def issue(
        cls,
        document: Document,
        issuer: IssuingState,
        profile: Profile | None = None,
        faults: Iterable[ChipFault] = (),
        *,
        random: Randomness = secrets.token_bytes,
        sleep: Callable[[float], None] = time.sleep,
    ) -> "Chip":
        """A document written and laid on the reader, with faults of both sorts."""
        faults = tuple(faults)
        written = personalise(document, issuer, profile, faults)
        rest = (fault for fault in faults if not isinstance(fault, IssuingFault))
        return cls(written, rest, random=random, sleep=sleep)

    @property
    def atr(self) -> bytes:
        """What a PC/SC reader makes of a contactless chip's historical bytes (PC/SC part 3, 3.1.3.2.3)."""
        lengths = 0xC0 if self.personalisation.profile.extended_length else 0x80
        historical = bytes((0x80, 0x73, 0xE0, 0x01, lengths))
        body = bytes((0x80 | len(historical), 0x80, 0x01)) + historical
        return b"\x3b" + body + bytes([reduce(xor, body)])

    def inject(self, fault: ChipFault) -> None:
        """Let a fault happen; ValueError for one that had to happen when the document was issued."""
        match fault:
            case SlowField():
                self._field = fault
            case SessionFault():
                self._pending.append(fault)
            case _:
                raise ValueError(f"{type(fault).__name__} befalls a document when it is issued: Chip.issued")

    def reset(self) -> None:
        """Power off and on again: no access, no session, and the count of commands starts anew."""
        self.commands = 0
        self._session = Session(self.personalisation, self._random)

    def remove(self) -> None:
        """Take it out of the field."""
        self.present = False

    def insert(self) -> None:
        """Lay it on the reader again."""
        self.present = True
        self.reset()

    def transmit(self, apdu: bytes) -> bytes:
        """The reply to a command APDU, after as long as the air takes.

        Raises CardRemovedError where the chip is gone, or goes now; nothing else, whatever the bytes.
        """
        answer = self.answer(apdu)
        if answer.airtime_s:
            self._sleep(answer.airtime_s)
        return answer.reply

    def answer(self, apdu: bytes) -> Answer:
        """The reply at once, and how long it would take. Raises CardRemovedError as `transmit` does."""
        if not self.present:
            raise CardRemovedError
        self.commands += 1
        due = [fault for fault in self._pending if fault.at == self.commands]
        self._pending = [fault for fault in self._pending if fault not in due]
        reply = self._reply(apdu, due)
        for fault in due:
            reply = _spoiled(reply, fault)
        return Answer(reply, self._field.airtime_s(apdu, reply) if self._field else 0.0)

    def _reply(self, apdu: bytes, due: list[SessionFault]) -> bytes:
        instead = None
        for fault in due:
            match fault:
                case CardRemoval():
                    self.remove()
                    raise CardRemovedError
                case SecureMessagingError():
                    self._session.end()
                    return fault.status.to_bytes(2, "big")
                case WrongStatus():
                    instead = fault.status
        return self._session.process(apdu, instead=instead)


def _spoiled(reply: bytes, fault: SessionFault) -> bytes:
    match fault:
        case CorruptedReply():
            at, bit = divmod(fault.bit % (8 * len(reply)), 8)
            return reply[:at] + bytes([reply[at] ^ 0x80 >> bit]) + reply[at + 1 :]
        case CutReply():
            return reply[: fault.size]
        case _:
            return reply
