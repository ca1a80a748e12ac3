"""Addresses of services, streams and pictures that a camera states, and their translation.

A camera writes its own address into them: behind a router that translates addresses (NAT) it is unreachable,
without a lease it is 169.254.x.y, and a faulty one is 0.0.0.0. So the host is always the one at which the
camera was reached, and no statement of a camera can make the gateway send a password to another host. The
port is the stated one, unless that is the port of its own device service: then it is the port at which that
was reached, because it may be translated too.
"""

from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

STANDARD = {"http": 80, "https": 443, "rtsp": 554, "rtsps": 322}


@dataclass(frozen=True, slots=True)
class ServiceAddress:
    """Address of a service: an origin, as `http://host:port`, and a path with its query."""

    origin: str
    path: str

    @property
    def address(self) -> str:
        """Origin and path."""
        return self.origin + self.path


class AddressTranslator:
    """Translator for the addresses of one camera, reached at `url`: its device service."""

    def __init__(self, url: str) -> None:
        reached = _parts(url)
        assert reached is not None, "settings are validated"
        self._reached = reached
        self._told = _port(reached)

    @property
    def device(self) -> ServiceAddress:
        """Address of the device service."""
        return ServiceAddress(
            _origin(self._reached.scheme, self._reached, _port(self._reached)), _path(self._reached)
        )

    def set_reported(self, device_service: str) -> None:
        """Take the address of the device service as stated by the camera."""
        if (parts := _parts(device_service)) is not None:
            self._told = _port(parts)

    def service(self, given: str) -> ServiceAddress | None:
        """Translate the address of a service or a picture; None for an address that is not HTTP."""
        parts = _parts(given)
        if parts is None or parts.scheme not in ("http", "https"):
            return None
        if _port(parts) == self._told:
            return ServiceAddress(self.device.origin, _path(parts))
        return ServiceAddress(_origin(parts.scheme, self._reached, _port(parts)), _path(parts))

    def stream(self, given: str, port: int | None = None) -> ServiceAddress | None:
        """Translate the address of a stream, with another port where given; None for one that is not RTSP."""
        parts = _parts(given)
        if parts is None or parts.scheme not in ("rtsp", "rtsps"):
            return None
        return ServiceAddress(_origin(parts.scheme, self._reached, port or _port(parts)), _path(parts))


def _parts(url: str) -> SplitResult | None:
    """Split an address; None if it is invalid or unsafe in a request line."""
    if not (url.isascii() and url.isprintable()) or " " in url:
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts if parts.scheme in STANDARD and parts.hostname else None


def _port(parts: SplitResult) -> int:
    return parts.port or STANDARD[parts.scheme]


def _path(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _origin(scheme: str, reached: SplitResult, port: int) -> str:
    host = reached.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return f"{scheme}://{host}" + ("" if port == STANDARD[scheme] else f":{port}")
