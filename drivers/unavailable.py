"""Replacement for a driver whose libraries are not installed: names the extra that contains them."""

import sys
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ConfigDict

from drivers.driver import Driver, Family, Identity
from drivers.links.link import Action, Cause, LinkError
from drivers.links.settings import Settings

DEBIAN_PREFIX = Path("/opt/borderpost")


class AnySettings(Settings):
    """Any settings: without the driver they cannot be validated."""

    model_config = ConfigDict(extra="allow")


DEBIAN_PACKAGES = {"camera": "borderpost-cameras", "uvc": "borderpost-cameras"}
"""Debian packages with libraries that the gateway's own package lacks, by extra."""


def _how(distribution: str, extra: str) -> str:
    """Return installation instructions; pip must not change the environment of the Debian packages."""
    if (package := DEBIAN_PACKAGES.get(extra)) is not None and Path(sys.prefix) == DEBIAN_PREFIX:
        return f"Install the package {package} of the same version, then: sudo systemctl restart borderpost"
    return f'pip install "{distribution}[{extra}]", then restart the gateway.'


def unavailable_driver(driver: str, module: str, distribution: str, extra: str) -> type[Driver[Any]]:
    """Create the replacement for a driver that imports the missing `module`."""

    class Missing(Driver[AnySettings]):
        """Driver that fails to open, with installation instructions."""

        family = Family.UNKNOWN
        settings_model = AnySettings
        observation_types = ()

        async def open(self) -> Identity:
            """Raise LinkError that names the missing library."""
            raise LinkError(
                Cause.DRIVER_ERROR,
                f"The driver {driver} needs the extra `{extra}`, which is not installed (no {module}).",
                Action.CONFIGURE,
                _how(distribution, extra),
            )

        def watch(self) -> NoReturn:
            """Never called, because open fails."""
            raise AssertionError("a driver that does not open is not watched")

    return Missing
