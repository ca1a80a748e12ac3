"""One request and its answer on a bus, and the faults between them."""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from pydantic import Field

from simulators.barrier.wirelog import Effect
from simulators.faults import Fault


@dataclass(frozen=True, slots=True)
class Exchange:
    """The course of one exchange."""

    is_received: bool = True
    is_executed: bool = True
    refusal: int | None = None
    is_answered: bool = True
    copies: int = 1
    late_s: float = 0.0
    is_corrupted: bool = False
    foreign: bool = False
    hang_up: Literal["", "before", "after"] = ""
    """True if the connection ends before the board has acted, or after it and before the answer."""


class ExchangeFault(Fault):
    """A fault of the next exchanges."""

    exchanges: int = Field(default=1, ge=1, description="Number of exchanges affected.")
    of: Literal["any", "reads", "writes"] = Field(
        default="any", description="Exchanges affected: all, or only those that do or do not write outputs."
    )
    rank: ClassVar[int] = 0
    """Order in which the faults of one exchange apply, lowest first, whatever the order of injection."""

    def applies_to(self, effect: Effect) -> bool:
        """Return whether the fault applies to an exchange of that effect."""
        writes = effect in (Effect.ENERGISE, Effect.RELEASE)
        return self.of == "any" or (self.of == "writes") == writes

    def apply(self, exchange: Exchange) -> Exchange:
        """Return the course of the exchange with this fault."""
        return exchange


class LostRequest(ExchangeFault):
    """A lost request: it is neither executed nor answered."""

    fault: Literal["lost-request"] = "lost-request"

    def apply(self, exchange: Exchange) -> Exchange:
        """See `ExchangeFault`."""
        return replace(exchange, is_received=False)


class LostReply(ExchangeFault):
    """A lost answer: the board executes the request."""

    fault: Literal["lost-reply"] = "lost-reply"

    def apply(self, exchange: Exchange) -> Exchange:
        """See `ExchangeFault`."""
        return replace(exchange, is_answered=False)


class DuplicatedReply(ExchangeFault):
    """A repeated answer."""

    fault: Literal["duplicated-reply"] = "duplicated-reply"
    copies: int = Field(default=2, ge=2, le=10, description="Number of copies.")

    def apply(self, exchange: Exchange) -> Exchange:
        """See `ExchangeFault`."""
        return replace(exchange, copies=self.copies)


class LateReply(ExchangeFault):
    """A delayed answer: the board acts in time, and other exchanges continue."""

    fault: Literal["late-reply"] = "late-reply"
    delay_s: float = Field(default=1.0, gt=0, description="Delay in seconds.")

    def apply(self, exchange: Exchange) -> Exchange:
        """See `ExchangeFault`."""
        return replace(exchange, late_s=self.delay_s)


class WrongCrc(ExchangeFault):
    """A wrong checksum of the answer. Only on a serial line."""

    fault: Literal["wrong-crc"] = "wrong-crc"

    def apply(self, exchange: Exchange) -> Exchange:
        """See `ExchangeFault`."""
        return replace(exchange, is_corrupted=True)


class ForeignReply(ExchangeFault):
    """An answer of another unit or, over TCP, of another transaction."""

    fault: Literal["foreign-reply"] = "foreign-reply"

    def apply(self, exchange: Exchange) -> Exchange:
        """See `ExchangeFault`."""
        return replace(exchange, foreign=True)


class ExceptionReply(ExchangeFault):
    """An exception in place of an answer."""

    fault: Literal["exception-reply"] = "exception-reply"
    code: int = Field(
        default=4, ge=1, le=255, description="Modbus exception code; 4 is device failure, 6 busy."
    )
    acts: bool = Field(default=False, description="Whether it executes the request nevertheless.")

    def apply(self, exchange: Exchange) -> Exchange:
        """See `ExchangeFault`."""
        return replace(exchange, refusal=self.code, is_executed=self.acts)


class HangUp(ExchangeFault):
    """The end of the connection in place of an answer. Only over TCP."""

    fault: Literal["hang-up"] = "hang-up"
    acts: bool = Field(default=True, description="Whether the board still executes the request.")
    rank: ClassVar[int] = 1

    def apply(self, exchange: Exchange) -> Exchange:
        """See `ExchangeFault`."""
        return replace(exchange, hang_up="after" if self.acts else "before")


class PendingExchanges:
    """Injected faults that have not yet applied."""

    def __init__(self) -> None:
        self._pending: list[tuple[ExchangeFault, int]] = []

    def add(self, fault: ExchangeFault) -> None:
        """Apply the fault to the next matching exchanges."""
        self._pending.append((fault, fault.exchanges))

    def clear(self) -> None:
        """Discard all pending faults."""
        self._pending.clear()

    def next(self, effect: Effect) -> Exchange:
        """Return the course of the next exchange of that effect; count it for each fault that applies."""
        due = [fault for fault, _ in self._pending if fault.applies_to(effect)]
        self._pending = [
            (fault, remaining - fault.applies_to(effect))
            for fault, remaining in self._pending
            if remaining > fault.applies_to(effect)
        ]
        exchange = Exchange()
        for fault in sorted(due, key=lambda fault: fault.rank):
            exchange = fault.apply(exchange)
        return exchange

    def __len__(self) -> int:
        return len(self._pending)
