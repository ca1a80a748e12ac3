"""Views of devices for the management API."""

import time
from typing import Any
from urllib.parse import urlsplit

from drivers.driver import Family
from drivers.links.settings import Settings
from gateway.api.models import DeviceView
from gateway.commands.claims import Lease
from gateway.config import DeviceSettings
from gateway.contract.envelope import to_rfc3339
from gateway.management.admission import Admission
from gateway.management.device_registry import HOUR_NS, DeviceCounters, SerialNumberEntry
from gateway.supervision.supervisor import DeviceSupervisor
from gateway.worker.diagnostics import check_levels

ADDRESS_KEYS = ("port", "url", "listen", "board", "find")
"""Settings keys that hold a device's address, in order of preference."""


def device_view(
    settings: DeviceSettings, device: DeviceSupervisor, admission: Admission, lease: Lease | None
) -> DeviceView:
    """Return the view of one position at this moment."""
    position = device.spec.position
    maintenance = admission.maintenance(position)
    entry = admission.serial_number_entry(device)
    hidden = device.state_filter.published_state is not device.state_filter.actual_state
    return DeviceView.model_validate(
        {
            "position": position,
            "driver": device.spec.driver,
            "family": device.driver.family,
            "address": device_address(settings.settings),
            "state": device.state_filter.published_state,
            "actual_state": device.state_filter.actual_state if hidden else None,
            "identity": device.identity,
            "accepted_serial_number": admission.accepted_serial_number(position),
            "last_good_read_at": to_rfc3339(entry.last_good_read_ns) if entry.last_good_read_ns else None,
            "claim": lease and {"station": lease.holder, "since": to_rfc3339(lease.since_unix_ns)},
            "restarts": device.restarts,
            "pid": device.pid,
            "cpu_s": round(device.reported.cpu.total_s, 3),
            "suppressed_events": device.state_filter.suppressed_events,
            "maintenance_until": maintenance and to_rfc3339(maintenance.until_ns),
            "counters": _to_counters(entry),
            # Of other devices, a digest of the settings might reveal a short password.
            "configuration": settings.settings.fingerprint()
            if device.driver.family is Family.BARRIER
            else "",
            "tests": tuple(
                {
                    "kind": kind,
                    "at": to_rfc3339(test.at_ns),
                    "user": test.user,
                    "configuration": test.configuration,
                    "passed": test.passed,
                }
                for kind, test in admission.tests(position).items()
            ),
            "commands": tuple(device.commands),
            "check_levels": tuple(str(level) for level in check_levels(device.driver)),
        }
    )


def utc_now() -> str:
    """Return the present time in RFC 3339."""
    return to_rfc3339(time.time_ns())


def device_address(settings: Settings) -> str:
    """Return a device's address. Of a URL only the parts that are not secret: no user, no query."""
    address = next(
        (found for key in ADDRESS_KEYS if (found := getattr(settings, key, None)) is not None), None
    )
    if isinstance(address, Settings) or hasattr(address, "model_fields"):
        inner = next(
            (found for key in ADDRESS_KEYS if (found := getattr(address, key, None)) is not None), None
        )
        address = inner if inner is not None else getattr(address, "endpoint", None) or "the network"
    text = str(address) if address is not None else ""
    if "://" not in text:
        return text
    url = urlsplit(text)
    port = f":{url.port}" if url.port else ""
    return f"{url.scheme}://{url.hostname or ''}{port}{url.path}"


def _to_counters(entry: SerialNumberEntry) -> dict[str, Any]:
    return {
        "lifetime": _to_counters_view(entry.lifetime),
        "since_reset": _to_counters_view(entry.since_reset),
        "reset_at": to_rfc3339(entry.reset_ns) if entry.reset_ns else None,
        "hours": tuple(
            {
                "at": to_rfc3339(hour.number * HOUR_NS),
                "good_reads": hour.good_reads,
                "bad_reads": hour.bad_reads,
                "open_failures": hour.open_failures,
                "disconnects": hour.disconnects,
            }
            for hour in entry.hours
        ),
    }


def _to_counters_view(counted: DeviceCounters) -> dict[str, Any]:
    return {
        "online_s": round(counted.online_s, 1),
        "good_reads": counted.good_reads,
        "bad_reads": counted.bad_reads,
        "open_failures": counted.open_failures,
        "disconnects": counted.disconnects,
        "chip_reads": counted.chip_reads,
        "chip_attempts": counted.chip_attempts,
        "chip_s": round(counted.chip_s, 3),
    }
