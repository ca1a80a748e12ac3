"""What stands until the device says something else: the retained message beside an event of such a type.

Like an event it is written in two steps: the worker process writes what it knows, once, and the daemon adds
its session without parsing it. It stands for as long as the device is there: an empty retained message takes
it back at once when the device is not, so that nobody takes an old state for the present one.
"""

from typing import Generic, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from drivers.observation import Observation
from gateway.contract.envelope import (
    ClockStatus,
    Moment,
    Provenance,
    to_cloudevents_type,
    to_rfc3339,
    to_schema_id,
)

DataT = TypeVar("DataT")


class LastValueMessage(BaseModel, Generic[DataT]):
    """The newest of one kind of event, as it stands at `now/{type}`."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    type: str = Field(
        description="bgw.{event type}.v{major}, as in the event.", examples=["bgw.barrier.state.v1"]
    )
    dataschema: str = Field(
        description="Which JSON Schema `data` follows.", examples=["urn:bgw:schema:barrier.state:v1"]
    )
    time: AwareDatetime = Field(
        description="Since when it stands, by the post's wall clock, UTC. See `clock`.",
        examples=["2026-11-23T08:15:30.123456Z"],
    )
    clock: ClockStatus = Field(description="Whether `time` could be trusted.", examples=["synced"])
    provenance: Provenance = Field(description="Whether a real device said it.", examples=["live"])
    data: DataT = Field(description="What the device said.")
    session: str = Field(
        description="The gateway session that says so; what an older session said is history.",
        examples=["0f8fad5bd9cb469f"],
    )


def write_partial_last_value(observation: Observation, moment: Moment, provenance: Provenance) -> bytes:
    """Write all but the session: a JSON object without its closing brace; see `close_standing`."""
    event_type = observation.event_type
    return (
        f'{{"type":"{to_cloudevents_type(event_type)}","dataschema":"{to_schema_id(event_type)}"'
        f',"time":"{to_rfc3339(moment.unix_ns)}","clock":"{moment.clock}","provenance":"{provenance}"'
        f',"data":{observation.model_dump_json()}'
    ).encode()


def complete_last_value(partial: bytes, session: str) -> bytes:
    """Append who says so and close the object."""
    return partial + f',"session":"{session}"}}'.encode()
