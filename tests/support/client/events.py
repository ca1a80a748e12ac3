"""Events as a workstation receives them, made of the examples of their models."""

from typing import Any

from drivers.observation import Attachment, Observation
from gateway.client import ReceivedEvent
from gateway.contract.documents.schemas import event_example, example
from gateway.contract.envelope import Event
from gateway.contract.topics import Position


def event(
    of: type[Observation], transaction: str = "t-1", images: dict[str, bytes] | None = None, **changes: Any
) -> ReceivedEvent:
    """Make an event with changed fields and with images."""
    attached = tuple(
        Attachment.from_bytes(role, "image/jpeg", content) for role, content in (images or {}).items()
    )
    data = of.model_validate(example(of) | {"attachments": attached} | changes)
    envelope = Event[Any].model_validate(event_example(of) | {"transaction": transaction, "data": data})
    return ReceivedEvent(Position("lane-1", "reader"), envelope, data, images or {}, None)
