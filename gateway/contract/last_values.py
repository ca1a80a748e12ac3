"""Last value: a retained message beside the events of a type that describes a state.

The supervisor of the device writes it beside the event, from the same observation. The message is retained as
long as the device is available. When it is not, an empty retained message removes it at once, so that no
consumer takes an old state for the present one.
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
    """Newest event of one type, retained at `now/`."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    type: str = Field(
        description="bgw.{event type}.v{major}, as in the event.", examples=["bgw.barrier.state.v1"]
    )
    dataschema: str = Field(
        description="Id of the JSON Schema of `data`.", examples=["urn:bgw:schema:barrier.state:v1"]
    )
    time: AwareDatetime = Field(
        description="Time of the observation, by the post's wall clock, UTC. See `clock`.",
        examples=["2026-11-23T08:15:30.123456Z"],
    )
    clock: ClockStatus = Field(description="Trustworthiness of `time`.", examples=["synced"])
    provenance: Provenance = Field(
        description="Kind of device that observed it: real or not.", examples=["live"]
    )
    data: DataT = Field(description="Observation of the device.")
    session: str = Field(
        description="Gateway session that published it; a value of an older session is outdated.",
        examples=["0f8fad5bd9cb469f"],
    )


def write_partial_last_value(
    observation: Observation, moment: Moment, provenance: Provenance, version: int = 1
) -> bytes:
    """Write all but the session: a JSON object without its closing brace. See `complete_last_value`."""
    event_type = observation.event_type
    return (
        f'{{"type":"{to_cloudevents_type(event_type, version)}"'
        f',"dataschema":"{to_schema_id(event_type, version)}"'
        f',"time":"{to_rfc3339(moment.unix_ns)}","clock":"{moment.clock}","provenance":"{provenance}"'
        f',"data":{observation.model_dump_json()}'
    ).encode()


def complete_last_value(partial: bytes, session: str) -> bytes:
    """Append the session and close the object."""
    return partial + f',"session":"{session}"}}'.encode()
