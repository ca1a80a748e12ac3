"""What goes wrong with a WS-BD service and its scanner, each thing a small typed value."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, TypeAdapter

from simulators.faults import Fault


class LockHeld(Fault):
    """Another client takes the lock, now, whoever had it."""

    fault: Literal["lock-held"] = "lock-held"
    for_s: float | None = Field(None, gt=0, description="For so many seconds; without it, for good.")


class Canceled(Fault):
    """Somebody at the service calls off the capture that goes on."""

    fault: Literal["canceled"] = "canceled"


class SessionForgotten(Fault):
    """The service forgets all its clients."""

    fault: Literal["session-forgotten"] = "session-forgotten"


class Slow(Fault):
    """Every answer takes its time from now on; 0 ends it."""

    fault: Literal["slow"] = "slow"
    delay_s: float = Field(1.0, ge=0, description="How long, in seconds.")


class Garbage(Fault):
    """The next answers are no XML."""

    fault: Literal["garbage"] = "garbage"
    answers: int = Field(1, ge=1, description="How many.")


class CaptureFault(Fault):
    """Something that spoils the next captures."""

    captures: int = Field(1, ge=1, description="How many captures in a row it spoils.")
    status: ClassVar[str] = "failure"


class SensorBusy(CaptureFault):
    """The scanner does something else."""

    fault: Literal["sensor-busy"] = "sensor-busy"
    status: ClassVar[str] = "sensorBusy"


class SensorFailure(CaptureFault):
    """The scanner fails."""

    fault: Literal["sensor-failure"] = "sensor-failure"
    status: ClassVar[str] = "sensorFailure"


class SensorTimeout(CaptureFault):
    """The service gives up waiting at once."""

    fault: Literal["sensor-timeout"] = "sensor-timeout"
    status: ClassVar[str] = "sensorTimeout"


class DownloadDelayed(CaptureFault):
    """The image is still being prepared when it is asked for."""

    fault: Literal["preparing"] = "preparing"
    times: int = Field(3, ge=1, description="How often.")


class BadImage(CaptureFault):
    """What it delivers is no image."""

    fault: Literal["bad-image"] = "bad-image"


class ServiceDies(CaptureFault):
    """The service ends, connections and all: in the middle of the next capture, or now."""

    fault: Literal["service-dies"] = "service-dies"
    capturing: bool = Field(True, description="In the middle of the next capture; else now.")
    for_s: float | None = Field(None, gt=0, description="Back after so many seconds; without it, for good.")


WsBdFault = Annotated[
    LockHeld
    | Canceled
    | SessionForgotten
    | Slow
    | Garbage
    | SensorBusy
    | SensorFailure
    | SensorTimeout
    | DownloadDelayed
    | BadImage
    | ServiceDies,
    Field(discriminator="fault"),
]
_FAULTS: TypeAdapter[WsBdFault] = TypeAdapter(WsBdFault)


def wsbd_fault(name: str, arguments: dict[str, Any] | None = None) -> WsBdFault:
    """The fault of that name; pydantic's ValidationError, a ValueError, for one that cannot be."""
    return _FAULTS.validate_python({**(arguments or {}), "fault": name})
