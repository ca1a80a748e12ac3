"""One question and its answer on a bus, and what may go wrong between the two."""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from pydantic import Field

from simulators.barrier.wirelog import Effect
from simulators.faults import Fault


@dataclass(frozen=True, slots=True)
class Exchange:
    """How one exchange goes."""

    is_received: bool = True
    is_executed: bool = True
    refusal: int | None = None
    is_answered: bool = True
    copies: int = 1
    late_s: float = 0.0
    is_corrupted: bool = False
    foreign: bool = False
    hang_up: Literal["", "before", "after"] = ""
    """The connection ends before the board has acted, or after it has and before it answers."""


class ExchangeFault(Fault):
    """Something that spoils the next exchanges."""

    exchanges: int = Field(1, ge=1, description="How many exchanges it spoils.")
    of: Literal["any", "reads", "writes"] = Field(
        "any", description="Which: all, or only those that do or do not ask something of the outputs."
    )
    rank: ClassVar[int] = 0
    """Faults of one exchange apply in the order of their rank, whatever the order they were asked for."""

    def applies_to(self, effect: Effect) -> bool:
        """Whether an exchange of that effect is one of them."""
        writes = effect in (Effect.ENERGISE, Effect.RELEASE)
        return self.of == "any" or (self.of == "writes") == writes

    def apply(self, exchange: Exchange) -> Exchange:
        """How the exchange goes then."""
        return exchange


class LostRequest(ExchangeFault):
    """The request never arrives: nothing is done, nothing answered."""

    fault: Literal["lost-request"] = "lost-request"

    def apply(self, exchange: Exchange) -> Exchange:
        """See `ExchangeFault`."""
        return replace(exchange, is_received=False)


class LostReply(ExchangeFault):
    """The board does what it was asked, but the answer is lost."""

    fault: Literal["lost-reply"] = "lost-reply"

    def apply(self, exchange: Exchange) -> Exchange:
        """See `ExchangeFault`."""
        return replace(exchange, is_answered=False)


class DuplicatedReply(ExchangeFault):
    """The answer comes more than once."""

    fault: Literal["duplicated-reply"] = "duplicated-reply"
    copies: int = Field(2, ge=2, le=10, description="How often it comes.")

    def apply(self, exchange: Exchange) -> Exchange:
        """See `ExchangeFault`."""
        return replace(exchange, copies=self.copies)


class LateReply(ExchangeFault):
    """The board acts in time, but the answer is held up on the way, while other exchanges go on."""

    fault: Literal["late-reply"] = "late-reply"
    delay_s: float = Field(1.0, gt=0, description="How long, in seconds.")

    def apply(self, exchange: Exchange) -> Exchange:
        """See `ExchangeFault`."""
        return replace(exchange, late_s=self.delay_s)


class WrongCrc(ExchangeFault):
    """The check of the answer is wrong. Only on a serial line."""

    fault: Literal["wrong-crc"] = "wrong-crc"

    def apply(self, exchange: Exchange) -> Exchange:
        """See `ExchangeFault`."""
        return replace(exchange, is_corrupted=True)


class ForeignReply(ExchangeFault):
    """The answer is somebody else's: another unit's or, over TCP, another transaction's."""

    fault: Literal["foreign-reply"] = "foreign-reply"

    def apply(self, exchange: Exchange) -> Exchange:
        """See `ExchangeFault`."""
        return replace(exchange, foreign=True)


class ExceptionReply(ExchangeFault):
    """The board refuses with an exception."""

    fault: Literal["exception-reply"] = "exception-reply"
    code: int = Field(4, ge=1, le=255, description="Modbus exception code; 4 is device failure, 6 busy.")
    acts: bool = Field(False, description="Whether it does what it was asked all the same.")

    def apply(self, exchange: Exchange) -> Exchange:
        """See `ExchangeFault`."""
        return replace(exchange, refusal=self.code, is_executed=self.acts)


class HangUp(ExchangeFault):
    """The connection ends instead of an answer. Only over TCP."""

    fault: Literal["hang-up"] = "hang-up"
    acts: bool = Field(True, description="Whether the board still does what it was asked.")
    rank: ClassVar[int] = 1

    def apply(self, exchange: Exchange) -> Exchange:
        """See `ExchangeFault`."""
        return replace(exchange, hang_up="after" if self.acts else "before")


class PendingExchanges:
    """The faults that wait for the next exchanges."""

    def __init__(self) -> None:
        self._left: list[tuple[ExchangeFault, int]] = []

    def add(self, fault: ExchangeFault) -> None:
        """Let it befall the next exchanges that it concerns."""
        self._left.append((fault, fault.exchanges))

    def clear(self) -> None:
        """Spare them."""
        self._left.clear()

    def next(self, effect: Effect) -> Exchange:
        """How the next exchange, of that effect, goes; its faults have one exchange less to spoil."""
        due = [fault for fault, _ in self._left if fault.applies_to(effect)]
        self._left = [
            (fault, left - fault.applies_to(effect))
            for fault, left in self._left
            if left > fault.applies_to(effect)
        ]
        exchange = Exchange()
        for fault in sorted(due, key=lambda fault: fault.rank):
            exchange = fault.apply(exchange)
        return exchange

    def __len__(self) -> int:
        return len(self._left)
