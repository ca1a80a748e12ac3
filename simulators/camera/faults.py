"""What goes wrong with a camera, each thing a small typed value, and which of them the next answer meets.

`AnyPictureFault` is for cameras that are asked for pictures, `AnyVideoFault` for those that show them by
RTSP, and `AnyPlateFault` for those that tell of plates.
"""

import time
from collections.abc import Iterable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from simulators.errors import SimulatorError
from simulators.faults import Fault

Size = Literal["640x360", "1280x720", "1920x1080"]
"""Of pictures: width and height, in pixels."""


def pixels(size: Size) -> tuple[int, int]:
    """Width and height."""
    width, _, height = size.partition("x")
    return int(width), int(height)


class CameraFault(Fault):
    """Something that spoils the next answers, or all of them for a while."""

    times: int = Field(1, ge=1, description="How many pictures or events in a row it spoils.")
    for_s: float | None = Field(None, gt=0, description="All for so many seconds, instead of `times`.")


class NotFound(CameraFault):
    """404: the address is not the camera's, or not any more."""

    fault: Literal["not-found"] = "not-found"


class Interruption(CameraFault):
    """Something that happens in the middle of a picture or event."""

    after: float = Field(0.5, ge=0, le=1, description="Which share of it is still sent.")
    at: int | None = Field(None, ge=0, description="How many bytes of it, instead of a share.")

    def still_sent(self, size: int) -> int:
        """How many bytes, of so many."""
        return int(size * self.after) if self.at is None else min(self.at, size)


class Stall(Interruption):
    """The camera falls silent in the middle, of video between two pictures; the connection stays.

    Without `hold_s` or `for_s`, it says nothing more to those who are connected.
    """

    fault: Literal["stall"] = "stall"
    hold_s: float | None = Field(None, gt=0, description="Goes on after so many seconds; else see `for_s`.")


class ConnectionCut(Interruption):
    """The connection ends in the middle."""

    fault: Literal["cut"] = "cut"


class TruncatedPicture(CameraFault):
    """Half a picture, which is said to be all of it."""

    fault: Literal["half-picture"] = "half-picture"
    after: float = Field(0.5, ge=0, le=1, description="Which share of it there is.")


class WrongType(CameraFault):
    """A page to log in at, where a picture should be; status 200."""

    fault: Literal["wrong-type"] = "wrong-type"


class Garbage(CameraFault):
    """Something that is said to be a picture and is none."""

    fault: Literal["garbage"] = "garbage"


class NoLength(CameraFault):
    """Neither Content-Length nor chunks: an answer ends with its connection, a part at the next boundary."""

    fault: Literal["no-length"] = "no-length"


class Dribble(CameraFault):
    """A picture or event comes a few bytes at a time."""

    fault: Literal["dribble"] = "dribble"
    size: int = Field(1000, ge=1, description="Bytes at a time.")
    every_ms: float = Field(5.0, ge=0, description="Pause between them, in milliseconds.")


class Slow(CameraFault):
    """The camera takes its time before it says anything."""

    fault: Literal["slow"] = "slow"
    delay_s: float = Field(1.0, gt=0, description="How long, in seconds.")


class PacketLoss(CameraFault):
    """A packet of a picture does not arrive."""

    fault: Literal["packet-loss"] = "packet-loss"
    which: Literal["first", "middle", "last"] = Field("middle", description="Of the packets of one picture.")


class Flagged(CameraFault):
    """A picture of which a part did not arrive, and the kernel says so."""

    fault: Literal["flagged"] = "flagged"


class FormatChanged(Fault):
    """Somebody sets another size of pictures while clients watch."""

    fault: Literal["format-changed"] = "format-changed"
    size: Size = Field("1280x720", description="Width and height, in pixels.")


class SubscriptionsRefused(Fault):
    """The camera has as many who pull its events as it can have, and takes no more."""

    fault: Literal["subscriptions-refused"] = "subscriptions-refused"
    for_s: float | None = Field(None, gt=0, description="For so many seconds; without it, for good.")


class SubscriptionsForgotten(Fault):
    """The camera knows none of those who pull its events any more."""

    fault: Literal["subscriptions-forgotten"] = "subscriptions-forgotten"


class StalePicture(Fault):
    """The camera gives the picture of now, over and over."""

    fault: Literal["stale-picture"] = "stale-picture"
    for_s: float = Field(5.0, gt=0, description="For so many seconds.")


class WrongCredentials(Fault):
    """The camera has another password from now on, or for a while."""

    fault: Literal["wrong-credentials"] = "wrong-credentials"
    for_s: float | None = Field(None, gt=0, description="For so many seconds; without it, for good.")


class ServiceDies(Fault):
    """The camera is gone, connections and all, as if its power had been cut."""

    fault: Literal["service-dies"] = "service-dies"
    for_s: float | None = Field(None, gt=0, description="Back after so many seconds; without it, for good.")


class WrongClock(Fault):
    """The camera's clock is wrong."""

    fault: Literal["wrong-clock"] = "wrong-clock"
    ahead_s: float = Field(-3600.0, description="How far it is ahead, in seconds; 0 puts it right.")


class Duplicate(CameraFault):
    """An event is told twice, word for word."""

    fault: Literal["duplicate"] = "duplicate"


class Late(CameraFault):
    """An event is told when it is long past; those after it may come before it."""

    fault: Literal["late"] = "late"
    delay_s: float = Field(5.0, gt=0, description="How long after it happened, in seconds.")


class Misread(CameraFault):
    """The camera could not read the plate."""

    fault: Literal["misread"] = "misread"
    text: str = Field("unknown", max_length=100, description="What it says instead.")


class OtherNamespace(CameraFault):
    """The XML is of another namespace than it used to be."""

    fault: Literal["other-namespace"] = "other-namespace"
    namespace: str = Field("http://www.hikvision.com/ver20/XMLSchema", description="Which.")


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
    """The fault of that name, of those the adapter knows; SimulatorError for one that cannot be."""
    try:
        return adapter.validate_python({**(arguments or {}), "fault": name})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise SimulatorError(f"fault {name}: {first['msg']}") from None


class WaitingFaults:
    """The faults that wait for the next answers."""

    def __init__(self) -> None:
        self._left: list[tuple[CameraFault, float]] = []
        """Each with how many times are left, or with the moment on the monotonic clock when it is over."""

    def add(self, fault: CameraFault) -> None:
        """Let it befall the next answers."""
        until = fault.times if fault.for_s is None else time.monotonic() + fault.for_s
        self._left.append((fault, until))

    def take(self) -> "ActiveFaults":
        """The faults of one answer."""
        now_s = time.monotonic()
        met = [fault for fault, until in self._left if fault.for_s is None or now_s < until]
        self._left = [
            (fault, until if fault.for_s is not None else until - 1)
            for fault, until in self._left
            if (now_s < until if fault.for_s is not None else until > 1)
        ]
        return ActiveFaults(met)


class ActiveFaults:
    """The faults that one answer meets."""

    def __init__(self, faults: Iterable[CameraFault] = ()) -> None:
        self._faults = tuple(faults)

    def get(self, kind: type[FaultT]) -> FaultT | None:
        """The one of a kind, if there is one."""
        return next((fault for fault in self._faults if isinstance(fault, kind)), None)

    def __contains__(self, kind: type[CameraFault]) -> bool:
        return self.get(kind) is not None
