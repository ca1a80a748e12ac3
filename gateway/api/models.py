"""Models of the management API. None contains personal data."""

from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from drivers.driver import Family, Identity
from drivers.links.link import Action, Direction
from gateway.contract.envelope import Provenance
from gateway.contract.states import DestinationReport, DeviceState, GatewayReport


class ApiModel(BaseModel):
    """Base of all models."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class CountersView(ApiModel):
    """Counters of a device. They belong to its serial number, and move with it to another position."""

    online_s: float = Field(0, ge=0, description="Time online, in seconds.", examples=[36000.0])
    good_reads: int = Field(0, ge=0, description="Good reads: events published.", examples=[1200])
    bad_reads: int = Field(0, ge=0, description="Bad frames and failed reads.", examples=[7])
    open_failures: int = Field(0, ge=0, description="Failed attempts to open the device.", examples=[3])
    disconnects: int = Field(
        0, ge=0, description="Number of times that the open device was lost.", examples=[1]
    )
    chip_reads: int = Field(0, ge=0, description="Chips that were opened.", examples=[900])
    chip_attempts: int = Field(
        0,
        ge=0,
        description="Number of times that a chip was opened: once more for each time that one was lost while "
        "its document lay there.",
        examples=[963],
    )
    chip_s: float = Field(0, ge=0, description="Time of all chip reads, in seconds.", examples=[2790.5])


class HourlyCountsView(ApiModel):
    """Counts of a device in one hour."""

    at: AwareDatetime = Field(description="Start of the hour.", examples=["2026-11-28T08:00:00Z"])
    good_reads: int = Field(0, ge=0, description="As in the counters.", examples=[120])
    bad_reads: int = Field(0, ge=0, description="As in the counters.", examples=[7])
    open_failures: int = Field(0, ge=0, description="As in the counters.", examples=[3])
    disconnects: int = Field(0, ge=0, description="As in the counters.", examples=[1])


class CountersHistoryView(ApiModel):
    """Counters of one serial number: over its life, since the last reset, and by hour."""

    lifetime: CountersView = Field(CountersView(), description="Since it was first seen.", examples=[{}])
    since_reset: CountersView = Field(
        CountersView(), description="Since they were last reset.", examples=[{}]
    )
    reset_at: AwareDatetime | None = Field(
        None, description="Time of the last reset.", examples=["2026-11-28T08:15:30Z"]
    )
    hours: tuple[HourlyCountsView, ...] = Field(
        (),
        description="Hours of the last day, oldest first, without those in which nothing happened.",
        examples=[[]],
    )


class ClaimHolderView(ApiModel):
    """Station that has claimed a device."""

    station: str = Field(description="Name of the station.", examples=["lane-1"])
    since: AwareDatetime = Field(description="Since when.", examples=["2026-11-28T08:15:30Z"])


class DeviceTestView(ApiModel):
    """Last test of one kind at a position."""

    kind: Literal["commissioning", "proof_test", "power_on"] = Field(
        description="Kind of test.", examples=["proof_test"]
    )
    at: AwareDatetime = Field(description="Time of the test.", examples=["2026-11-28T08:15:30Z"])
    user: str = Field(description="User who recorded it.", examples=["amina"])
    configuration: str = Field(
        description="Fingerprint of the tested configuration.", examples=["b0631ee31a237a4d"]
    )
    passed: bool = Field(description="Every step passed.", examples=[True])


class DeviceView(ApiModel):
    """State of one position."""

    position: str = Field(description="Lane and device.", examples=["lane-1/reader"])
    driver: str = Field(description="Name of the driver.", examples=["mrz-serial"])
    family: Family = Field(description="Kind of device.", examples=["passport_reader"])
    address: str = Field(
        description="Address of the device: port, host or bus path; never a secret.",
        examples=["usb:0DB5:0137:A0012345"],
    )
    state: DeviceState = Field(
        description="State, cause and remedy.",
        examples=[{"state": "online", "since": "2026-11-28T08:15:30Z", "session": "0f8fad5bd9cb469f"}],
    )
    actual_state: DeviceState | None = Field(
        None,
        description="Actual state, if maintenance or a serial number that awaits acceptance hides it.",
        examples=[None],
    )
    identity: Identity | None = Field(
        None, description="Identity of the last device.", examples=[{"model": "OCR315e"}]
    )
    accepted_serial_number: str | None = Field(
        None,
        description="Accepted serial number; another one is `awaiting_acceptance`.",
        examples=["SIM0001"],
    )
    last_good_read_at: AwareDatetime | None = Field(
        None, description="Time of the last good read.", examples=["2026-11-28T08:15:30Z"]
    )
    claim: ClaimHolderView | None = Field(
        None, description="Station that has claimed the device.", examples=[None]
    )
    restarts: int = Field(0, ge=0, description="Number of restarts of its worker process.", examples=[0])
    pid: int | None = Field(None, description="Process id of its worker, if it runs.", examples=[4711])
    cpu_s: float = Field(
        0.0,
        ge=0,
        description="CPU time of its workers since the gateway was started, in seconds.",
        examples=[3.2],
    )
    suppressed_events: int = Field(
        0,
        ge=0,
        description="Events suppressed in maintenance or while awaiting acceptance; officers never get them.",
        examples=[0],
    )
    maintenance_until: AwareDatetime | None = Field(
        None, description="Time at which maintenance ends by itself.", examples=[None]
    )
    counters: CountersHistoryView = Field(CountersHistoryView(), description="Its counters.", examples=[{}])
    configuration: str = Field(
        "",
        description="Fingerprint of the device's present configuration; a test holds for one of them.",
        examples=["b0631ee31a237a4d"],
    )
    tests: tuple[DeviceTestView, ...] = Field(
        (), description="Last test of each kind, of devices that move.", examples=[[]]
    )
    commands: tuple[str, ...] = Field((), description="Verbs of its commands.", examples=[["capture"]])
    check_levels: tuple[str, ...] = Field(
        (), description="Levels of its self-tests.", examples=[["internal"]]
    )


class PostView(ApiModel):
    """State of the whole post at a moment."""

    site: str = Field(description="The site.", examples=["ke-busia"])
    gateway: str = Field(description="The gateway's name.", examples=["gw-1"])
    session: str = Field(description="This run of the gateway.", examples=["0f8fad5bd9cb469f"])
    at: AwareDatetime = Field(description="Time of this state.", examples=["2026-11-28T08:15:30Z"])
    config: str = Field(description="Path of the configuration.", examples=["/etc/borderpost/gw.toml"])
    report: GatewayReport = Field(
        description="Report of the gateway's own state.",
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
    devices: tuple[DeviceView, ...] = Field(
        description="Devices, in the order of the configuration.", examples=[[]]
    )


class EventView(ApiModel):
    """Redacted event: fields on its model's allow-list, and type and size of all others."""

    position: str = Field(description="Position of the device.", examples=["lane-1/reader"])
    type: str = Field(description="Event type.", examples=["document.read"])
    at: AwareDatetime = Field(
        description="Time of the event by the wall clock.", examples=["2026-11-28T08:15:30Z"]
    )
    provenance: Provenance = Field(
        description="Kind of device: live, simulated or replayed.", examples=["live"]
    )
    latency_ms: float | None = Field(
        None,
        description="Time from the device's last byte to the broker's acknowledgement, if known.",
        examples=[2.4],
    )
    data: dict[str, Any] = Field(description="Redacted content.", examples=[{"lines": "<tuple len=2>"}])


class TraceItem(ApiModel):
    """Chunk of bytes on a device's link."""

    at_s: float = Field(ge=0, description="Seconds since the trace began.", examples=[1.25])
    direction: Direction = Field(description="`in`: from the device.", examples=["in"])
    size: int = Field(ge=0, description="Length in bytes.", examples=[90])
    hex: str | None = Field(
        None, description="The bytes, in hexadecimal; only where they were asked for.", examples=["1c 02 50"]
    )
    dropped: int = Field(
        0, ge=0, description="Number of items dropped before this one, because too many came.", examples=[0]
    )
    summary: str = Field(
        "", description="Meaning of the chunk, without personal data.", examples=["MRZ frame"]
    )
    transfer: dict[str, Any] | None = Field(
        None, description="Fields of a USB transfer: endpoint, stage, status, setup.", examples=[None]
    )


class Finding(ApiModel):
    """Result of a check: a problem and its remedy, or `ok`."""

    code: str = Field(description="Code of the finding.", examples=["port_held"])
    severity: Literal["ok", "notice", "warning", "error"] = Field(
        description="`ok`: this was checked and is in order.", examples=["error"]
    )
    subject: str = Field(description="Position, or part of the post.", examples=["lane-1/reader"])
    text: str = Field(description="Finding as a sentence.", examples=["ModemManager holds it."])
    action: Action = Field(Action.NONE, description="Action that a person should take.", examples=["restart"])
    how: str = Field(
        "", description="Remedy: how to do it.", examples=["sudo systemctl mask --now ModemManager"]
    )


class LiveUpdate(ApiModel):
    """One update, as pushed to subscribers."""

    kind: Literal["device", "event", "post"] = Field(
        description="Type of the update; `post`: the state of the gateway itself changed.",
        examples=["device"],
    )
    device: DeviceView | None = Field(None, description="New state of a device.", examples=[None])
    event: EventView | None = Field(None, description="New event of a device.", examples=[None])


class ClaimView(ApiModel):
    """Claim of one device."""

    position: str = Field(description="Lane and device.", examples=["lane-1/reader"])
    station: str = Field(description="Name of the station.", examples=["lane-1"])
    since: AwareDatetime = Field(description="Since when.", examples=["2026-11-28T08:15:30Z"])


class StreamView(ApiModel):
    """One stream of the outbox, without payloads."""

    stream: str = Field(description="Position and delivery class.", examples=["lane-1/reader/traveller"])
    epoch: str = Field(description="Epoch of the outbox that numbered it.", examples=["5f0c2a6e9b7d4c33"])
    events: int = Field(ge=0, description="Queued events.", examples=[3])
    size_bytes: int = Field(ge=0, description="Their size, in bytes.", examples=[2700])
    last: int = Field(ge=0, description="Last sequence number.", examples=[42])


class OutboxView(ApiModel):
    """Queued events, by stream and destination."""

    destinations: tuple[DestinationReport, ...] = Field(
        description="State of delivery, by destination.", examples=[[]]
    )
    streams: tuple[StreamView, ...] = Field(description="Queued events, by stream.", examples=[[]])


class AuditEntry(ApiModel):
    """One audit record: a command, a claim, or a technician's operation."""

    at: AwareDatetime = Field(description="Time by the post's wall clock.", examples=["2026-11-28T08:15:30Z"])
    position: str = Field(
        description="Position of the device, or of the gateway itself.", examples=["lane-1/barrier"]
    )
    type: str = Field(description="Event type.", examples=["command.decided"])
    data: dict[str, Any] = Field(
        description="Content; see that event's schema.",
        examples=[{"station": "lane-1", "verb": "open", "decision": "accepted"}],
    )
