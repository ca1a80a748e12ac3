"""A driver whose libraries are not installed: it stands in its place and says which extra brings them."""

import sys
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ConfigDict

from drivers.driver import Driver, Family, Identity
from drivers.links.link import Action, Cause, LinkError
from drivers.links.settings import Settings

DEBIAN_PREFIX = Path("/opt/borderpost")


class AnySettings(Settings):
    """Whatever is configured: nobody here can tell whether it is right."""

    model_config = ConfigDict(extra="allow")


DEBIAN_PACKAGES = {"camera": "borderpost-cameras", "uvc": "borderpost-cameras"}
"""Packages for Debian that have what the gateway's own has not, by extra."""


def _how(distribution: str, extra: str) -> str:
    """What to install, and where: Debian's packages bring an environment that pip must not touch."""
    if (package := DEBIAN_PACKAGES.get(extra)) is not None and Path(sys.prefix) == DEBIAN_PREFIX:
        return f"Install the package {package} of the same version, then: sudo systemctl restart borderpost"
    return f'pip install "{distribution}[{extra}]", then restart the gateway.'


def unavailable_driver(driver: str, module: str, distribution: str, extra: str) -> type[Driver[Any]]:
    """The stand-in for a driver that cannot be imported, because it imports `module`."""

    class Missing(Driver[AnySettings]):
        """Fails to open, with what to install."""

        family = Family.UNKNOWN
        settings_model = AnySettings
        observation_types = ()

        async def open(self) -> Identity:
            """Say what is missing."""
            raise LinkError(
                Cause.DRIVER_ERROR,
                f"The driver {driver} needs the extra `{extra}`, which is not installed (no {module}).",
                Action.CONFIGURE,
                _how(distribution, extra),
            )

        def watch(self) -> NoReturn:
            """Never reached."""
            raise AssertionError("what does not open is not watched")

    return Missing
