"""Where a device's settings lead: nodes of this machine, USB devices, services, smart card readers."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel

AddressKind = Literal["node", "usb", "network", "smartcard"]
NETWORK = ("tcp", "http", "https", "rtsp", "rtsps", "usbip")
PORTS = {"http": 80, "https": 443, "rtsp": 554, "rtsps": 322, "tcp": 502, "usbip": 3240}


@dataclass(frozen=True, slots=True)
class Address:
    """One place that a device is looked for at."""

    kind: AddressKind
    key: str
    """The setting that names it, as `board.port`."""
    text: str

    @property
    def endpoint(self) -> tuple[str, int] | None:
        """Host and port of a network address; None where it has no host."""
        parts = urlsplit(self.text)
        return (parts.hostname, parts.port or PORTS[parts.scheme]) if parts.hostname else None

    def __str__(self) -> str:
        """As it may be shown: without a user or a query, where secrets like to be."""
        if self.kind != "network":
            return self.text
        parts = urlsplit(self.text)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def find_addresses(settings: BaseModel, at: str = "") -> Iterator[Address]:
    """Every address in a device's settings, however deep."""
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
