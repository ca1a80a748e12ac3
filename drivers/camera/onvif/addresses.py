"""Addresses that a camera gives of its services, streams and pictures, and what becomes of them.

A camera writes its own address into them: one behind a router that translates addresses (NAT) writes one that
nobody here can reach, one without a lease 169.254.x.y, a careless one 0.0.0.0. So the host is always that at
which the camera was reached, and nothing that a camera says makes us send a password to anybody else. The
port is the one that the camera gives, except where that is the port of its own device service: then it is the
one at which that was reached, because it may be translated too.
"""

from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

STANDARD = {"http": 80, "https": 443, "rtsp": 554, "rtsps": 322}


@dataclass(frozen=True, slots=True)
class ServiceAddress:
    """Where something is: an origin, as `http://host:port`, and a path with its query."""

    origin: str
    path: str

    @property
    def address(self) -> str:
        """Both together."""
        return self.origin + self.path


class AddressTranslator:
    """The addresses of one camera, reached at `url`: its device service."""

    def __init__(self, url: str) -> None:
        reached = _parts(url)
        assert reached is not None, "settings are checked"
        self._reached = reached
        self._told = _port(reached)

    @property
    def device(self) -> ServiceAddress:
        """The device service itself."""
        return ServiceAddress(
            _origin(self._reached.scheme, self._reached, _port(self._reached)), _path(self._reached)
        )

    def set_reported(self, device_service: str) -> None:
        """The camera has said where its device service is, by its own idea."""
        if (parts := _parts(device_service)) is not None:
            self._told = _port(parts)

    def service(self, given: str) -> ServiceAddress | None:
        """Where a service or a picture is; None for what is no address over HTTP."""
        parts = _parts(given)
        if parts is None or parts.scheme not in ("http", "https"):
            return None
        if _port(parts) == self._told:
            return ServiceAddress(self.device.origin, _path(parts))
        return ServiceAddress(_origin(parts.scheme, self._reached, _port(parts)), _path(parts))

    def stream(self, given: str, port: int | None = None) -> ServiceAddress | None:
        """Where a stream is, at another port where that is translated; None for what is no RTSP address."""
        parts = _parts(given)
        if parts is None or parts.scheme not in ("rtsp", "rtsps"):
            return None
        return ServiceAddress(_origin(parts.scheme, self._reached, port or _port(parts)), _path(parts))


def _parts(url: str) -> SplitResult | None:
    """The parts of an address, None for what is none; what cannot stand in a request line is none either."""
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
