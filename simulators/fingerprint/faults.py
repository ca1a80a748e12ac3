"""Faults of a fingerprint scanner, each a small typed value.

The names in `fault` are used in scenario files, on the control socket and on the command line. Faults of the
cable and of single transfers are those of any USB device.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from simulators.faults import Fault, Unplug
from simulators.usb.faults import ShortPacket, Silence, Slow, Stall, UnplugAt


class StuckFinger(Fault):
    """A permanent finger detection, with or without a finger."""

    fault: Literal["stuck-finger"] = "stuck-finger"
    for_s: float | None = Field(default=None, gt=0, description="Duration in seconds; permanent if omitted.")


class DirtySensor(Fault):
    """Grease on the glass, until it is cleaned."""

    fault: Literal["dirty-sensor"] = "dirty-sensor"
    for_s: float | None = Field(default=None, gt=0, description="Duration in seconds; permanent if omitted.")


class ImageFault(Fault):
    """A fault of the next images."""

    images: int = Field(default=1, ge=1, description="Number of consecutive images affected.")


class ZeroImage(ImageFault):
    """An image without bytes."""

    fault: Literal["zero-image"] = "zero-image"


class BadHeader(ImageFault):
    """A header with more lines than the sensor has."""

    fault: Literal["bad-header"] = "bad-header"


class Trouble(ImageFault):
    """An interrupt 0800, now; the next image has no bytes."""

    fault: Literal["trouble"] = "trouble"


class NoScanPower(Fault):
    """No interrupt after power-up."""

    fault: Literal["no-scan-power"] = "no-scan-power"
    times: int = Field(default=1, ge=1, description="Number of consecutive times.")


class ConfusedPower(Fault):
    """A status register that requires a power cycle, as on some scanners after a program has ended."""

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
URU_FAULTS: TypeAdapter[UruFault] = TypeAdapter(UruFault)
NB1010_FAULTS: TypeAdapter[Nb1010Fault] = TypeAdapter(Nb1010Fault)


def uru_fault(name: str, arguments: dict[str, Any] | None = None) -> UruFault:
    """Return the fault with that name; raise pydantic's ValidationError, a ValueError, if it is invalid."""
    return URU_FAULTS.validate_python({**(arguments or {}), "fault": name})


def nb1010_fault(name: str, arguments: dict[str, Any] | None = None) -> Nb1010Fault:
    """Return the fault with that name for an nb1010, as `uru_fault`."""
    return NB1010_FAULTS.validate_python({**(arguments or {}), "fault": name})
