"""Origin of a device's events, by the node in its settings instead of the worker's report."""

import os
import stat
from collections.abc import Iterator, Mapping
from typing import Any

from drivers.links.device_node import PTY_MAJORS, is_emulated
from gateway.contract.envelope import Provenance

SIMULATED_PREFIXES = ("sim:", "usbip:", "vpcd:")
"""Beginnings of addresses that lead to a simulator, as written in a configuration."""
REPLAYED_PREFIX = "replay:"


def observed_provenance(settings: Mapping[str, Any]) -> Provenance:
    """Return the origin of events from the nodes that these settings name.

    `live` if nothing speaks against it: only its answers show that a service on a network is simulated.
    """
    found = Provenance.LIVE
    for text in _texts(settings):
        if text.startswith(REPLAYED_PREFIX):
            return Provenance.REPLAYED
        if text.startswith(SIMULATED_PREFIXES) or (text.startswith("/") and _is_emulated_node(text)):
            found = Provenance.SIMULATED
    return found


def _texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Mapping():
            for one in value.values():
                yield from _texts(one)
        case list() | tuple():
            for one in value:
                yield from _texts(one)


def _is_emulated_node(path: str) -> bool:
    try:
        found = os.stat(path)  # noqa: PTH116 - the text of a setting
    except (OSError, ValueError):
        return False
    if not stat.S_ISCHR(found.st_mode):
        return False
    return os.major(found.st_rdev) in PTY_MAJORS or is_emulated(found.st_rdev)
