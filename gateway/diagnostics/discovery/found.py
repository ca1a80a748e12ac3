"""A device that was found: its address, its users, and the drivers that could take it."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal[
    "serial", "keyboard", "hid", "camera", "usb", "smartcard", "network_camera", "modbus", "configured"
]


class FoundDevice(BaseModel):
    """One device, or one function of a device with several."""

    model_config = ConfigDict(frozen=True)

    kind: Kind = Field(
        description="Kind of connection; configured: an address of the post's file that no search finds."
    )
    name: str = Field(description="Maker and product as stated by the device, or its address.")
    address: str = Field(description="Address as written in a post's file; empty if it has none.")
    node: str = Field("", description="Device node on this machine.")
    usb_ids: str = Field("", description="USB vendor and product id, as in 0db5:0137.")
    serial_number: str | None = Field(None, description="Serial number stated by the device.")
    position: str | None = Field(None, description="Position in the post's file that has this address.")
    held_by: tuple[str, ...] = Field((), description="Programs that have it open, each as `name (pid 712)`.")
    drivers: tuple[str, ...] = Field((), description="Installed drivers that could take it, the best first.")
    remarks: tuple[str, ...] = Field((), description="Obstacles and their remedies.")
    paste: str = Field(
        "", description="Table for the post's file; empty if it is configured or has no driver."
    )
