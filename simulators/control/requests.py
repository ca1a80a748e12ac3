"""Requests and answers of the control socket: their models, and the JSON Schema of all of them.

`python -m simulators.control.requests FILE` writes the schema.
"""

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import models_json_schema

SCHEMA_ID = "urn:bgw:simulators:control:v1"
Name = Annotated[str, Field(description="Position of a simulator.", examples=["lane-1/reader"])]
OptionalName = Annotated[str | None, Field(description="Position of a simulator; all of them if omitted.")]
Within = Annotated[float, Field(gt=0, le=600, description="Time limit, in seconds.")]


class ControlRequest(BaseModel):
    """A line of JSON to the socket."""

    model_config = ConfigDict(extra="forbid")


class ListRequest(ControlRequest):
    """Ask for name, kind and address of every simulator."""

    do: Literal["list"]


class StatusRequest(ControlRequest):
    """Ask for the state of one simulator or of all."""

    do: Literal["status"]
    name: OptionalName = None


class InsertRequest(ControlRequest):
    """Present something: a document, a finger, a vehicle, a scene. Further arguments depend on the kind."""

    model_config = ConfigDict(extra="allow")

    do: Literal["insert"]
    name: Name
    member: str | None = Field(
        default=None, description="Traveller of the cast, for readers of documents.", examples=["photocopy"]
    )


class RemoveRequest(ControlRequest):
    """Take the document off the glass of a full-page reader."""

    do: Literal["remove"]
    name: Name


class FaultRequest(ControlRequest):
    """Inject a fault."""

    do: Literal["fault"]
    name: Name
    fault: str = Field(description="Name of the fault, as its kind has it.", examples=["unplug"])
    args: dict[str, Any] | None = Field(default=None, description="Its arguments.")


class FaultsRequest(ControlRequest):
    """Ask for the faults that one simulator can have, or each of them."""

    do: Literal["faults"]
    name: OptionalName = None


class CastRequest(ControlRequest):
    """Ask for the travellers of the cast, whom readers of documents can present by name."""

    do: Literal["cast"]


class TruthRequest(ControlRequest):
    """Ask for the truth about what was presented last."""

    do: Literal["truth"]
    name: OptionalName = None
    last: int = Field(default=1, ge=1, le=1000, description="Number of presentations.")


class ClearRequest(ControlRequest):
    """End faults: pending ones are discarded, lasting ones end, cables are plugged in again."""

    do: Literal["clear"]
    name: OptionalName = None
    within_s: Within = 10.0


class ResetRequest(ControlRequest):
    """End faults, remove what was presented, discard what was not sent yet, and wait until all is at rest.

    The truth about earlier presentations is forgotten. Schedules of the post's file go on.
    """

    do: Literal["reset"]
    name: OptionalName = None
    within_s: Within = 10.0


class WaitRequest(ControlRequest):
    """Wait until the status of a simulator has these values."""

    do: Literal["wait"]
    name: Name
    until: dict[str, Any] = Field(min_length=1, examples=[{"host_connected": True}])
    within_s: Within = 10.0


REQUESTS: tuple[type[ControlRequest], ...] = (
    ListRequest,
    StatusRequest,
    InsertRequest,
    RemoveRequest,
    FaultRequest,
    FaultsRequest,
    CastRequest,
    TruthRequest,
    ClearRequest,
    ResetRequest,
    WaitRequest,
)
VERBS: tuple[str, ...] = tuple(get_args(one.model_fields["do"].annotation)[0] for one in REQUESTS)


class Refusal(BaseModel):
    """Answer to a request that could not be fulfilled."""

    ok: Literal[False] = False
    error: str


class ExpectedCheck(BaseModel):
    """Required report of a gateway on one check."""

    outcome: Literal["failed", "undetermined"]
    reason: str | None = Field(description="Reason of the contract; null: any.")


class DescribedFault(BaseModel):
    """One fault of a simulator."""

    fault: str = Field(description="Name, for `fault`.", examples=["unplug"])
    description: str = Field(description="Effect, as a sentence.")
    args: dict[str, Any] = Field(description="JSON Schema of each argument.")
    required: list[str] = Field(description="Names of the arguments that must be given.")


class FaultsAnswer(BaseModel):
    """Answer to `faults`: by the position of each simulator; empty for a kind that does not list them."""

    ok: Literal[True] = True
    faults: dict[str, list[DescribedFault]]


class Truth(BaseModel):
    """The truth about a document and its bearer. It has no name and no number of a document."""

    member: str | None = Field(description="Traveller of the cast; null: another invented one.")
    number: int | None = Field(description="Number of the member, which never changes.")
    what: str = Field(description="The document, in a few words.")
    genuine: bool | None = Field(
        description="Whether document and bearer are genuine; null: the zone was chosen by the caller."
    )
    forged: str = Field(description="What is forged, in a few words; empty if nothing is.")
    shows: list[
        Literal["zone", "visible", "infrared", "ultraviolet", "chip", "seal", "person", "hand", "passage"]
    ] = Field(description="Where the forgery, or what is unusual, can be found.")
    says: dict[str, ExpectedCheck] | None = Field(
        description="Checks that a gateway must not report as `successful`, of those that its reader makes; "
        "all others are `successful`, `not_supported`, or `aborted` where the chip could not be opened. "
        "Null: not known."
    )
    deviations: list[str] = Field(
        description="Deviations of the zone that a gateway reports; none is a failure.",
        examples=[["issuer_unknown"]],
    )
    lesson: str = Field(description="What an officer learns from it.")


class PresentedTruth(Truth):
    """The truth about one presentation."""

    simulator: str
    presentation: int = Field(description="Number of the presentation at this simulator, counted from 1.")
    at: str = Field(description="Time of the presentation, in UTC.", examples=["2026-12-02T21:00:00.000Z"])


class TruthAnswer(BaseModel):
    """Answer to `truth`: the last presentations, the latest at the end."""

    ok: Literal[True] = True
    presented: list[PresentedTruth]


class CastAnswer(BaseModel):
    """Answer to `cast`: the truth about each traveller, in the order of their numbers."""

    ok: Literal[True] = True
    cast: list[Truth]


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a request, with those of the answers in `$defs`."""
    models: tuple[type[BaseModel], ...] = (*REQUESTS, Refusal, FaultsAnswer, CastAnswer, TruthAnswer)
    _, whole = models_json_schema([(one, "validation") for one in models], ref_template="#/$defs/{model}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "ControlRequest",
        "description": "A request to the control socket of a simulated post: one line of JSON. "
        "The answer is one line too, with `ok`; it is `Refusal` if that is false. Over TCP a request has the "
        "further key `token`.",
        "oneOf": [{"$ref": f"#/$defs/{one.__name__}"} for one in REQUESTS],
        "$defs": whole["$defs"],
    }


def schema_text() -> str:
    """Return the schema as its file has it."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(schema_text(), "utf-8")
