"""Commands: what a device can be told to do, how a driver declares it, and how it says no."""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar, get_type_hints

from drivers import clock
from drivers.observation import DataModel, OpenEnum


class RefusalReason(OpenEnum):
    """Why a command was not done, as a code that machines and catalogues of sentences key on."""

    BUSY = "busy"
    """The device does something else, and cannot do both."""
    CANCELLED = "cancelled"
    """Somebody called it off."""
    DEVICE_REFUSED = "device_refused"
    """The device answered that it will not."""
    EXPIRED = "expired"
    """It came too late: what was asked for then may be wrong now."""
    LINK_FAILED = "link_failed"
    """The link was lost on the way. What moves may have moved."""
    MAINTENANCE = "maintenance"
    """Somebody works on the device: who stands there goes before who is far away."""
    NOT_SUPPORTED = "not_supported"
    """This model, or this one as it is configured, cannot."""
    RATE_LIMITED = "rate_limited"
    """Too many within a short time; nothing is kept for later."""
    TIMED_OUT = "timed_out"
    """What had to happen did not happen in time."""
    UNSAFE = "unsafe"
    """It could hurt somebody, or what is sensed does not tell that it cannot."""
    UNKNOWN = "unknown"


class CommandRefusal(Exception):  # noqa: N818 - an answer, not a fault
    """The driver does not do it, and nothing has begun or moved."""

    def __init__(self, reason: RefusalReason, text: str) -> None:
        """`text`: a sentence for the person who asked, without personal data."""
        super().__init__(text)
        self.reason = reason
        self.text = text


class CommandFailure(CommandRefusal):
    """It was begun and did not come to its end: something may have moved, light up, or been read."""


class CommandArguments(DataModel):
    """What somebody asks of a device: the arguments of one command."""


class CommandOutput(DataModel):
    """What a command that came to its end has to say. Personal data travels in events, never here."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """Who asks, under which name, and how long it may wait to be begun."""

    id: str
    """The same when the same command is sent again."""
    issuer: str
    transaction: str
    """The observations that it causes carry this."""
    deadline_ns: int
    """After this, by CLOCK_BOOTTIME in nanoseconds, it must not be begun any more."""

    @classmethod
    def local(cls, within_s: float = 3.0) -> "Invocation":
        """A call by a script that has the driver to itself."""
        return cls("local", "local", "local", clock.boot_ns() + round(within_s * 1e9))

    @property
    def remaining_s(self) -> float:
        """Seconds until it must not be begun any more; negative when that is over."""
        return (self.deadline_ns - clock.boot_ns()) / 1e9


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """One command as a driver declares it."""

    verb: str
    """Level of its topic: the method's name, hyphens for underscores."""
    method: str
    arguments_type: type[CommandArguments]
    result_type: type[CommandOutput]
    is_urgent: bool
    """Begun at once, beside whatever runs: to stop or to call off. Others are refused as `busy` then."""
    is_movement: bool
    """Can move a machine, so more is asked of whoever sends it."""
    needs_claim: bool = False
    """Only for the station that has claimed the device."""


MethodT = TypeVar("MethodT", bound=Callable[..., Awaitable[CommandOutput]])
_MARK = "__borderpost_command__"
RESERVED_VERBS = frozenset({"claim", "release", "renew", "steal"})
"""Verbs that whoever runs drivers obeys itself, for every device."""


def command(
    *, is_urgent: bool = False, is_movement: bool = False, needs_claim: bool = False, verb: str | None = None
) -> Callable[[MethodT], MethodT]:
    """Declare a driver's method `async def verb(self, request: SomeRequest, call: Call) -> SomeDone`.

    `verb` names it where the method cannot have that name, as `open`, which every driver has. It raises
    Refused, Failed or LinkError; it never tries again, and what it observes meanwhile, `watch` yields.
    """

    def mark(method: MethodT) -> MethodT:
        setattr(method, _MARK, (is_urgent, is_movement, needs_claim, verb))
        return method

    return mark


def commands_of(driver: type[Any]) -> dict[str, CommandSpec]:
    """Every command that a class of drivers declares, by verb; raises TypeError for a malformed one."""
    found = {}
    for name, method in inspect.getmembers(driver, inspect.iscoroutinefunction):
        if (marked := getattr(method, _MARK, None)) is None:
            continue
        urgent, moves, claimed, named = marked
        hints = get_type_hints(method)
        done = hints.pop("return", None)
        match list(hints.values()):
            case [request, call] if (
                call is Invocation and _is(request, CommandArguments) and _is(done, CommandOutput)
            ):
                verb = named or name.replace("_", "-")
                if verb in RESERVED_VERBS:
                    raise TypeError(f"{driver.__name__}.{name}: every device has that command already")
                found[verb] = CommandSpec(verb, name, request, done, urgent, moves, claimed)
            case _:
                raise TypeError(f"{driver.__name__}.{name} is not (self, Request, Call) -> Done")
    return found


def _is(found: object, wanted: type[DataModel]) -> bool:
    return isinstance(found, type) and issubclass(found, wanted)
