"""The driver of a recording, for commands that cannot do without its libraries."""

from drivers.registry import load_driver
from drivers.unavailable import MissingDriver
from gateway.cli._lib.terminal import not_installed


def need_driver(name: str) -> None:
    """End with EX_UNAVAILABLE where a driver cannot be imported; raises UnknownDriverError."""
    kind = load_driver(name)
    if issubclass(kind, MissingDriver):
        not_installed(kind.text, kind.extra, kind.distribution)
