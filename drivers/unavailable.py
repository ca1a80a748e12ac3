"""A driver whose libraries are not installed: it stands in its place and says which extra brings them."""

from typing import ClassVar, NoReturn

from pydantic import ConfigDict

from drivers.driver import Driver, Family, Identity
from drivers.links.link import NotInstalledError
from drivers.links.settings import Settings


class AnySettings(Settings):
    """Whatever is configured: nobody here can tell whether it is right."""

    model_config = ConfigDict(extra="allow")


class MissingDriver(Driver[Settings]):
    """Fails to open, with what to install."""

    family = Family.UNKNOWN
    settings_model = AnySettings
    observation_types = ()
    text: ClassVar[str]
    """What is missing, in a sentence."""
    extra: ClassVar[str]
    distribution: ClassVar[str]
    """The distribution whose extra it is."""

    async def open(self) -> Identity:
        """Say what is missing."""
        raise NotInstalledError(self.text, self.extra, self.distribution)

    def watch(self) -> NoReturn:
        """Never reached."""
        raise AssertionError("what does not open is not watched")


def unavailable_driver(driver: str, module: str, distribution: str, extra: str) -> type[MissingDriver]:
    """The stand-in for a driver that cannot be imported, because it imports `module`."""
    says = f"The driver {driver} needs the extra `{extra}`, which is not installed (no {module})."
    return type("Missing", (MissingDriver,), {"text": says, "extra": extra, "distribution": distribution})
