"""What a driver needs beside a device: libraries that are installed, and a licence that has not ended."""

from collections.abc import Iterator
from datetime import date

from drivers.links.link import Action
from drivers.registry import installed_drivers, load_driver
from drivers.unavailable import AnySettings
from gateway.api.models import Finding
from gateway.diagnostics.checks.certificates import expiry_severity
from gateway.diagnostics.findings import make_finding


def check_libraries(position: str, driver: str) -> Iterator[Finding]:
    """Look whether a driver can be loaded as it is; it was found when the file was read."""
    if not issubclass(load_driver(driver).settings_model, AnySettings):
        return
    point = installed_drivers()[driver]
    distribution = point.dist.name if point.dist is not None else "borderpost-gateway"
    extra = point.extras[0]
    yield make_finding(
        "missing_extra",
        "error",
        position,
        f"The driver {driver} needs libraries that are not installed: the extra `{extra}`.",
        Action.CONFIGURE,
        f'sudo pip install "{distribution}[{extra}]", in the environment of the gateway; '
        "then: sudo systemctl restart borderpost",
    )


def check_licence(position: str, ends: date | None, today: date) -> Iterator[Finding]:
    """Look how much longer the software behind a device may be used, where the post's file says it."""
    if ends is None or (severity := expiry_severity(left := (ends - today).days)) is None:
        return
    over = left < 0
    yield make_finding(
        "licence_ended" if over else "licence_ends",
        severity,
        position,
        f"The licence of its maker's software ended on {ends}."
        if over
        else f"The licence of its maker's software ends on {ends}, in {left} days.",
        Action.CALL_SUPPORT,
        f'Renew it, then write the new day as licence_expires under [device."{position}"].',
    )
