"""Commands: verbs of a device, their declaration by a driver, and reasons for a refusal."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, get_type_hints

from drivers import clock
from drivers.observation import DataModel, OpenEnum


class RefusalReason(OpenEnum):
    """Reason for a command that was not executed: a code, the key of catalogues of sentences."""

    BUSY = "busy"
    """The device is executing another command and cannot execute both."""
    CANCELLED = "cancelled"
    """The command was cancelled."""
    DEVICE_REFUSED = "device_refused"
    """The device rejected the command."""
    EXPIRED = "expired"
    """The command arrived after its deadline."""
    LINK_FAILED = "link_failed"
    """The link failed during execution. A movement may have taken place."""
    MAINTENANCE = "maintenance"
    """The device is under maintenance: work at the device has precedence over remote commands."""
    NOT_RECORDED = "not_recorded"
    """The decision, or what must outlive a restart, is not on the disk."""
    NOT_SUPPORTED = "not_supported"
    """The model, or its configuration, does not support the command."""
    RATE_LIMITED = "rate_limited"
    """Too many commands within a short time; none is queued."""
    TIMED_OUT = "timed_out"
    """The expected result did not occur in time."""
    UNSAFE = "unsafe"
    """Execution could injure a person, or the sensors cannot exclude it."""
    UNKNOWN = "unknown"


class CommandRefusal(Exception):  # noqa: N818 - an answer, not a fault
    """Refusal of a command: nothing has begun or moved."""

    def __init__(self, reason: RefusalReason, text: str) -> None:
        """`text`: a sentence for the issuer, without personal data."""
        super().__init__(text)
        self.reason = reason
        self.text = text


class CommandFailure(CommandRefusal):
    """Failure of a command that had begun: something may have moved, lit up, or been read."""

    def __init__(self, reason: RefusalReason, text: str, output: "CommandOutput | None" = None) -> None:
        """`output`: what is known of its result, for the audit alone."""
        super().__init__(reason, text)
        self.output = output


class CommandArguments(DataModel):
    """Arguments of one command."""


class CommandOutput(DataModel):
    """Result of a completed command. Personal data travels in events, never here."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """One invocation of a command: its id, issuer and deadline."""

    id: str
    """Id of the command; a repeated message has the same id."""
    issuer: str
    transaction: str
    """Transaction id, copied into the observations that the command causes."""
    deadline_ns: int
    """Deadline of the start of execution, by CLOCK_BOOTTIME in nanoseconds."""
    is_supervisor: bool = False
    """True if the issuer may take over what another station holds."""
    recorded: "asyncio.Future[bool] | None" = None
    """True once the decision on this command is on the disk, False if the disk refuses it.

    None for commands that are not declared `is_recorded_first`, and without a gateway.
    """

    @classmethod
    def local(cls, within_s: float = 3.0) -> "Invocation":
        """Create an invocation for a script that has exclusive use of the driver."""
        return cls("local", "local", "local", clock.boot_ns() + round(within_s * 1e9))

    @property
    def remaining_s(self) -> float:
        """Seconds until the deadline; negative after it."""
        return (self.deadline_ns - clock.boot_ns()) / 1e9

    async def wait_recorded(self, limit_s: float) -> bool:
        """Wait until the decision on this command is on the disk; False if it is not within `limit_s`."""
        if self.recorded is None:
            return True
        await asyncio.wait((self.recorded,), timeout=limit_s)
        return self.recorded.done() and self.recorded.result()


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """One command as declared by a driver."""

    verb: str
    """Level of its topic: the method's name, hyphens for underscores."""
    method: str
    arguments_type: type[CommandArguments]
    result_type: type[CommandOutput]
    is_urgent: bool
    """Executed at once, beside a running command, such as stop or cancel.

    Other commands are refused as `busy` then.
    """
    is_movement: bool
    """Can move a machine; authorization of such commands is stricter."""
    needs_claim: bool = False
    """Reserved for the station that has claimed the device."""
    is_recorded_first: bool = False
    """Its `Invocation.recorded` says when the decision on it is on the disk."""


RequestT = TypeVar("RequestT", bound=CommandArguments)
DoneT = TypeVar("DoneT", bound=CommandOutput)


@dataclass(frozen=True, slots=True)
class CommandType(Generic[RequestT, DoneT]):
    """One type of command that the contract describes."""

    name: str
    """Family or namespace of a package, and verb, such as `barrier.open`; `device` means every device."""
    request: type[RequestT]
    done: type[DoneT]

    @property
    def verb(self) -> str:
        """Last part of the name, and level of the command's topic."""
        return self.name.partition(".")[2]


MethodT = TypeVar("MethodT", bound=Callable[..., Awaitable[CommandOutput]])
_MARK = "__borderpost_command__"
RESERVED_VERBS = frozenset({"claim", "release", "renew", "steal"})
"""Verbs that the gateway executes itself, for every device."""


def command(
    *,
    is_urgent: bool = False,
    is_movement: bool = False,
    needs_claim: bool = False,
    is_recorded_first: bool = False,
    verb: str | None = None,
) -> Callable[[MethodT], MethodT]:
    """Declare a method of a driver as a command.

    Its signature is `async def verb(self, request: SomeArguments, call: Invocation) -> SomeOutput`. `verb` is
    the command's name where the method cannot have that name, such as `open`, a method of every driver. The
    method raises CommandRefusal, CommandFailure or LinkError. It never retries; `watch` yields its
    observations.
    """

    def mark(method: MethodT) -> MethodT:
        setattr(method, _MARK, (is_urgent, is_movement, needs_claim, is_recorded_first, verb))
        return method

    return mark


def commands_of(driver: type[Any]) -> dict[str, CommandSpec]:
    """Return the commands that a driver class declares, by verb; raises TypeError for a malformed one."""
    found = {}
    for name, method in inspect.getmembers(driver, inspect.iscoroutinefunction):
        if (marked := getattr(method, _MARK, None)) is None:
            continue
        urgent, moves, claimed, recorded, named = marked
        hints = get_type_hints(method)
        done = hints.pop("return", None)
        match list(hints.values()):
            case [request, call] if (
                call is Invocation
                and _is_subclass(request, CommandArguments)
                and _is_subclass(done, CommandOutput)
            ):
                verb = named or name.replace("_", "-")
                if verb in RESERVED_VERBS:
                    raise TypeError(f"{driver.__name__}.{name}: `{verb}` is a command of every device")
                found[verb] = CommandSpec(verb, name, request, done, urgent, moves, claimed, recorded)
            case _:
                raise TypeError(
                    f"{driver.__name__}.{name} is not (self, CommandArguments, Invocation) -> CommandOutput"
                )
    return found


def _is_subclass(found: object, wanted: type[DataModel]) -> bool:
    return isinstance(found, type) and issubclass(found, wanted)
