"""Waiting times after wrong passwords, by address, and by name at an address.

A name alone never waits: a client that sends wrong passwords under another user's name would lock that user
out. Guessing from many addresses is limited by the verification, which is slow and takes one password at a
time.
"""

import ipaddress
from collections.abc import Callable

from pydantic import TypeAdapter

from gateway.console.auth.persisted import BootScopedStore, seconds_since_boot

FREE_ATTEMPTS = 4
"""Wrong passwords without a waiting time."""
MAX_WAIT_S = 300.0
FORGET_AFTER_S = 900.0
"""Seconds without another wrong password after which a name or an address is forgotten."""
MAX_ENTRIES = 1000
"""Number of names and addresses stored; the oldest entries are removed."""
_SHAPE = TypeAdapter(dict[str, tuple[int, float]])
"""Number of failures, and the time of the last one."""


class LoginThrottle:
    """Wrong passwords since the machine's boot."""

    def __init__(self, store: BootScopedStore, now: Callable[[], float] = seconds_since_boot) -> None:
        self._store = store
        self._now = now
        self._failures = store.read(_SHAPE)

    def remaining_wait_s(self, name: str, address: str) -> float:
        """Return the remaining waiting time in seconds; 0: none."""
        return max(self._remaining(key) for key in _keys(name, address))

    def on_failure(self, name: str, address: str) -> None:
        """Count a wrong password."""
        for key in _keys(name, address):
            times, last = self._failures.pop(key, (0, 0.0))
            if self._now() - last > FORGET_AFTER_S:
                times = 0
            self._failures[key] = (times + 1, self._now())
        for key in list(self._failures)[: max(0, len(self._failures) - MAX_ENTRIES)]:
            del self._failures[key]
        self._store.write({key: list(value) for key, value in self._failures.items()})

    def on_success(self, name: str, address: str) -> None:
        """Forget the name's failures at the address.

        The address keeps its own, or a user with one password could try others forever.
        """
        if self._failures.pop(_key_at_address(name, address), None) is not None:
            self._store.write({key: list(value) for key, value in self._failures.items()})

    def _remaining(self, key: str) -> float:
        times, last = self._failures.get(key, (0, 0.0))
        if times < FREE_ATTEMPTS or self._now() - last > FORGET_AFTER_S:
            return 0.0
        return max(0.0, last + min(MAX_WAIT_S, 2.0 ** (times - FREE_ATTEMPTS)) - self._now())


def _keys(name: str, address: str) -> tuple[str, str]:
    return _key_at_address(name, address), f"address {client_network(address)}"


def _key_at_address(name: str, address: str) -> str:
    return f"name {name} at {client_network(address)}"


def client_network(address: str) -> str:
    """Return an IPv4 address, or the /64 network of an IPv6 address: a host can use all of its addresses."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return str(ipaddress.ip_network((ip, 64), strict=False)) if ip.version == 6 else str(ip)
