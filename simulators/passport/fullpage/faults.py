"""Faults of a full-page reader and its service, each a small typed value."""

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from simulators.faults import Fault


class ScanFault(Fault):
    """A fault of the next scans."""

    scans: int = Field(default=1, ge=1, description="Number of consecutive scans affected.")


class Slow(ScanFault):
    """A delay before every result."""

    fault: Literal["slow"] = "slow"
    delay_s: float = Field(default=1.0, gt=0, description="Delay in seconds.")


class ServiceDies(ScanFault):
    """The service stops during a scan with all its connections."""

    fault: Literal["service-dies"] = "service-dies"
    after: int = Field(default=2, ge=0, description="Number of results before it stops.")
    for_s: float | None = Field(
        default=None, gt=0, description="Seconds until it returns; permanent if omitted."
    )


class DocumentRemoved(ScanFault):
    """The document is removed during a scan."""

    fault: Literal["document-removed"] = "document-removed"
    after: int = Field(default=2, ge=0, description="Number of results before it is removed.")


class Garbage(ScanFault):
    """Invalid JSON in place of a result."""

    fault: Literal["garbage"] = "garbage"
    at: int = Field(default=0, ge=0, description="Number of the result in the scan, counted from 0.")


class ImageMissing(ScanFault):
    """An announced image is missing."""

    fault: Literal["image-missing"] = "image-missing"
    light: Literal["visible", "infrared", "ultraviolet"] = "ultraviolet"


class UnknownWord(ScanFault):
    """The outcome of every check is an undocumented word."""

    fault: Literal["unknown-word"] = "unknown-word"
    word: str = Field(default="QUITE_NICE", max_length=200)


class WrongCredentials(Fault):
    """The service has another password from now on, or for some seconds."""

    fault: Literal["wrong-credentials"] = "wrong-credentials"
    for_s: float | None = Field(default=None, gt=0, description="Duration in seconds; permanent if omitted.")


class ReaderUnplugged(Fault):
    """The reader is unplugged; the service continues."""

    fault: Literal["reader-unplugged"] = "reader-unplugged"
    for_s: float | None = Field(
        default=None, gt=0, description="Seconds until it returns; permanent if omitted."
    )


AnyFault = Annotated[
    Slow
    | ServiceDies
    | DocumentRemoved
    | Garbage
    | ImageMissing
    | UnknownWord
    | WrongCredentials
    | ReaderUnplugged,
    Field(discriminator="fault"),
]
FAULTS: TypeAdapter[AnyFault] = TypeAdapter(AnyFault)


def fault_of(name: str, arguments: dict[str, Any] | None = None) -> AnyFault:
    """Return the fault with that name; raise pydantic's ValidationError, a ValueError, if it is invalid."""
    return FAULTS.validate_python({**(arguments or {}), "fault": name})


class ServerGarbage(Fault):
    """A document server answers with invalid JSON until the fault is cleared."""

    fault: Literal["garbage"] = "garbage"


REGULA_FAULTS: TypeAdapter[ServerGarbage] = TypeAdapter(ServerGarbage)
