"""A driver whose libraries are not installed: it stands in its place and says which extra brings them."""

from typing import Any, NoReturn

from pydantic import ConfigDict

from drivers.driver import Driver, Family, Identity
from drivers.links.link import Action, Cause, LinkError
from drivers.links.settings import Settings


class AnySettings(Settings):
    """Whatever is configured: nobody here can tell whether it is right."""

    model_config = ConfigDict(extra="allow")


def missing(driver: str, module: str, distribution: str, extra: str) -> type[Driver[Any]]:
    """The stand-in for a driver that cannot be imported, because it imports `module`."""

    class Missing(Driver[AnySettings]):
        """Fails to open, with what to install."""

        family = Family.UNKNOWN
        settings_model = AnySettings
        says = ()

        async def open(self) -> Identity:
            """Say what is missing."""
            raise LinkError(
                Cause.DRIVER_ERROR,
                f"The driver {driver} needs the extra `{extra}`, which is not installed (no {module}).",
                Action.CONFIGURE,
                f'pip install "{distribution}[{extra}]", then restart the gateway.',
            )

        def watch(self) -> NoReturn:
            """Never reached."""
            raise AssertionError("what does not open is not watched")

    return Missing
