"""What goes wrong between a USB device and its host, each thing a small typed value.

Most befall the next transfer, or the next `transfers` of them; `of` says which kind of transfer.
"""

from typing import Literal

from pydantic import Field

from simulators.faults import Fault

Kind = Literal["any", "control", "bulk", "interrupt"]


class UsbFault(Fault):
    """Something that befalls transfers."""

    of: Kind = Field("any", description="Which transfers: control, bulk, interrupt or any.")

    def applies_to(self, endpoint: int, kind: Literal["control", "bulk", "interrupt"]) -> bool:
        """Whether it is about transfers of that kind to that endpoint."""
        del endpoint
        return self.of in ("any", kind)


class TransferFault(UsbFault):
    """Something that spoils the next transfers."""

    transfers: int = Field(1, ge=1, description="How many transfers in a row it spoils.")


class Stall(TransferFault):
    """The device refuses: a control request fails, an endpoint halts until the host clears it."""

    fault: Literal["stall"] = "stall"


class ShortPacket(TransferFault):
    """The device sends less than it has: the transfer ends after `at` bytes, what follows is lost."""

    fault: Literal["short-packet"] = "short-packet"
    of: Kind = "bulk"
    at: int = Field(ge=0, description="How many bytes still arrive.")

    def applies_to(self, endpoint: int, kind: Literal["control", "bulk", "interrupt"]) -> bool:
        """Only what the device sends."""
        return bool(endpoint & 0x80) and super().applies_to(endpoint, kind)


class Slow(TransferFault):
    """The device takes its time."""

    fault: Literal["slow"] = "slow"
    delay_s: float = Field(1.0, gt=0, description="How long each transfer takes longer, in seconds.")


class Silence(UsbFault):
    """The device hangs: no transfer is answered any more, for a while or until the cable has been out."""

    fault: Literal["silence"] = "silence"
    for_s: float | None = Field(None, gt=0, description="For so many seconds; without it, until replugged.")


class UnplugAt(UsbFault):
    """The cable comes out just as the host asks for the n-th transfer from now."""

    fault: Literal["unplug-at"] = "unplug-at"
    transfer: int = Field(1, ge=1, description="Which one, counted from 1.")
    for_s: float | None = Field(None, gt=0, description="Back after so many seconds; without it, for good.")
