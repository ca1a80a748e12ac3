"""Addresses in a device's settings: nodes of this machine, USB devices, services, smart card readers."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel

AddressKind = Literal["node", "usb", "network", "smartcard"]
NETWORK = ("tcp", "http", "https", "rtsp", "rtsps", "usbip", "vpcd")
PORTS = {"http": 80, "https": 443, "rtsp": 554, "rtsps": 322, "tcp": 502, "usbip": 3240, "vpcd": 35963}


@dataclass(frozen=True, slots=True)
class Address:
    """Address at which a device is expected."""

    kind: AddressKind
    key: str
    """Name of the setting that holds the address, as in `board.port`."""
    text: str

    @property
    def endpoint(self) -> tuple[str, int] | None:
        """Host and port of a network address; None if it has no host."""
        parts = urlsplit(self.text)
        return (parts.hostname, parts.port or PORTS[parts.scheme]) if parts.hostname else None

    def __str__(self) -> str:
        """Return the address without user name and query, which may contain secrets."""
        if self.kind != "network":
            return self.text
        parts = urlsplit(self.text)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def find_addresses(settings: BaseModel, at: str = "") -> Iterator[Address]:
    """Yield every address in a device's settings, at any depth."""
    for name in type(settings).model_fields:
        key = f"{at}{name}"
        match getattr(settings, name):
            case BaseModel() as inner:
                yield from find_addresses(inner, f"{key}.")
            case str(text):
                yield from _address(name, key, text, smartcard=at.endswith("chip."))


def _address(name: str, key: str, text: str, *, smartcard: bool) -> Iterator[Address]:
    scheme = text.partition(":")[0].lower()
    if name in ("port", "chip") and text.startswith("/"):
        yield Address("node", key, text)
    elif scheme == "usb":
        yield Address("usb", key, text)
    elif scheme in NETWORK and "://" in text:
        yield Address("network", key, text)
    elif name == "reader" and smartcard:
        yield Address("smartcard", key, text)
