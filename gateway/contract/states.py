"""How devices and the gateway are: the retained messages."""

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from drivers.driver import Family, Identity, StateCode
from drivers.links.link import Action, Cause
from drivers.observation import DataClass
from gateway.contract.commands import CommandDescription
from gateway.contract.envelope import ClockStatus, Provenance


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class DeviceState(_Message):
    """How one device is. Every condition other than online says why and what a person should do."""

    state: StateCode = Field(description="How the device is.", examples=["offline"])
    since: AwareDatetime = Field(
        description="Since when, by the post's wall clock, UTC.", examples=["2026-11-23T08:15:30.123456Z"]
    )
    cause: Cause | None = Field(None, description="Why, as a code; null when online.", examples=["port_held"])
    text: str = Field(
        "", description="Why, in a plain sentence.", examples=["ModemManager (pid 712) holds the port."]
    )
    action: Action = Field(Action.NONE, description="What a person should do.", examples=["restart"])
    how: str = Field("", description="How to do it.", examples=["sudo systemctl mask --now ModemManager"])
    provenance: Provenance | None = Field(
        None, description="What kind of device is on the link, once one answered.", examples=["live"]
    )
    session: str = Field(
        description="The gateway session that says so; a state of an older session is history.",
        examples=["0f8fad5bd9cb469f"],
    )


class EventDescription(_Message):
    """One kind of event a device can publish."""

    type: str = Field(description="Event type, the last level of its topic.", examples=["document.read"])
    dataschema: str = Field(
        description="Which JSON Schema its data follows.", examples=["urn:bgw:schema:document.read:v1"]
    )
    data_class: DataClass = Field(description="Delivery class.", examples=["traveller"])


class DeviceDescription(_Message):
    """What stands at a position, what it can say, and what it can be told."""

    driver: str = Field(description="Name of the driver.", examples=["mrz-serial"])
    family: Family = Field(description="Kind of device.", examples=["passport_reader"])
    identity: Identity | None = Field(
        None,
        description="Which device answered last, or null when none did yet.",
        examples=[{"model": "OCR315e", "serial_number": "SIM0001"}],
    )
    events: tuple[EventDescription, ...] = Field(
        description="Every kind of event it can publish.",
        examples=[
            [
                {
                    "type": "document.read",
                    "dataschema": "urn:bgw:schema:document.read:v1",
                    "data_class": "traveller",
                }
            ]
        ],
    )
    commands: tuple[CommandDescription, ...] = Field(
        (),
        description="Every command it obeys.",
        examples=[
            [
                {
                    "verb": "open",
                    "args": "urn:bgw:schema:command.barrier.open:v1:args",
                    "result": "urn:bgw:schema:command.barrier.open:v1:result",
                    "moves": True,
                    "urgent": False,
                    "requires_claim": False,
                }
            ]
        ],
    )
    session: str = Field(description="The gateway session that says so.", examples=["0f8fad5bd9cb469f"])


class GatewayProblem(_Message):
    """Something of the gateway itself that a person should know of."""

    cause: str = Field(description="What is wrong, as a code.", examples=["disk_full"])
    text: str = Field(
        description="What is wrong, in a plain sentence.",
        examples=["The disk of /var/lib/borderpost is full; events are kept in memory."],
    )
    action: Action = Field(description="What a person should do.", examples=["call_support"])
    how: str = Field("", description="How to do it.", examples=["Free space on /var."])
    since: AwareDatetime = Field(description="Since when, UTC.", examples=["2026-11-23T08:15:30.123456Z"])


class DestinationReport(_Message):
    """How delivery to one destination goes."""

    name: str = Field(description="`local`, or `hq`.", examples=["local"])
    connected: bool = Field(description="Whether the connection stands.", examples=[True])
    queued: int = Field(ge=0, description="Events not yet acknowledged there, in events.", examples=[0])
    expired: int = Field(ge=0, description="Events that grew too old to deliver, since start.", examples=[0])
    parked: int = Field(
        ge=0, description="Events set aside because the destination cannot take them.", examples=[0]
    )
    halted_reason: str | None = Field(
        None, description="Why nothing is sent although connected, or null.", examples=["not_authorised"]
    )


class GatewayReport(_Message):
    """What a gateway tells of itself while it lives."""

    version: str = Field(description="Version of the gateway.", examples=["0.1.0"])
    profile: str = Field(description="production, test or training.", examples=["production"])
    bootid: str = Field(
        description="The machine's current boot.", examples=["7d0c9c1b6a3f4a1e8f0b2c3d4e5f6071"]
    )
    clock: ClockStatus = Field(description="Whether its wall clock can be trusted.", examples=["synced"])
    epoch: str = Field(description="Name of the outbox in use.", examples=["5f0c2a6e9b7d4c33"])
    since: AwareDatetime = Field(
        description="Start of this session, UTC.", examples=["2026-11-23T08:15:30.123456Z"]
    )
    events_dropped: int = Field(
        0, ge=0, description="Events given up because the outbox was full, since start.", examples=[0]
    )
    images_dropped: int = Field(
        0, ge=0, description="Images refused for their size or given up, since start.", examples=[0]
    )
    destinations: tuple[DestinationReport, ...] = Field(
        (), description="How delivery goes, a destination each.", examples=[[]]
    )
    problems: tuple[GatewayProblem, ...] = Field(
        (), description="What a person should know of.", examples=[[]]
    )


class GatewayState(_Message):
    """Birth and death of a gateway. Both carry the session: a death of another session is ignored."""

    online: bool = Field(description="False in the last will and at an orderly stop.", examples=[True])
    session: str = Field(description="Random name of one run of the gateway.", examples=["0f8fad5bd9cb469f"])
    report: GatewayReport | None = Field(
        None, description="Details while online; null in the last will.", examples=[None]
    )
