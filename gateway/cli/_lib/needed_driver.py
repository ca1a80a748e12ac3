"""Driver of a recording, for commands that need its libraries."""

from drivers.registry import load_driver
from drivers.unavailable import MissingDriver
from gateway.cli._lib.terminal import not_installed


def need_driver(name: str) -> None:
    """End with EX_UNAVAILABLE if a driver cannot be imported; raises UnknownDriverError."""
    kind = load_driver(name)
    if issubclass(kind, MissingDriver):
        not_installed(kind.text, kind.extra, kind.distribution)
