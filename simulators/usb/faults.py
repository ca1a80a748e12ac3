"""Faults between a USB device and its host, each a small typed value.

Most affect the next transfer, or the next `transfers` transfers; `of` selects the kind of transfer.
"""

from typing import Literal

from pydantic import Field

from simulators.faults import Fault

Kind = Literal["any", "control", "bulk", "interrupt"]


class UsbFault(Fault):
    """A fault of transfers."""

    of: Kind = Field(default="any", description="Kind of transfer: control, bulk, interrupt or any.")

    def applies_to(self, endpoint: int, kind: Literal["control", "bulk", "interrupt"]) -> bool:
        """Return whether the fault applies to transfers of that kind to that endpoint."""
        del endpoint
        return self.of in ("any", kind)


class TransferFault(UsbFault):
    """A fault of the next transfers."""

    transfers: int = Field(default=1, ge=1, description="Number of consecutive transfers affected.")


class Stall(TransferFault):
    """The device refuses: a control request fails, an endpoint halts until the host clears it."""

    fault: Literal["stall"] = "stall"


class ShortPacket(TransferFault):
    """A short transfer: it ends after `at` bytes, the rest is lost."""

    fault: Literal["short-packet"] = "short-packet"
    of: Kind = "bulk"
    at: int = Field(ge=0, description="Number of bytes that still arrive.")

    def applies_to(self, endpoint: int, kind: Literal["control", "bulk", "interrupt"]) -> bool:
        """Return whether the device sends."""
        return bool(endpoint & 0x80) and super().applies_to(endpoint, kind)


class Slow(TransferFault):
    """Delayed answers."""

    fault: Literal["slow"] = "slow"
    delay_s: float = Field(default=1.0, gt=0, description="Additional time of each transfer, in seconds.")


class Silence(UsbFault):
    """A hung device: no transfer is answered, for some seconds or until the cable was pulled."""

    fault: Literal["silence"] = "silence"
    for_s: float | None = Field(
        default=None, gt=0, description="Duration in seconds; until replugged if omitted."
    )


class UnplugAt(UsbFault):
    """The cable is pulled when the host submits the n-th transfer from now."""

    fault: Literal["unplug-at"] = "unplug-at"
    transfer: int = Field(default=1, ge=1, description="Number of the transfer, counted from 1.")
    for_s: float | None = Field(
        default=None, gt=0, description="Seconds until it returns; permanent if omitted."
    )
