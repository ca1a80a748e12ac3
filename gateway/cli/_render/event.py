"""Events and states as text for a terminal."""

import json
from datetime import datetime
from typing import Any

from pydantic_core import to_jsonable_python
from rich.text import Text

from drivers.driver import StateCode
from drivers.observation import Observation, redact
from drivers.passport.observations import DocumentRead, MrzRead
from gateway.cli._render.event_summary import summarise_event
from gateway.client import DeviceStatus, ReceivedEvent
from gateway.common.one_line import to_one_line
from gateway.common.printable import printable
from gateway.contract.envelope import Provenance

LIGHTS = {
    StateCode.ONLINE: "green",
    StateCode.BUSY: "green",
    StateCode.STARTING: "cyan",
    StateCode.DEGRADED: "yellow",
    StateCode.MAINTENANCE: "yellow",
    StateCode.AWAITING_ACCEPTANCE: "yellow",
}
_UNPUBLISHED = [name for name, field in Observation.model_fields.items() if field.exclude]


def event_line(received: ReceivedEvent, *, reveal: bool) -> Text:
    """Return one event as a line. Personal data only of simulated travellers, or if revealed."""
    line = Text()
    line.append(f"{received.envelope.time.astimezone():%H:%M:%S} ", "dim")
    line.append(f"{received.position!s:<16} ", "bold")
    if received.is_simulated:
        line.append(f"{received.envelope.provenance} ", "magenta")
    shown = _is_shown(received, reveal=reveal)
    data = received.data
    summary = summarise_event(data, shown=shown) if isinstance(data, Observation) else None
    line.append(f"{received.envelope.type} {_rest(data, shown=shown)}" if summary is None else summary)
    # A document takes one line whose end may be cut. Other events have the remedy at their end.
    line.no_wrap = isinstance(data, DocumentRead | MrzRead)
    return line


def event_json(received: ReceivedEvent, *, reveal: bool) -> str:
    """Return one event as a CloudEvent; only of simulated travellers, or if revealed, with personal data."""
    if _is_shown(received, reveal=reveal):
        return received.envelope.model_dump_json()
    data = redact(received.data) if isinstance(received.data, Observation) else {}
    return received.envelope.model_copy(update={"data": data}).model_dump_json()


def _is_shown(received: ReceivedEvent, *, reveal: bool) -> bool:
    """Tell whether personal data may be shown: a replayed recording may be of a real person."""
    return reveal or received.envelope.provenance is Provenance.SIMULATED


def fields_line(data: Observation, *, shown: bool) -> str:
    """Return the fields of an event without a text of its own; without `shown`, only unredacted ones."""
    fields: dict[str, Any] = to_jsonable_python(data if shown else redact(data))
    return printable(to_one_line({name: one for name, one in fields.items() if name not in _UNPUBLISHED}))


def _rest(data: object, *, shown: bool) -> str:
    match data:
        case Observation():
            return fields_line(data, shown=shown)
        case _ if shown:
            return json.dumps(data)
        case dict():
            return f"({len(data)} fields hidden)"
        case _:
            return "(hidden)"


def state_light(status: DeviceStatus) -> tuple[str, str]:
    """Return colour and word for a device."""
    if status.state is None:
        return "dim", "unknown"
    if not status.gateway_online:
        return "red", "unknown, gateway silent"
    return LIGHTS.get(status.state.state, "red"), status.state.state


def _before(age_s: float | None) -> str:
    """Return the age of a state that is not confirmed any more, as the end of a sentence."""
    return ", at a time unknown" if age_s is None else f" {age_s:.0f} s ago"


def status_line(status: DeviceStatus) -> Text:
    """Return one change of a device's state as a line."""
    colour, word = state_light(status)
    line = Text()
    line.append(f"{datetime.now().astimezone():%H:%M:%S} ", "dim")
    line.append(f"{status.position!s:<16} ", "bold")
    line.append(f"● {word}", colour)
    if status.state is not None and not status.gateway_online:
        line.append(f"  it was {status.state.state}{_before(status.age_s)}")
    elif status.state is not None and status.state.cause is not None:
        line.append(f"  {status.state.text}")
        line.append(f"  → {status.state.action}", "bold")
    return line
