"""Attempts with credentials that a device refused: kept in memory over restarts of its worker and reloads.

Devices lock an account after a few wrong passwords, however often the worker that tries them is restarted.
"""

import asyncio
import math
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.worker.spec import REFUSED_ATTEMPTS, REFUSED_WITHIN_S

CREDENTIAL_KEYS = frozenset({"url", "username", "password"})
"""Settings by whose values one account of one device is known."""


class RefusedAttempts:
    """Times of the last refused attempts of each position, by the event loop."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[tuple[object, ...], tuple[float, ...]]] = {}
        self._granted_s: dict[str, float] = {}
        """Time of the last attempt that a person asked for, by position."""

    def keep(self, position: str, settings: Mapping[str, Any], ages_s: tuple[float, ...]) -> None:
        """Replace the attempts of a position with those of these ages, in seconds."""
        now_s = asyncio.get_running_loop().time()
        self._kept[position] = tuple(_credentials(settings)), tuple(now_s - age_s for age_s in ages_s)

    def ages_s(self, position: str, settings: Mapping[str, Any]) -> tuple[float, ...]:
        """Return the ages of the attempts of a position, in seconds; none with other credentials."""
        account, times_s = self._kept.get(position, ((), ()))
        if account != tuple(_credentials(settings)):
            return ()
        now_s = asyncio.get_running_loop().time()
        return tuple(max(0.0, now_s - at_s) for at_s in times_s)

    def grant_attempt(self, position: str) -> None:
        """Permit one more attempt, at most once an hour: a person has restarted the device's worker.

        The account may have been corrected in the device itself.
        """
        now_s = asyncio.get_running_loop().time()
        account, times_s = self._kept.get(position, ((), ()))
        if (
            len(times_s) < REFUSED_ATTEMPTS
            or now_s - self._granted_s.get(position, -math.inf) < REFUSED_WITHIN_S
        ):
            return
        self._granted_s[position] = now_s
        self._kept[position] = account, times_s[1:]


def _credentials(settings: Mapping[str, Any]) -> Iterator[object]:
    """Yield the values of the account in a table of settings, with their keys, at any depth."""
    for key, value in sorted(settings.items()):
        if isinstance(value, Mapping):
            yield from _credentials(value)
        elif key in CREDENTIAL_KEYS:
            yield key, value
