"""Parameters that a module reports, and profiles of the models. Pure."""

import struct
from dataclasses import dataclass
from typing import Literal

Model = Literal["zfm-20", "r30x", "as608", "r503"]
Lamp = Literal["aura", "backlight", "none"]
_PARAMETERS = struct.Struct(">HHHHIHH")
_PRODUCT = struct.Struct(">16s4s8sBB8sHHHH")


@dataclass(frozen=True, slots=True)
class ModelProfile:
    """Profile of a model."""

    width_px: int
    height_px: int
    resolution_ppi: int
    lamp: Lamp
    has_product_info: bool


MODELS: dict[Model, ModelProfile] = {
    "zfm-20": ModelProfile(256, 288, 500, "none", has_product_info=False),
    "r30x": ModelProfile(256, 288, 500, "none", has_product_info=False),
    "as608": ModelProfile(256, 288, 500, "none", has_product_info=False),
    "r503": ModelProfile(192, 192, 508, "aura", has_product_info=True),
}


@dataclass(frozen=True, slots=True)
class SystemParameters:
    """Response to ReadSysPara."""

    status: int
    """Bit 0 busy, 1 match, 2 password verified, 3 image valid."""
    system: int
    capacity: int
    """Capacity of its library, in templates."""
    security: int
    address: int
    packet_bytes: int
    baud: int

    @classmethod
    def parse(cls, content: bytes) -> "SystemParameters | None":
        """Parse the bytes after the confirmation code; None for another format."""
        if len(content) != _PARAMETERS.size:
            return None
        status, system, capacity, security, address, size, baud = _PARAMETERS.unpack(content)
        return cls(status, system, capacity, security, address, 32 << min(size, 3), baud * 9600)


@dataclass(frozen=True, slots=True)
class ProductInfo:
    """Response to ReadProdInfo."""

    model: str
    serial_number: str | None
    width_px: int
    height_px: int

    @classmethod
    def parse(cls, content: bytes) -> "ProductInfo | None":
        """Parse the bytes after the confirmation code; None for another format."""
        if len(content) != _PRODUCT.size:
            return None
        model, _, serial, _, _, _, width, height, _, _ = _PRODUCT.unpack(content)
        return cls(_text(model), _text(serial) or None, width, height)


def _text(field: bytes) -> str:
    """Decode ASCII with padding zeros; other bytes are omitted."""
    return "".join(chr(byte) for byte in field.partition(b"\0")[0] if 32 < byte < 127)
