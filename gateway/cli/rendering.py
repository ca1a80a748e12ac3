"""Events and states as a person reads them on a terminal."""

import json
from datetime import datetime
from typing import Any

from rich.text import Text

from drivers.driver import Condition
from drivers.observation import Observation, Outcome, redacted
from drivers.passport.mrz import Mrz, MrzDate
from drivers.passport.observations import DocumentRead, ReadFailed
from gateway.client import DeviceStatus, Received

OUTCOMES = {
    Outcome.SUCCESSFUL: ("✓", "green"),
    Outcome.FAILED: ("✗", "bold red"),
    Outcome.UNDETERMINED: ("?", "yellow"),
    Outcome.NOT_SUPPORTED: ("-", "dim"),
    Outcome.ABORTED: ("!", "yellow"),
    Outcome.UNKNOWN: ("?", "yellow"),
}
LIGHTS = {
    Condition.ONLINE: "green",
    Condition.BUSY: "green",
    Condition.STARTING: "cyan",
    Condition.DEGRADED: "yellow",
    Condition.MAINTENANCE: "yellow",
    Condition.PENDING: "yellow",
}


def event_line(received: Received, *, reveal: bool) -> Text:
    """One event. Personal data of a live traveller only when revealed."""
    line = Text()
    line.append(f"{received.envelope.time.astimezone():%H:%M:%S} ", "dim")
    line.append(f"{received.position!s:<16} ", "bold")
    if received.simulated:
        line.append("simulated ", "magenta")
    shown = reveal or received.simulated
    match received.data:
        case DocumentRead() as read:
            line.append(f"{_kind(read):<8} ")
            if read.mrz is None:
                line.append("no machine readable zone", "yellow")
            elif shown:
                line.append(_person(read.mrz))
            else:
                line.append(f"{read.mrz.issuer} (personal data hidden)", "dim")
            for check in read.checks:
                mark, colour = OUTCOMES[check.outcome]
                line.append(f"  {mark} {check.id.rpartition('.')[2]}", colour)
        case ReadFailed() as failed:
            line.append(f"read failed: {failed.fault} — present the document again", "yellow")
        case data:
            line.append(f"{received.envelope.type} {_rest(data, shown=shown)}")
    return line


def event_json(received: Received, *, reveal: bool) -> str:
    """One event as a CloudEvent; of a live traveller only what may be shown."""
    if reveal or received.simulated:
        return received.envelope.model_dump_json()
    data = redacted(received.data) if isinstance(received.data, Observation) else {}
    return received.envelope.model_copy(update={"data": data}).model_dump_json()


def _rest(data: Observation | dict[str, Any], *, shown: bool) -> str:
    """What has no rendering of its own, as JSON."""
    match data:
        case Observation():
            return data.model_dump_json() if shown else json.dumps(redacted(data))
        case _:
            return json.dumps(data) if shown else f"({len(data)} fields hidden)"


def _kind(read: DocumentRead) -> str:
    return "document" if read.mrz is None else read.mrz.format.upper().replace("_", "-")


def _person(mrz: Mrz) -> str:
    name = f"{mrz.primary_identifier}, {mrz.secondary_identifier}".rstrip(", ")
    return f"{mrz.issuer} {mrz.document_number or '?'}  {name}  {_date(mrz.birth_date)}"


def _date(date: MrzDate | None) -> str:
    if date is None:
        return ""
    parts = (f"{date.year:04d}" if date.year else "????", _two(date.month), _two(date.day))
    return "*" + "-".join(parts)


def _two(number: int | None) -> str:
    return f"{number:02d}" if number else "??"


def light_of(status: DeviceStatus) -> tuple[str, str]:
    """Colour and word for a device."""
    if status.state is None:
        return "dim", "unknown"
    if not status.gateway_online:
        return "red", "gateway down"
    return LIGHTS.get(status.state.state, "red"), status.state.state


def status_line(status: DeviceStatus) -> Text:
    """One change of a device's state."""
    colour, word = light_of(status)
    line = Text()
    line.append(f"{datetime.now().astimezone():%H:%M:%S} ", "dim")
    line.append(f"{status.position!s:<16} ", "bold")
    line.append(f"● {word}", colour)
    if status.state is not None and status.gateway_online and status.state.cause is not None:
        line.append(f"  {status.state.text}")
        line.append(f"  → {status.state.action}", "bold")
    return line
