"""Envelope of every event: CloudEvents 1.0 in structured JSON, with the extensions of this contract.

An event is written in two steps. The supervisor of the device writes all fields that it has, once
(`EnvelopeWriter.write_partial_event`): a *partial* event, which is a JSON object without its closing brace.
The outbox assigns the identity in the transaction that stores the event (`complete_event`): it appends id,
epoch, stream and sequence number, and closes the object. The event is not parsed in between.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Generic, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from drivers.observation import Observation, OpenEnum

MEDIA_TYPE = "application/cloudevents+json"
SCHEMA_BASE = "urn:bgw:schema:"


class ClockStatus(OpenEnum):
    """Trust in the wall clock when a time was taken."""

    SYNCED = "synced"
    UNSYNCED = "unsynced"
    UNKNOWN = "unknown"


class Provenance(OpenEnum):
    """Origin of an event: a real device, or none."""

    LIVE = "live"
    SIMULATED = "simulated"
    REPLAYED = "replayed"
    UNKNOWN = "unknown"


DataT = TypeVar("DataT")


class Event(BaseModel, Generic[DataT]):
    """One event as it is published."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    specversion: str = Field(pattern=r"^1\.0$", description="CloudEvents version.", examples=["1.0"])
    id: str = Field(
        pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$",
        description="UUIDv7, assigned when the event was stored. Consumers recognise repetitions by it.",
        examples=["01938f3e-7c1a-7b5e-9d55-0242ac120002"],
    )
    source: str = Field(
        description="/bgw/{site}/{gateway}/{lane}/{device}.", examples=["/bgw/ke-busia/gw-1/lane-1/reader"]
    )
    type: str = Field(description="bgw.{event type}.v{major}.", examples=["bgw.document.read.v1"])
    time: AwareDatetime = Field(
        description="Time of the observation, by the post's wall clock, UTC. See `clock`; never order by it.",
        examples=["2026-11-23T08:15:30.123456Z"],
    )
    datacontenttype: str = Field(description="Media type of `data`.", examples=["application/json"])
    dataschema: str = Field(
        description="Id of the JSON Schema of `data`.", examples=["urn:bgw:schema:document.read:v1"]
    )
    bootid: str = Field(
        description="Id of the machine's boot that `monons` counts from.",
        examples=["7d0c9c1b6a3f4a1e8f0b2c3d4e5f6071"],
    )
    monons: str = Field(
        pattern=r"^[0-9]+$",
        description=(
            "Nanoseconds from that boot to the observation, in decimal digits. "
            "A string, because a CloudEvents integer has 32 bits."
        ),
        examples=["4711000123456"],
    )
    clock: ClockStatus = Field(description="Trustworthiness of `time`.", examples=["synced"])
    provenance: Provenance = Field(
        description="Kind of device that observed it: real or not.", examples=["simulated"]
    )
    transaction: str = Field(
        description="Id that joins all events of one traveller, document or capture.",
        examples=["01938f3e-7c1a-7b5e-9d55-0242ac120003"],
    )
    data: DataT = Field(description="Observation of the device.")
    epoch: str = Field(
        description="Random id of the outbox that numbered it; a new outbox counts from 1 again.",
        examples=["5f0c2a6e9b7d4c33"],
    )
    stream: str = Field(
        description="Stream that `seq` counts in: position and delivery class.",
        examples=["lane-1/reader/traveller"],
    )
    seq: int = Field(ge=1, description="Number in that stream, without gaps.", examples=[42])


def to_schema_id(event_type: str, version: int = 1) -> str:
    """Return the `dataschema` of an event type: `urn:bgw:schema:document.read:v1`."""
    return f"{SCHEMA_BASE}{event_type}:v{version}"


def to_cloudevents_type(event_type: str, version: int = 1) -> str:
    """Return the CloudEvents `type` of an event type: `bgw.document.read.v1`."""
    return f"bgw.{event_type}.v{version}"


def to_rfc3339(unix_ns: int) -> str:
    """Format nanoseconds since 1970 as RFC 3339 in UTC, with microseconds."""
    seconds, ns = divmod(unix_ns, 1_000_000_000)
    return f"{_format_seconds(seconds)}.{ns // 1000:06d}Z"


@lru_cache(maxsize=4)
def _format_seconds(seconds: int) -> str:
    """Format a second. Takes 15 us, and is the same for all events of that second."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


@dataclass(frozen=True, slots=True)
class Moment:
    """Time of an observation: wall clock, whether it is trusted, and time since boot."""

    unix_ns: int
    boot_id: str
    boot_ns: int
    clock: ClockStatus


@dataclass(frozen=True, slots=True)
class EnvelopeWriter:
    """Writer of the events of one device."""

    site: str
    gateway: str
    position: str

    def write_partial_event(
        self,
        observation: Observation,
        moment: Moment,
        provenance: Provenance,
        transaction: str,
        version: int = 1,
    ) -> bytes:
        """Write all fields but those of the outbox; see `complete_event`. `version`: of the schema."""
        # Written by hand because only here JSON is made for every event: every value but `source` and
        # `transaction` is a constant or digits, and those two are quoted by json.dumps.
        event_type = observation.event_type
        return (
            '{"specversion":"1.0"'
            f',"source":{json.dumps(f"/bgw/{self.site}/{self.gateway}/{self.position}")}'
            f',"type":"{to_cloudevents_type(event_type, version)}"'
            f',"time":"{to_rfc3339(moment.unix_ns)}"'
            ',"datacontenttype":"application/json"'
            f',"dataschema":"{to_schema_id(event_type, version)}"'
            f',"bootid":"{moment.boot_id}","monons":"{moment.boot_ns}"'
            f',"clock":"{moment.clock}","provenance":"{provenance}"'
            f',"transaction":{json.dumps(transaction)}'
            f',"data":{observation.model_dump_json()}'
        ).encode()


def complete_event(partial_event: bytes, event_id: str, epoch: str, stream: str, seq: int) -> bytes:
    """Append the identity and close the object."""
    return partial_event + f',"id":"{event_id}","epoch":"{epoch}","stream":"{stream}","seq":{seq}}}'.encode()


def read_event(payload: bytes) -> Event[Any]:
    """Read an event as a consumer does: unknown fields are ignored; raises pydantic.ValidationError."""
    return Event[Any].model_validate_json(payload, extra="ignore")
