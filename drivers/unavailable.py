"""Replacements for drivers that cannot be used: libraries not installed, or a faulty package."""

from typing import Any, ClassVar, NoReturn

from pydantic import ConfigDict

from drivers.driver import Driver, Family, Identity
from drivers.links.link import Action, Cause, LinkError, NotInstalledError
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
    attributes = {"text": says, "extra": extra, "distribution": distribution, "__module__": __name__}
    return type("Missing", (MissingDriver,), attributes)


class UnusableDriver(Driver[Settings]):
    """A driver that is not installed or whose package is faulty; no worker is started for it."""

    family = Family.UNKNOWN
    settings_model = AnySettings
    observation_types = ()
    text: ClassVar[str]
    how: ClassVar[str]

    @classmethod
    def failure(cls) -> LinkError:
        """Return the failure to open, with cause and remedy."""
        return LinkError(Cause.DRIVER_UNUSABLE, cls.text, Action.CONFIGURE, cls.how)

    async def open(self) -> Identity:
        """Raise LinkError."""
        raise self.failure()

    def watch(self) -> NoReturn:
        """Fail: the worker never calls it, because `open` fails."""
        raise AssertionError("what does not open is not watched")


def unusable_driver(text: str, how: str) -> type[UnusableDriver]:
    """Make the replacement for a driver that cannot be used, with a sentence and its remedy."""
    attributes: dict[str, Any] = {"text": text, "how": how, "__module__": __name__}
    return type("Unusable", (UnusableDriver,), attributes)
