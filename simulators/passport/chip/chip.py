"""The chip of a travel document as a reader sees it: APDUs in, APDUs out, and its faults."""

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
    FieldLoss,
    FieldLostError,
    IssuingFault,
    LimitedReads,
    LostReply,
    RepeatedFieldLoss,
    ReplyLostError,
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
    """A reply and the duration of the exchange on the air, in seconds."""

    reply: bytes
    airtime_s: float


class Chip:
    """One chip in the field.

    `faults` are those that happen while it is read; `issue` accepts those of issuing as well. `random` is the
    source of challenges, nonces and ephemeral keys: a test may use that of a worked example.
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
        """Number of commands since the last reset."""
        self._random, self._sleep = random, sleep
        self._pending: list[SessionFault] = []
        self._field: SlowField | None = None
        self._repeated_loss: RepeatedFieldLoss | None = None
        self._limited_reads: LimitedReads | None = None
        self.field_losses = 0
        """Number of times that the chip lost its power while the document lay there."""
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
        """Issue a document and put it on the reader, with faults of both kinds."""
        faults = tuple(faults)
        written = personalise(document, issuer, profile, faults)
        rest = (fault for fault in faults if not isinstance(fault, IssuingFault))
        return cls(written, rest, random=random, sleep=sleep)

    @property
    def atr(self) -> bytes:
        """ATR that a PC/SC reader derives from the historical bytes (PC/SC part 3, 3.1.3.2.3)."""
        lengths = 0xC0 if self.personalisation.profile.extended_length else 0x80
        historical = bytes((0x80, 0x73, 0xE0, 0x01, lengths))
        body = bytes((0x80 | len(historical), 0x80, 0x01)) + historical
        return b"\x3b" + body + bytes([reduce(xor, body)])

    def inject(self, fault: ChipFault) -> None:
        """Inject a fault; raise ValueError for one that is only possible when the document is issued."""
        match fault:
            case SlowField():
                self._field = fault
            case RepeatedFieldLoss():
                self._repeated_loss = fault
            case LimitedReads():
                self._limited_reads = fault
                self._session.limited_reads = fault
            case SessionFault():
                self._pending.append(fault)
            case _:
                raise ValueError(f"{type(fault).__name__} is a fault of issuing: pass it to Chip.issue")

    def reset(self) -> None:
        """Power the chip off and on: no access, no session, and the command counter restarts."""
        self.commands = 0
        self._session = Session(self.personalisation, self._random)
        self._session.limited_reads = self._limited_reads

    def remove(self) -> None:
        """Remove it from the field."""
        self.present = False

    def insert(self) -> None:
        """Put it on the reader again."""
        self.present = True
        self.reset()

    def transmit(self, apdu: bytes) -> bytes:
        """Return the reply to a command APDU after the duration of the exchange.

        Raises CardRemovedError if the chip has been removed, or is removed now, FieldLostError if it loses
        its power; nothing else, whatever the bytes.
        """
        answer = self.answer(apdu)
        if answer.airtime_s:
            self._sleep(answer.airtime_s)
        return answer.reply

    def answer(self, apdu: bytes) -> Answer:
        """Return the reply at once, and the duration of the exchange.

        Raises CardRemovedError as `transmit` does.
        """
        if not self.present:
            raise CardRemovedError
        self.commands += 1
        if self._loses_field_again():
            raise self._lose_field(self._repeated_loss.for_s if self._repeated_loss else 0.0)
        due = [fault for fault in self._pending if fault.at == self.commands]
        self._pending = [fault for fault in self._pending if fault not in due]
        reply = self._reply(apdu, due)
        if any(isinstance(fault, LostReply) for fault in due):
            raise ReplyLostError
        for fault in due:
            reply = _damaged(reply, fault)
        return Answer(reply, self._field.airtime_s(apdu, reply) if self._field else 0.0)

    def _reply(self, apdu: bytes, due: list[SessionFault]) -> bytes:
        instead = None
        for fault in due:
            match fault:
                case CardRemoval():
                    self.remove()
                    raise CardRemovedError
                case FieldLoss():
                    raise self._lose_field(fault.for_s)
                case SecureMessagingError():
                    self._session.end()
                    return fault.status.to_bytes(2, "big")
                case WrongStatus():
                    instead = fault.status
        reply = self._session.process(apdu, instead=instead)
        if self._session.has_lost_field:
            raise self._lose_field(0.0)
        return reply

    def _loses_field_again(self) -> bool:
        loss = self._repeated_loss
        return loss is not None and self.commands == loss.first + loss.step * self.field_losses

    def _lose_field(self, for_s: float) -> FieldLostError:
        self.field_losses += 1
        self.reset()
        return FieldLostError(for_s)


def _damaged(reply: bytes, fault: SessionFault) -> bytes:
    match fault:
        case CorruptedReply():
            at, bit = divmod(fault.bit % (8 * len(reply)), 8)
            return reply[:at] + bytes([reply[at] ^ 0x80 >> bit]) + reply[at + 1 :]
        case CutReply():
            return reply[: fault.size]
        case _:
            return reply
