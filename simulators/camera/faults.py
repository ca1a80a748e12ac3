"""Faults of a camera, each a small typed value, and the selection of those that apply to the next answer.

`AnyPictureFault` is for cameras that send pictures on request, `AnyVideoFault` for those that stream by RTSP,
and `AnyPlateFault` for those that report plates.
"""

import time
from collections.abc import Iterable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from simulators.errors import SimulatorError
from simulators.faults import Fault

Size = Literal["640x360", "1280x720", "1920x1080"]
"""Width and height of pictures, in pixels."""


def pixels(size: Size) -> tuple[int, int]:
    """Return width and height."""
    width, _, height = size.partition("x")
    return int(width), int(height)


class CameraFault(Fault):
    """A fault of the next answers, or of all for a while."""

    times: int = Field(default=1, ge=1, description="Number of consecutive pictures or events affected.")
    for_s: float | None = Field(
        default=None, gt=0, description="Seconds during which all are affected, instead of `times`."
    )


class NotFound(CameraFault):
    """404: the address is not the camera's, or no longer."""

    fault: Literal["not-found"] = "not-found"


class Interruption(CameraFault):
    """A fault in the middle of a picture or event."""

    after: float = Field(default=0.5, ge=0, le=1, description="Share of it that is still sent.")
    at: int | None = Field(
        default=None, ge=0, description="Number of bytes that are still sent, instead of a share."
    )

    def still_sent(self, size: int) -> int:
        """Return the number of bytes sent, of `size`."""
        return int(size * self.after) if self.at is None else min(self.at, size)


class Stall(Interruption):
    """The camera stops sending, for video between two pictures; the connection stays.

    Without `hold_s` or `for_s`, it sends nothing more on present connections.
    """

    fault: Literal["stall"] = "stall"
    hold_s: float | None = Field(
        default=None, gt=0, description="Seconds until it continues; else see `for_s`."
    )


class ConnectionCut(Interruption):
    """The connection ends in the middle."""

    fault: Literal["cut"] = "cut"


class TruncatedPicture(CameraFault):
    """Half a picture that is declared complete."""

    fault: Literal["half-picture"] = "half-picture"
    after: float = Field(default=0.5, ge=0, le=1, description="Share of it that exists.")


class WrongType(CameraFault):
    """A login page in place of a picture; status 200."""

    fault: Literal["wrong-type"] = "wrong-type"


class Garbage(CameraFault):
    """Invalid data that is declared a picture."""

    fault: Literal["garbage"] = "garbage"


class NoLength(CameraFault):
    """Neither Content-Length nor chunks: an answer ends with its connection, a part at the next boundary."""

    fault: Literal["no-length"] = "no-length"


class Dribble(CameraFault):
    """A picture or event in pieces of a few bytes."""

    fault: Literal["dribble"] = "dribble"
    size: int = Field(default=1000, ge=1, description="Bytes in one piece.")
    every_ms: float = Field(default=5.0, ge=0, description="Pause between pieces, in milliseconds.")


class Slow(CameraFault):
    """A delay before any output."""

    fault: Literal["slow"] = "slow"
    delay_s: float = Field(default=1.0, gt=0, description="Delay in seconds.")


class PacketLoss(CameraFault):
    """A lost packet of a picture."""

    fault: Literal["packet-loss"] = "packet-loss"
    which: Literal["first", "middle", "last"] = Field(
        default="middle", description="Number of the packet in its picture."
    )


class Flagged(CameraFault):
    """An incomplete picture that the kernel flags as such."""

    fault: Literal["flagged"] = "flagged"


class FormatChanged(Fault):
    """A change of the picture size while clients watch."""

    fault: Literal["format-changed"] = "format-changed"
    size: Size = Field(default="1280x720", description="Width and height, in pixels.")


class SubscriptionsRefused(Fault):
    """The camera has its maximum number of event subscriptions, and refuses more."""

    fault: Literal["subscriptions-refused"] = "subscriptions-refused"
    for_s: float | None = Field(default=None, gt=0, description="Duration in seconds; permanent if omitted.")


class SubscriptionsForgotten(Fault):
    """The camera loses all event subscriptions."""

    fault: Literal["subscriptions-forgotten"] = "subscriptions-forgotten"


class StalePicture(Fault):
    """The camera repeats its present picture."""

    fault: Literal["stale-picture"] = "stale-picture"
    for_s: float = Field(default=5.0, gt=0, description="Duration in seconds.")


class WrongCredentials(Fault):
    """The camera has another password from now on, or for some seconds."""

    fault: Literal["wrong-credentials"] = "wrong-credentials"
    for_s: float | None = Field(default=None, gt=0, description="Duration in seconds; permanent if omitted.")


class AccountLock(Fault):
    """The camera locks the account after some wrong passwords in a row: it then refuses the right one too."""

    fault: Literal["account-lock"] = "account-lock"
    after: int = Field(default=5, ge=1, description="Number of wrong passwords.")
    for_s: float | None = Field(
        default=None, gt=0, description="Seconds until accounts are unlocked; permanent if omitted."
    )


class ServiceDies(Fault):
    """The camera stops with all connections, as in a power failure."""

    fault: Literal["service-dies"] = "service-dies"
    for_s: float | None = Field(
        default=None, gt=0, description="Seconds until it returns; permanent if omitted."
    )


class WrongClock(Fault):
    """A wrong clock of the camera."""

    fault: Literal["wrong-clock"] = "wrong-clock"
    ahead_s: float = Field(default=-3600.0, description="Seconds by which it is ahead; 0 corrects it.")


class Duplicate(CameraFault):
    """An event sent twice, unchanged."""

    fault: Literal["duplicate"] = "duplicate"


class Late(CameraFault):
    """An event sent long after it happened; later ones may come before it."""

    fault: Literal["late"] = "late"
    delay_s: float = Field(default=5.0, gt=0, description="Delay after the event, in seconds.")


class Misread(CameraFault):
    """A plate that the camera could not read."""

    fault: Literal["misread"] = "misread"
    text: str = Field(default="unknown", max_length=100, description="Text in place of the plate.")


class OtherNamespace(CameraFault):
    """XML in another namespace than before."""

    fault: Literal["other-namespace"] = "other-namespace"
    namespace: str = Field(default="http://www.hikvision.com/ver20/XMLSchema", description="Which.")


AnyPictureFault = Annotated[
    NotFound
    | Stall
    | ConnectionCut
    | TruncatedPicture
    | WrongType
    | Garbage
    | NoLength
    | Dribble
    | Slow
    | StalePicture
    | WrongCredentials
    | AccountLock
    | ServiceDies
    | WrongClock,
    Field(discriminator="fault"),
]
AnyPlateFault = Annotated[
    Stall
    | ConnectionCut
    | NoLength
    | Dribble
    | Slow
    | WrongCredentials
    | AccountLock
    | ServiceDies
    | WrongClock
    | Duplicate
    | Late
    | Misread,
    Field(discriminator="fault"),
]
AnyHikvisionFault = Annotated[AnyPlateFault | OtherNamespace, Field(discriminator="fault")]
AnyVideoFault = Annotated[
    NotFound
    | Stall
    | Slow
    | PacketLoss
    | FormatChanged
    | StalePicture
    | WrongCredentials
    | AccountLock
    | ServiceDies
    | WrongClock,
    Field(discriminator="fault"),
]
AnyOnvifFault = Annotated[
    AnyVideoFault | Garbage | OtherNamespace | SubscriptionsForgotten | SubscriptionsRefused,
    Field(discriminator="fault"),
]
FaultT = TypeVar("FaultT", bound=CameraFault)


def fault_of(adapter: TypeAdapter[Any], name: str, arguments: dict[str, Any] | None = None) -> Any:
    """Return the fault of that name from those of the adapter; raise SimulatorError if it is invalid."""
    try:
        return adapter.validate_python({**(arguments or {}), "fault": name})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise SimulatorError(f"fault {name}: {first['msg']}") from None


class WaitingFaults:
    """Injected faults that have not yet applied."""

    def __init__(self) -> None:
        self._pending: list[tuple[CameraFault, float]] = []
        """Each fault with its remaining number, or the time on the monotonic clock when it ends."""

    def add(self, fault: CameraFault) -> None:
        """Apply the fault to the next answers."""
        until = fault.times if fault.for_s is None else time.monotonic() + fault.for_s
        self._pending.append((fault, until))

    def clear(self) -> None:
        """Discard all."""
        self._pending.clear()

    def take(self) -> "ActiveFaults":
        """Return the faults of one answer."""
        now_s = time.monotonic()
        met = [fault for fault, until in self._pending if fault.for_s is None or now_s < until]
        self._pending = [
            (fault, until if fault.for_s is not None else until - 1)
            for fault, until in self._pending
            if (now_s < until if fault.for_s is not None else until > 1)
        ]
        return ActiveFaults(met)


class ActiveFaults:
    """The faults of one answer."""

    def __init__(self, faults: Iterable[CameraFault] = ()) -> None:
        self._faults = tuple(faults)

    def get(self, kind: type[FaultT]) -> FaultT | None:
        """Return the fault of a kind, if there is one."""
        return next((fault for fault in self._faults if isinstance(fault, kind)), None)

    def __contains__(self, kind: type[CameraFault]) -> bool:
        return self.get(kind) is not None
