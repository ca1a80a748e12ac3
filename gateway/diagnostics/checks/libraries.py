"""Checks of the software that a device needs: installed libraries, and a valid licence."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from importlib.util import find_spec

from pydantic import BaseModel

from drivers.installation import OURS, how_to_mend
from drivers.links.link import Action
from drivers.registry import installed_drivers, load_driver
from drivers.unavailable import MissingDriver
from gateway.api.models import Finding
from gateway.diagnostics.checks.addresses import find_addresses
from gateway.diagnostics.checks.certificates import expiry_severity
from gateway.diagnostics.findings import make_finding

OPENED = {
    "chip": ("asn1crypto", "cbor2", "smartcard"),
    "fingerprint": ("wsq",),
    "gpio": ("gpiod",),
    "nfiq2": ("nbis",),
    "osdp": ("osdp_sys",),
    "usb": ("usbip",),
    "wedge": ("evdev",),
}
"""Modules that our drivers import only when a device is opened, by extra."""


@dataclass(frozen=True, slots=True)
class MissingExtra:
    """Extra that a device needs and that is not installed."""

    text: str
    """Sentence that names the driver and the extra."""
    extra: str
    distribution: str = OURS


def missing_extras(driver: str, settings: BaseModel) -> Iterator[MissingExtra]:
    """Yield each missing extra of a device with these settings; imports its driver."""
    kind = load_driver(driver)
    if issubclass(kind, MissingDriver):
        yield MissingExtra(kind.text, kind.extra, kind.distribution)
        return
    for extra in dict.fromkeys((*installed_drivers()[driver].extras, *_of_settings(settings))):
        if missing := [module for module in OPENED.get(extra, ()) if find_spec(module) is None]:
            named = ", ".join(missing)
            yield MissingExtra(
                f"The driver {driver} needs the extra `{extra}`, which is not installed (no {named}): "
                "the device cannot be opened.",
                extra,
            )


def _of_settings(settings: BaseModel) -> Iterator[str]:
    """Yield extras that only some settings of a driver need."""
    for address in find_addresses(settings):
        if address.kind == "smartcard":
            yield "chip"
        elif address.text.lower().startswith("usbip:"):
            yield "usb"
    if getattr(settings, "barcodes", None) is not None:
        yield "chip"
    if getattr(settings, "quality", None) == "nfiq2":
        yield "nfiq2"


def check_libraries(position: str, driver: str, settings: BaseModel) -> Iterator[Finding]:
    """Check that the libraries of a device are installed."""
    for missing in missing_extras(driver, settings):
        how = how_to_mend(missing.extra, missing.distribution)
        yield make_finding("missing_extra", "error", position, missing.text, Action.CONFIGURE, how)


def check_licence(position: str, ends: date | None, today: date) -> Iterator[Finding]:
    """Check the licence of a device's software, if the post's file has its expiry."""
    if ends is None or (severity := expiry_severity(left := (ends - today).days)) is None:
        return
    over = left < 0
    yield make_finding(
        "licence_ended" if over else "licence_ends",
        severity,
        position,
        f"The licence of the maker's software expired on {ends}."
        if over
        else f"The licence of the maker's software expires on {ends}, in {left} days.",
        Action.CALL_SUPPORT,
        f'Renew it, then write the new date as licence_expires under [device."{position}"].',
    )
