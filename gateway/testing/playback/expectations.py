"""Recordings with the events that their driver must yield, from any folder."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from drivers.driver import Identity
from drivers.links.recording.recording import Recording
from drivers.observation import DataModel, Observation

Event = dict[str, Any]
"""`{"type": "document.read", "data": {...}}`; the first one of a recording is `identity`."""


def recordings_in(folder: Path) -> list[Path]:
    """Return all recordings below a folder."""
    return sorted(folder.rglob("*.rec"))


def expected_file(recording: Path) -> Path:
    """Return the path of a recording's expected events."""
    return recording.with_suffix(".events.json")


def read_recording(path: Path) -> Recording:
    """Load a recording; files that its settings name as `./...` are beside it. Raises RecordingError."""
    recording = Recording.from_text(path.read_text(encoding="utf-8"))
    return replace(recording, settings=_beside(recording.settings, path.parent))


def read_expected(recording: Path) -> list[Event] | None:
    """Return the expected events of a recording; None without their file."""
    file = expected_file(recording)
    events: list[Event] | None = json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
    return events


def write_expected(recording: Path, events: list[Event]) -> None:
    """Write the expected events beside a recording."""
    text = json.dumps(events, indent=1, ensure_ascii=False)
    expected_file(recording).write_text(text + "\n", encoding="utf-8")


def events_of(items: Iterable[object]) -> Iterator[Event]:
    """Yield identity and observations among what a driver yields, as events."""
    for item in items:
        if isinstance(item, Identity):
            yield {"type": "identity", "data": item.model_dump(mode="json")}
        elif isinstance(item, Observation):
            yield {"type": item.event_type, "data": without_varying(item.model_dump(mode="json"), item)}


def without_varying(data: Any, model: object) -> Any:
    """Return a model's JSON without the fields that each replay gives anew (`DataModel.varying_fields`)."""
    match model:
        case DataModel():
            fields = {field.alias or name: name for name, field in type(model).model_fields.items()}
            return {
                key: without_varying(value, getattr(model, fields[key]))
                for key, value in data.items()
                if fields[key] not in model.varying_fields
            }
        case list() | tuple():
            return [without_varying(value, one) for value, one in zip(data, model, strict=True)]
        case _:
            return data


def contains_in_order(events: Iterable[Event], wanted: Iterable[Event]) -> bool:
    """Return True if all wanted events are among the events, in this order."""
    remaining = iter(events)
    return all(any(event == one for event in remaining) for one in wanted)


def first_difference(events: list[Event], wanted: list[Event]) -> str:
    """Return the first difference by place and type, without personal content; "" if they are equal."""
    for place, (event, one) in enumerate(zip(events, wanted, strict=False), start=1):
        if event["type"] != one["type"]:
            return f"event {place} is {event['type']}, expected {one['type']}"
        if event != one:
            names = sorted(event["data"].keys() | one["data"].keys())
            differing = [name for name in names if event["data"].get(name) != one["data"].get(name)]
            return f"event {place}, {event['type']}, differs in {', '.join(differing)}"
    if len(events) != len(wanted):
        return f"{len(events)} events, expected {len(wanted)}"
    return ""


def _beside(value: Any, folder: Path) -> Any:
    match value:
        case dict():
            return {name: _beside(inner, folder) for name, inner in value.items()}
        case list():
            return [_beside(inner, folder) for inner in value]
        case str() if value.startswith("./"):
            return str(folder / value)
        case _:
            return value
