"""What goes wrong with a fingerprint scanner, each thing a small typed value.

The names in `fault` are those of scenario files, of the control socket and of the command line. Faults of the
cable and of single transfers are those of any USB device.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from simulators.faults import Fault, Unplug
from simulators.usb.faults import ShortPacket, Silence, Slow, Stall, UnplugAt


class StuckFinger(Fault):
    """The scanner feels a finger, whether one is there or not."""

    fault: Literal["stuck-finger"] = "stuck-finger"
    for_s: float | None = Field(None, gt=0, description="For so many seconds; without it, for good.")


class DirtySensor(Fault):
    """Grease on the glass, until somebody wipes it."""

    fault: Literal["dirty-sensor"] = "dirty-sensor"
    for_s: float | None = Field(None, gt=0, description="For so many seconds; without it, for good.")


class ImageFault(Fault):
    """Something that spoils the next images."""

    images: int = Field(1, ge=1, description="How many images in a row it spoils.")


class ZeroImage(ImageFault):
    """The image has no bytes at all."""

    fault: Literal["zero-image"] = "zero-image"


class BadHeader(ImageFault):
    """The header counts more lines than the sensor has."""

    fault: Literal["bad-header"] = "bad-header"


class Trouble(ImageFault):
    """The scanner interrupts with 0800, now; the next image has no bytes."""

    fault: Literal["trouble"] = "trouble"


class NoScanPower(Fault):
    """The interrupt that should follow power-up does not come."""

    fault: Literal["no-scan-power"] = "no-scan-power"
    times: int = Field(1, ge=1, description="How many times in a row.")


class ConfusedPower(Fault):
    """The status register says that the power must be cycled first, as some do after a program has ended."""

    fault: Literal["confused-power"] = "confused-power"


UruFault = Annotated[
    Unplug
    | UnplugAt
    | Stall
    | ShortPacket
    | Slow
    | Silence
    | StuckFinger
    | DirtySensor
    | ZeroImage
    | BadHeader
    | Trouble
    | NoScanPower
    | ConfusedPower,
    Field(discriminator="fault"),
]
Nb1010Fault = Annotated[
    Unplug | UnplugAt | Stall | ShortPacket | Slow | Silence | StuckFinger | DirtySensor | ZeroImage,
    Field(discriminator="fault"),
]
_URU: TypeAdapter[UruFault] = TypeAdapter(UruFault)
_NB1010: TypeAdapter[Nb1010Fault] = TypeAdapter(Nb1010Fault)


def uru_fault(name: str, arguments: dict[str, Any] | None = None) -> UruFault:
    """The fault of that name; pydantic's ValidationError, a ValueError, for one that cannot be."""
    return _URU.validate_python({**(arguments or {}), "fault": name})


def nb1010_fault(name: str, arguments: dict[str, Any] | None = None) -> Nb1010Fault:
    """The same for an nb1010."""
    return _NB1010.validate_python({**(arguments or {}), "fault": name})
