"""What a technician sees of a post: models of the local API. Nothing in them is personal."""

from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from drivers.driver import Family, Identity
from drivers.links.link import Action, Direction
from gateway.contract.envelope import Provenance
from gateway.contract.states import DestinationReport, DeviceState, GatewayReport


class ApiModel(BaseModel):
    """Something that is shown."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class CountersView(ApiModel):
    """What a device has done. They belong to its serial number, and move with it to another position."""

    online_s: float = Field(0, ge=0, description="Time online, in seconds.", examples=[36000.0])
    good_reads: int = Field(0, ge=0, description="What it read well: events handed up.", examples=[1200])
    bad_reads: int = Field(
        0, ge=0, description="What meant nothing: bad frames and failed reads.", examples=[7]
    )
    open_failures: int = Field(0, ge=0, description="Attempts to open it that failed.", examples=[3])
    disconnects: int = Field(0, ge=0, description="How often it was lost while open.", examples=[1])


class HourlyCountsView(ApiModel):
    """What a device has done in one hour."""

    at: AwareDatetime = Field(description="When it began.", examples=["2026-11-28T08:00:00Z"])
    good_reads: int = Field(0, ge=0, description="As of counters.", examples=[120])
    bad_reads: int = Field(0, ge=0, description="As of counters.", examples=[7])
    open_failures: int = Field(0, ge=0, description="As of counters.", examples=[3])
    disconnects: int = Field(0, ge=0, description="As of counters.", examples=[1])


class CountersHistoryView(ApiModel):
    """The counters of one serial number, over its life and since somebody set them to zero."""

    lifetime: CountersView = Field(CountersView(), description="Since it was first seen.", examples=[{}])
    since_reset: CountersView = Field(
        CountersView(), description="Since they were last reset.", examples=[{}]
    )
    reset_at: AwareDatetime | None = Field(
        None, description="When they were last reset.", examples=["2026-11-28T08:15:30Z"]
    )
    hours: tuple[HourlyCountsView, ...] = Field(
        (),
        description="The last day, the oldest hour first, without those in which nothing happened.",
        examples=[[]],
    )


class ClaimHolderView(ApiModel):
    """Who has a device to itself."""

    station: str = Field(description="Name of the station.", examples=["lane-1"])
    since: AwareDatetime = Field(description="Since when.", examples=["2026-11-28T08:15:30Z"])


class DeviceView(ApiModel):
    """Everything that is known of one position."""

    position: str = Field(description="Lane and device.", examples=["lane-1/reader"])
    driver: str = Field(description="Name of the driver.", examples=["mrz-serial"])
    family: Family = Field(description="Kind of device.", examples=["passport_reader"])
    address: str = Field(
        description="Where it is looked for: port, host or bus path; never a secret.",
        examples=["usb:0DB5:0137:A0012345"],
    )
    state: DeviceState = Field(
        description="How it is, why, and what to do.",
        examples=[{"state": "online", "since": "2026-11-28T08:15:30Z", "session": "0f8fad5bd9cb469f"}],
    )
    actual_state: DeviceState | None = Field(
        None,
        description="How it is really, while maintenance or a waiting serial number hides that.",
        examples=[None],
    )
    identity: Identity | None = Field(None, description="Who answered last.", examples=[{"model": "OCR315e"}])
    accepted_serial_number: str | None = Field(
        None,
        description="The serial number that belongs here; another one waits as `awaiting_acceptance`.",
        examples=["SIM0001"],
    )
    last_good_read_at: AwareDatetime | None = Field(
        None, description="When it last read something well.", examples=["2026-11-28T08:15:30Z"]
    )
    claim: ClaimHolderView | None = Field(None, description="Who has claimed it.", examples=[None])
    restarts: int = Field(0, ge=0, description="Its process was replaced this often.", examples=[0])
    pid: int | None = Field(None, description="Its process, while there is one.", examples=[4711])
    suppressed_events: int = Field(
        0,
        ge=0,
        description="Events kept back in maintenance or while awaiting acceptance: no officer has seen them.",
        examples=[0],
    )
    maintenance_until: AwareDatetime | None = Field(
        None, description="When maintenance ends by itself.", examples=[None]
    )
    counters: CountersHistoryView = Field(CountersHistoryView(), description="Its counters.", examples=[{}])
    commands: tuple[str, ...] = Field((), description="Verbs that it obeys.", examples=[["capture"]])
    check_levels: tuple[str, ...] = Field(
        (), description="Levels of check that it knows.", examples=[["internal"]]
    )


class PostView(ApiModel):
    """The whole post at a moment."""

    site: str = Field(description="The site.", examples=["ke-busia"])
    gateway: str = Field(description="The gateway's name.", examples=["gw-1"])
    session: str = Field(description="This run of the gateway.", examples=["0f8fad5bd9cb469f"])
    at: AwareDatetime = Field(description="When this was so.", examples=["2026-11-28T08:15:30Z"])
    config: str = Field(description="The file that describes the post.", examples=["/etc/borderpost/gw.toml"])
    report: GatewayReport = Field(
        description="What the gateway tells of itself.",
        examples=[
            {
                "version": "0.1.0",
                "profile": "training",
                "bootid": "7d0c9c1b6a3f4a1e8f0b2c3d4e5f6071",
                "clock": "synced",
                "epoch": "5f0c2a6e9b7d4c33",
                "since": "2026-11-28T08:15:30Z",
            }
        ],
    )
    devices: tuple[DeviceView, ...] = Field(description="In the order of the file.", examples=[[]])


class EventView(ApiModel):
    """An event without anything personal: what its model's allow-list shows, of all else type and size."""

    position: str = Field(description="Where it was said.", examples=["lane-1/reader"])
    type: str = Field(description="Event type.", examples=["document.read"])
    at: AwareDatetime = Field(description="When, by the wall clock.", examples=["2026-11-28T08:15:30Z"])
    provenance: Provenance = Field(description="What kind of device said it.", examples=["live"])
    latency_ms: float | None = Field(
        None, description="From its last byte to the broker's acknowledgement, if known.", examples=[2.4]
    )
    data: dict[str, Any] = Field(description="Redacted content.", examples=[{"lines": "<tuple len=2>"}])


class TraceItem(ApiModel):
    """Something that crossed a device's wire."""

    at_s: float = Field(ge=0, description="Seconds since the trace began.", examples=[1.25])
    direction: Direction = Field(description="`in`: from the device.", examples=["in"])
    size: int = Field(ge=0, description="Length in bytes.", examples=[90])
    hex: str | None = Field(
        None, description="The bytes, in hexadecimal; only where they were asked for.", examples=["1c 02 50"]
    )
    dropped: int = Field(
        0, ge=0, description="How many before it were lost: too much came to be shown.", examples=[0]
    )
    summary: str = Field("", description="What it means, without anything personal.", examples=["MRZ frame"])
    transfer: dict[str, Any] | None = Field(
        None, description="What only a USB transfer has: endpoint, stage, status, setup.", examples=[None]
    )


class Finding(ApiModel):
    """Something that is not as it should be, and the remedy."""

    code: str = Field(description="What, as a code.", examples=["port_held"])
    severity: Literal["ok", "notice", "warning", "error"] = Field(
        description="`ok` says that this was looked at and is well.", examples=["error"]
    )
    subject: str = Field(description="A position, or a part of the post.", examples=["lane-1/reader"])
    text: str = Field(description="What was found, in a plain sentence.", examples=["ModemManager holds it."])
    action: Action = Field(Action.NONE, description="What a person should do.", examples=["restart"])
    how: str = Field("", description="How to do it.", examples=["sudo systemctl mask --now ModemManager"])


class LiveUpdate(ApiModel):
    """One piece of news, as it is pushed to whoever looks."""

    kind: Literal["device", "event", "post"] = Field(
        description="Which of the following is there; `post`: something of the gateway itself changed.",
        examples=["device"],
    )
    device: DeviceView | None = Field(None, description="How a device is now.", examples=[None])
    event: EventView | None = Field(None, description="What a device has said.", examples=[None])


class ClaimView(ApiModel):
    """One device that a station has to itself."""

    position: str = Field(description="Lane and device.", examples=["lane-1/reader"])
    station: str = Field(description="Name of the station.", examples=["lane-1"])
    since: AwareDatetime = Field(description="Since when.", examples=["2026-11-28T08:15:30Z"])


class StreamView(ApiModel):
    """What one stream has in the outbox, without what it says."""

    stream: str = Field(description="Position and delivery class.", examples=["lane-1/reader/traveller"])
    epoch: str = Field(description="Name of the outbox that numbered it.", examples=["5f0c2a6e9b7d4c33"])
    events: int = Field(ge=0, description="Events that wait.", examples=[3])
    size_bytes: int = Field(ge=0, description="Their size, in bytes.", examples=[2700])
    last: int = Field(ge=0, description="The number given last.", examples=[42])


class OutboxView(ApiModel):
    """What waits for delivery, and for whom."""

    destinations: tuple[DestinationReport, ...] = Field(
        description="How delivery goes, a destination each.", examples=[[]]
    )
    streams: tuple[StreamView, ...] = Field(description="What waits, a stream each.", examples=[[]])


class AuditEntry(ApiModel):
    """One record: a command decided or ended, a claim changed, something that a technician did."""

    at: AwareDatetime = Field(
        description="When, by the post's wall clock.", examples=["2026-11-28T08:15:30Z"]
    )
    position: str = Field(description="At which device, or the gateway itself.", examples=["lane-1/barrier"])
    type: str = Field(description="Event type.", examples=["command.decided"])
    data: dict[str, Any] = Field(
        description="What it says; see that event's schema.",
        examples=[{"station": "lane-1", "verb": "open", "decision": "accepted"}],
    )
