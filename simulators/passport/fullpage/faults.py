"""What goes wrong with a full-page reader and the service in front of it, each thing a small typed value."""

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from simulators.faults import Fault


class ScanFault(Fault):
    """Something that spoils the next scans."""

    scans: int = Field(1, ge=1, description="How many scans in a row it spoils.")


class Slow(ScanFault):
    """Every result takes its time."""

    fault: Literal["slow"] = "slow"
    delay_s: float = Field(1.0, gt=0, description="How long, in seconds.")


class ServiceDies(ScanFault):
    """The service ends in the middle of a scan, connections and all."""

    fault: Literal["service-dies"] = "service-dies"
    after: int = Field(2, ge=0, description="How many results it gives before.")
    for_s: float | None = Field(None, gt=0, description="Back after so many seconds; without it, for good.")


class DocumentRemoved(ScanFault):
    """The document is taken away in the middle of a scan."""

    fault: Literal["document-removed"] = "document-removed"
    after: int = Field(2, ge=0, description="How many results it gives before.")


class Garbage(ScanFault):
    """Something that is no JSON where a result should be."""

    fault: Literal["garbage"] = "garbage"
    at: int = Field(0, ge=0, description="Which result of the scan, counted from 0.")


class ImageMissing(ScanFault):
    """An image that was announced is not there."""

    fault: Literal["image-missing"] = "image-missing"
    light: Literal["visible", "infrared", "ultraviolet"] = "ultraviolet"


class UnknownWord(ScanFault):
    """The outcome of every check is a word that nobody has documented."""

    fault: Literal["unknown-word"] = "unknown-word"
    word: str = Field("QUITE_NICE", max_length=200)


class WrongCredentials(Fault):
    """The service has another password from now on, or for a while."""

    fault: Literal["wrong-credentials"] = "wrong-credentials"
    for_s: float | None = Field(None, gt=0, description="For so many seconds; without it, for good.")


class ReaderUnplugged(Fault):
    """The reader's cable comes out; the service stays."""

    fault: Literal["reader-unplugged"] = "reader-unplugged"
    for_s: float | None = Field(None, gt=0, description="Back after so many seconds; without it, for good.")


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
_FAULTS: TypeAdapter[AnyFault] = TypeAdapter(AnyFault)


def fault_of(name: str, arguments: dict[str, Any] | None = None) -> AnyFault:
    """The fault of that name; pydantic's ValidationError, a ValueError, for one that cannot be."""
    return _FAULTS.validate_python({**(arguments or {}), "fault": name})
