"""Lines of text about a device, from the management API's JSON: plain and narrow, for a slow line."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import typer

COLOURS = {
    "online": "green",
    "busy": "green",
    "starting": "cyan",
    "degraded": "yellow",
    "maintenance": "yellow",
    "awaiting_acceptance": "yellow",
}
"""Colour by state; all others are red. The word beside it has the same meaning without colours."""


def device_line(device: dict[str, Any], width: int = 0) -> Iterator[str]:
    """Yield one line with state, since, position and last good read, and a second line with a problem."""
    state = device["state"]
    identity = device["identity"] or {}
    facts = [
        _light(state["state"]),
        f"{device['position']:<{width}}",
        f"{state['state']:<11}",
        f"{ago(state['since']):>6}",
        identity.get("serial_number") or identity.get("model") or "",
        f"fw {identity['firmware']}" if identity.get("firmware") else "",
        f"read {ago(device['last_good_read_at'])} ago" if device["last_good_read_at"] else "",
        f"claimed by {device['claim']['station']}" if device["claim"] else "",
    ]
    yield " ".join(filter(None, facts)).rstrip()
    yield from problem_lines(state)


def problem_lines(state: dict[str, Any]) -> Iterator[str]:
    """Yield the problem and its remedy; nothing without a problem."""
    if state["cause"] is None:
        return
    yield f"    {state['text']} [{state['cause']}]"
    if state["action"] != "none":
        yield f"    {state['action']}: {state['how']}"


def device_page(device: dict[str, Any]) -> Iterator[str]:
    """Yield all facts about one device."""
    state, identity = device["state"], device["identity"] or {}
    yield f"{_light(state['state'])} {device['position']} {state['state']} for {ago(state['since'])}"
    yield from problem_lines(state)
    if actual := device.get("actual_state"):
        yield f"    actual state: {actual['state']}"
        yield from problem_lines(actual)
    names = [identity.get(name) for name in ("manufacturer", "model")]
    yield from _fact("device", " ".join(filter(None, names)))
    yield from _fact("serial number", identity.get("serial_number"))
    if device["accepted_serial_number"] not in (None, identity.get("serial_number")):
        yield from _fact("belongs here", device["accepted_serial_number"])
    yield from _fact("firmware", identity.get("firmware"))
    yield from _fact("driver", device["driver"])
    yield from _fact("address", device["address"])
    yield from _fact("last good", device["last_good_read_at"] and f"{ago(device['last_good_read_at'])} ago")
    claim = device["claim"]
    yield from _fact("claimed by", claim and f"{claim['station']} for {ago(claim['since'])}")
    yield from _fact("restarts", device["restarts"] or None)
    yield from _fact("CPU time", f"{device['cpu_s']:.1f} s" if device["cpu_s"] else None)
    yield from _fact("suppressed events", device["suppressed_events"])
    yield from _fact("maintenance", device["maintenance_until"] and f"until {device['maintenance_until']}")
    yield from _fact("commands", " ".join(device["commands"]))
    yield from _fact("checks", " ".join(device["check_levels"]))
    yield from counters(device)


def counters(device: dict[str, Any]) -> Iterator[str]:
    """Yield its counters: lifetime, and since the last reset."""
    history = device["counters"]
    spans = [("in all", history["lifetime"])]
    if history["reset_at"]:
        spans.append((f"since {history['reset_at'][:16]}", history["since_reset"]))
    for name, counted in spans:
        tries = counted["good_reads"] + counted["bad_reads"]
        rate = f" ({100 * counted['bad_reads'] / tries:.1f} % bad)" if tries else ""
        yield (
            f"    {name}: {counted['good_reads']} good, {counted['bad_reads']} bad{rate}, "
            f"{counted['open_failures']} failed attempts to open, "
            f"{counted['disconnects']} disconnects, {_span(counted['online_s'])} online"
        )
        if chips := counted["chip_reads"]:
            yield (
                f"        {chips} chips read, {counted['chip_attempts'] / chips:.2f} attempts and "
                f"{counted['chip_s'] / chips:.1f} s each"
            )


def event_line(event: dict[str, Any]) -> str:
    """Return one event in a line, without personal data."""
    shown = " ".join(f"{name}={value}" for name, value in event["data"].items() if value not in (None, []))
    return f"    {local_time(event['at'])} {event['type']} {shown}"


def ago(moment: str) -> str:
    """Return the time since that moment, in one unit."""
    return _span((datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds())


def local_time(moment: str) -> str:
    """Return the local time of day, with the date unless it is today."""
    when = datetime.fromisoformat(moment).astimezone()
    today = when.date() == datetime.now().astimezone().date()
    return f"{when:%H:%M:%S}" if today else f"{when:%Y-%m-%d %H:%M:%S}"


def _span(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"


def _fact(name: str, value: object) -> Iterator[str]:
    if value not in (None, "", 0):
        yield f"    {name}: {value}"


def _light(state: str) -> str:
    return typer.style("●", fg=COLOURS.get(state, "red"))
