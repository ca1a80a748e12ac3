"""Faults of a WS-BD service and its scanner, each a small typed value."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, TypeAdapter

from simulators.faults import Fault


class LockHeld(Fault):
    """A lock taken by another client, now, whoever had it."""

    fault: Literal["lock-held"] = "lock-held"
    for_s: float | None = Field(default=None, gt=0, description="Duration in seconds; permanent if omitted.")


class Canceled(Fault):
    """A running capture canceled at the service."""

    fault: Literal["canceled"] = "canceled"


class SessionForgotten(Fault):
    """A loss of all sessions of the service."""

    fault: Literal["session-forgotten"] = "session-forgotten"


class Slow(Fault):
    """A delay of every answer from now on; 0 ends it."""

    fault: Literal["slow"] = "slow"
    delay_s: float = Field(default=1.0, ge=0, description="Delay in seconds.")


class Garbage(Fault):
    """Answers that are invalid XML."""

    fault: Literal["garbage"] = "garbage"
    answers: int = Field(default=1, ge=1, description="How many.")


class CaptureFault(Fault):
    """A fault of the next captures."""

    captures: int = Field(default=1, ge=1, description="Number of consecutive captures affected.")
    status: ClassVar[str] = "failure"


class SensorBusy(CaptureFault):
    """A busy scanner."""

    fault: Literal["sensor-busy"] = "sensor-busy"
    status: ClassVar[str] = "sensorBusy"


class SensorFailure(CaptureFault):
    """A failure of the scanner."""

    fault: Literal["sensor-failure"] = "sensor-failure"
    status: ClassVar[str] = "sensorFailure"


class SensorTimeout(CaptureFault):
    """An immediate time-out of the service."""

    fault: Literal["sensor-timeout"] = "sensor-timeout"
    status: ClassVar[str] = "sensorTimeout"


class DownloadDelayed(CaptureFault):
    """A download request before the image is ready."""

    fault: Literal["preparing"] = "preparing"
    times: int = Field(default=3, ge=1, description="How often.")


class BadImage(CaptureFault):
    """A download that is no image."""

    fault: Literal["bad-image"] = "bad-image"


class ServiceDies(CaptureFault):
    """A stop of the service with all connections: in the middle of the next capture, or now."""

    fault: Literal["service-dies"] = "service-dies"
    capturing: bool = Field(
        default=True, description="Whether it stops in the middle of the next capture, not now."
    )
    for_s: float | None = Field(
        default=None, gt=0, description="Seconds until it returns; permanent if omitted."
    )


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
FAULTS: TypeAdapter[WsBdFault] = TypeAdapter(WsBdFault)


def wsbd_fault(name: str, arguments: dict[str, Any] | None = None) -> WsBdFault:
    """Return the fault with that name; raise pydantic's ValidationError, a ValueError, if it is invalid."""
    return FAULTS.validate_python({**(arguments or {}), "fault": name})
