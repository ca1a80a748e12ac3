"""Replacement for a driver whose libraries are not installed: its fault names the missing extra."""

from typing import ClassVar, NoReturn

from pydantic import ConfigDict

from drivers.driver import Driver, Family, Identity
from drivers.links.link import NotInstalledError
from drivers.links.settings import Settings


class AnySettings(Settings):
    """Any settings: without the driver they cannot be validated."""

    model_config = ConfigDict(extra="allow")


class MissingDriver(Driver[Settings]):
    """A driver that fails to open; its fault names the extra to install."""

    family = Family.UNKNOWN
    settings_model = AnySettings
    observation_types = ()
    text: ClassVar[str]
    """Sentence that names what is missing."""
    extra: ClassVar[str]
    distribution: ClassVar[str]
    """Distribution of the extra."""

    async def open(self) -> Identity:
        """Raise NotInstalledError."""
        raise NotInstalledError(self.text, self.extra, self.distribution)

    def watch(self) -> NoReturn:
        """Fail: the worker never calls it, because `open` fails."""
        raise AssertionError("what does not open is not watched")


def unavailable_driver(driver: str, module: str, distribution: str, extra: str) -> type[MissingDriver]:
    """Make the replacement for a driver that cannot be imported because `module` is missing."""
    says = f"The driver {driver} needs the extra `{extra}`, which is not installed (no {module})."
    return type("Missing", (MissingDriver,), {"text": says, "extra": extra, "distribution": distribution})
