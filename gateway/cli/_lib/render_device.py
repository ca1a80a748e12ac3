"""A device in lines of text, out of the local API's JSON: plain and narrow, for a slow line."""

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
"""A traffic light; everything else is red. The word beside it says the same without colours."""


def device_line(device: dict[str, Any], width: int = 0) -> Iterator[str]:
    """One line: how it is, since when, which one, when it last read well; what is wrong in the next."""
    state = device["state"]
    identity = device["identity"] or {}
    facts = [
        _light(state["state"]),
        f"{device['position']:<{width}}",
        f"{state['state']:<11}",
        f"{ago(state['since']):>6}",
        identity.get("serial_number") or identity.get("model") or "",
        f"fw {identity['firmware']}" if identity.get("firmware") else "",
        f"read {ago(device['last_good'])} ago" if device["last_good"] else "",
        f"claimed by {device['claim']['station']}" if device["claim"] else "",
    ]
    yield " ".join(filter(None, facts)).rstrip()
    yield from problem_lines(state)


def problem_lines(state: dict[str, Any]) -> Iterator[str]:
    """What is wrong, and what to do about it; nothing where all is well."""
    if state["cause"] is None:
        return
    yield f"    {state['text']} [{state['cause']}]"
    if state["action"] != "none":
        yield f"    {state['action']}: {state['how']}"


def device_page(device: dict[str, Any]) -> Iterator[str]:
    """Everything of one device."""
    state, identity = device["state"], device["identity"] or {}
    yield f"{_light(state['state'])} {device['position']} {state['state']} for {ago(state['since'])}"
    yield from problem_lines(state)
    if beneath := device.get("beneath"):
        yield f"    beneath: {beneath['state']}"
        yield from problem_lines(beneath)
    told = [identity.get(name) for name in ("manufacturer", "model")]
    yield from _fact("device", " ".join(filter(None, told)))
    yield from _fact("serial number", identity.get("serial_number"))
    if device["accepted"] not in (None, identity.get("serial_number")):
        yield from _fact("belongs here", device["accepted"])
    yield from _fact("firmware", identity.get("firmware"))
    yield from _fact("driver", device["driver"])
    yield from _fact("address", device["address"])
    yield from _fact("last good", device["last_good"] and f"{ago(device['last_good'])} ago")
    claim = device["claim"]
    yield from _fact("claimed by", claim and f"{claim['station']} for {ago(claim['since'])}")
    yield from _fact("restarts", device["restarts"] or None)
    yield from _fact("withheld", device["withheld"] and f"{device['withheld']} events")
    yield from _fact("maintenance", device["maintenance_until"] and f"until {device['maintenance_until']}")
    yield from _fact("commands", " ".join(device["commands"]))
    yield from _fact("checks", " ".join(device["levels"]))
    yield from counters(device)


def counters(device: dict[str, Any]) -> Iterator[str]:
    """What it has done: over its life, and since somebody set that to zero."""
    tally = device["tally"]
    spans = [("in all", tally["lifetime"])]
    if tally["reset_at"]:
        spans.append((f"since {tally['reset_at'][:16]}", tally["since_reset"]))
    for name, counted in spans:
        tries = counted["good"] + counted["bad"]
        rate = f" ({100 * counted['bad'] / tries:.1f} % bad)" if tries else ""
        yield (
            f"    {name}: {counted['good']} good, {counted['bad']} bad{rate}, {counted['retries']} retries, "
            f"{counted['disconnects']} disconnects, {_span(counted['online_s'])} online"
        )


def event_line(event: dict[str, Any]) -> str:
    """One event, without anything personal."""
    shown = " ".join(f"{name}={value}" for name, value in event["data"].items() if value not in (None, []))
    return f"    {local_time(event['at'])} {event['type']} {shown}"


def ago(moment: str) -> str:
    """How long ago that was, in one unit."""
    return _span((datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds())


def local_time(moment: str) -> str:
    """The time of day there, with the date unless it is today."""
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
