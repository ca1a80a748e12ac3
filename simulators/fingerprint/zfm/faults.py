"""Faults of a fingerprint module on a serial line, each a small typed value.

The faults of passport readers' reads apply to answers here: an acknowledgement with all its data.
"""

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from simulators.faults import (
    Delayed,
    Fault,
    Garbage,
    Noise,
    ReadFault,
    Silence,
    SlowBytes,
    Transmission,
    Truncated,
    Unplug,
)
from simulators.fingerprint.faults import DirtySensor, StuckFinger
from simulators.fingerprint.zfm.packets import MARK


class WrongChecksum(ReadFault):
    """A wrong checksum of one packet of the answer."""

    fault: Literal["wrong-checksum"] = "wrong-checksum"
    packet: int = Field(
        default=0,
        ge=0,
        description="Number of the packet: 0 is the acknowledgement, 1 the first packet of data.",
    )

    def frame(self, sent: Transmission) -> Transmission:
        """Invert the last byte of that packet; of the last one, if there are fewer."""
        end = 0
        for _ in range(self.packet + 1):
            if sent.data[end : end + 2] != MARK:
                break
            end += 9 + int.from_bytes(sent.data[end + 7 : end + 9], "big")
        damaged = bytearray(sent.data)
        damaged[end - 1] ^= 0xFF
        return replace(sent, data=bytes(damaged))


class WrongAnswer(ReadFault):
    """A refusal with a given code."""

    fault: Literal["wrong-answer"] = "wrong-answer"
    code: int = Field(
        default=0x03, ge=1, le=255, description="The code; 3 is a failed capture, 41 a broken sensor."
    )


class WrongPassword(Fault):
    """Another password; the module has been off since it was set."""

    fault: Literal["wrong-password"] = "wrong-password"
    password: int = Field(default=0x0BADCAFE, ge=0, le=0xFFFFFFFF)


ZfmFault = Annotated[
    Unplug
    | Noise
    | Silence
    | Truncated
    | Garbage
    | SlowBytes
    | Delayed
    | WrongChecksum
    | WrongAnswer
    | WrongPassword
    | StuckFinger
    | DirtySensor,
    Field(discriminator="fault"),
]
ZFM_FAULTS: TypeAdapter[ZfmFault] = TypeAdapter(ZfmFault)


def zfm_fault(name: str, arguments: dict[str, Any] | None = None) -> ZfmFault:
    """Return the fault with that name; raise pydantic's ValidationError, a ValueError, if it is invalid."""
    return ZFM_FAULTS.validate_python({**(arguments or {}), "fault": name})
