"""Drivers whose libraries are not installed, or of which no installed package knows."""

from collections.abc import Iterator

from drivers.driver import installed_drivers, load_driver
from drivers.links.link import Action
from drivers.missing import AnySettings
from gateway.diagnosis.finding import found
from gateway.local.views import Finding


def look_at_libraries(position: str, driver: str) -> Iterator[Finding]:
    """Look whether a driver can be loaded as it is; it was found when the file was read."""
    if not issubclass(load_driver(driver).settings_model, AnySettings):
        return
    point = installed_drivers()[driver]
    distribution = point.dist.name if point.dist is not None else "borderpost-gateway"
    extra = point.extras[0]
    yield found(
        "missing_extra",
        "error",
        position,
        f"The driver {driver} needs libraries that are not installed: the extra `{extra}`.",
        Action.CONFIGURE,
        f'sudo pip install "{distribution}[{extra}]", in the environment of the gateway; '
        "then: sudo systemctl restart borderpost",
    )
