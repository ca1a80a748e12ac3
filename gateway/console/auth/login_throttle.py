"""How long somebody who gave a wrong password waits before the next one, by name and by address."""

import ipaddress
from collections.abc import Callable

from pydantic import TypeAdapter

from gateway.console.auth.persisted import Kept, boot_s

FREE = 4
"""Wrong passwords without a wait."""
LONGEST_S = 300.0
FORGOTTEN_S = 900.0
"""Without another wrong password, a name or an address starts anew after this."""
MOST = 1000
"""Names and addresses remembered; those that failed longest ago go."""
_SHAPE = TypeAdapter(dict[str, tuple[int, float]])
"""How often, and when last."""


class Attempts:
    """Wrong passwords since the machine's boot."""

    def __init__(self, kept: Kept, now: Callable[[], float] = boot_s) -> None:
        self._kept = kept
        self._now = now
        self._failed = kept.read(_SHAPE)

    def wait_s(self, name: str, address: str) -> float:
        """What is left to wait, in seconds; 0: try."""
        return max(self._left(key) for key in _keys(name, address))

    def failed(self, name: str, address: str) -> None:
        """Count one."""
        for key in _keys(name, address):
            times, last = self._failed.pop(key, (0, 0.0))
            if self._now() - last > FORGOTTEN_S:
                times = 0
            self._failed[key] = (times + 1, self._now())
        for key in list(self._failed)[: max(0, len(self._failed) - MOST)]:
            del self._failed[key]
        self._kept.write({key: list(value) for key, value in self._failed.items()})

    def succeeded(self, name: str) -> None:
        """Forget a name's; the address keeps its own, or who knows one password could try others for ever."""
        if self._failed.pop(f"name {name}", None) is not None:
            self._kept.write({key: list(value) for key, value in self._failed.items()})

    def _left(self, key: str) -> float:
        times, last = self._failed.get(key, (0, 0.0))
        if times < FREE or self._now() - last > FORGOTTEN_S:
            return 0.0
        return max(0.0, last + min(LONGEST_S, 2.0 ** (times - FREE)) - self._now())


def _keys(name: str, address: str) -> tuple[str, str]:
    return f"name {name}", f"address {_network(address)}"


def _network(address: str) -> str:
    """Whoever has one address of IPv6 has all of its /64."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return str(ipaddress.ip_network((ip, 64), strict=False)) if ip.version == 6 else str(ip)
