"""From what the daemon knows to what technicians are shown."""

import time
from typing import Any
from urllib.parse import urlsplit

from drivers.links.settings import Settings
from gateway.api.models import DeviceView
from gateway.commands.claims import Lease
from gateway.config import DeviceSettings
from gateway.contract.envelope import timestamp
from gateway.management.admission import Admission
from gateway.management.device_registry import HOUR_NS, Counted, Device
from gateway.supervision.supervisor import Supervised
from gateway.worker.diagnostics import levels

PLACES = ("port", "url", "listen", "board", "find")
"""Keys of settings that say where a device is, in the order in which they are looked for."""


def device_view(
    settings: DeviceSettings, device: Supervised, admission: Admission, lease: Lease | None
) -> DeviceView:
    """One position at this moment."""
    position = device.order.position
    upkeep = admission.maintenance(position)
    entry = admission.entry(device)
    hidden = device.state is not device.really
    return DeviceView.model_validate(
        {
            "position": position,
            "driver": device.order.driver,
            "family": device.driver.family,
            "address": address(settings.settings),
            "state": device.state,
            "beneath": device.really if hidden else None,
            "identity": device.identity,
            "accepted": admission.accepted(position),
            "last_good": timestamp(entry.good_ns) if entry.good_ns else None,
            "claim": lease and {"station": lease.holder, "since": timestamp(lease.since_unix_ns)},
            "restarts": device.restarts,
            "pid": device.pid,
            "withheld": device.withheld,
            "maintenance_until": upkeep and timestamp(upkeep.until_ns),
            "tally": _tally(entry),
            "commands": tuple(device.commands),
            "levels": tuple(str(level) for level in levels(device.driver)),
        }
    )


def now() -> str:
    """This moment, as it is written."""
    return timestamp(time.time_ns())


def address(settings: Settings) -> str:
    """Where a device is looked for. Of a URL only what is no secret: no user, no query."""
    place = next((found for key in PLACES if (found := getattr(settings, key, None)) is not None), None)
    if isinstance(place, Settings) or hasattr(place, "model_fields"):
        inner = next((found for key in PLACES if (found := getattr(place, key, None)) is not None), None)
        place = inner if inner is not None else getattr(place, "endpoint", None) or "the network"
    text = str(place) if place is not None else ""
    if "://" not in text:
        return text
    url = urlsplit(text)
    port = f":{url.port}" if url.port else ""
    return f"{url.scheme}://{url.hostname or ''}{port}{url.path}"


def _tally(entry: Device) -> dict[str, Any]:
    return {
        "lifetime": _counters(entry.lifetime),
        "since_reset": _counters(entry.since_reset),
        "reset_at": timestamp(entry.reset_ns) if entry.reset_ns else None,
        "hours": tuple(
            {
                "at": timestamp(hour.number * HOUR_NS),
                "good": hour.good,
                "bad": hour.bad,
                "retries": hour.retries,
                "disconnects": hour.disconnects,
            }
            for hour in entry.hours
        ),
    }


def _counters(counted: Counted) -> dict[str, Any]:
    return {
        "online_s": round(counted.online_s, 1),
        "good": counted.good,
        "bad": counted.bad,
        "retries": counted.retries,
        "disconnects": counted.disconnects,
    }
