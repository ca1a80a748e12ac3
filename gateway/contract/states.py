"""Retained messages: states and descriptions of devices, state of the gateway."""

from dataclasses import dataclass
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from drivers.driver import Family, Identity, StateCode
from drivers.links.link import Action, Cause
from drivers.observation import DataClass, OpenEnum
from gateway.contract.commands import CommandDescription
from gateway.contract.envelope import ClockStatus, Provenance

CONNECTION_PROPERTY = "connection"
"""User property of a gateway's birth and last will: random name of the connection that they belong to.

Each connection has a client identifier of its own, so the will of a lost one may come after the next birth.
"""


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


USABLE_STATES = frozenset({StateCode.ONLINE, StateCode.BUSY, StateCode.DEGRADED})
"""States in which a device executes commands. A stop is executed in others, too."""


class DeviceState(_Message):
    """State of one device. Every state but `online` has a cause and a remedy."""

    state: StateCode = Field(description="State code.", examples=["offline"])
    usable: bool = Field(
        description="True if the device executes commands now, also while it is degraded.",
        examples=[False],
    )
    since: AwareDatetime = Field(
        description="Start of this state, by the post's wall clock, UTC.",
        examples=["2026-11-23T08:15:30.123456Z"],
    )
    cause: Cause | None = Field(
        default=None, description="Cause, as a code; null when online.", examples=["port_held"]
    )
    text: str = Field(
        default="",
        description="Cause in a plain sentence.",
        examples=["ModemManager (pid 712) holds the port."],
    )
    action: Action = Field(
        default=Action.NONE, description="Kind of action that a person should take.", examples=["restart"]
    )
    how: str = Field(
        default="", description="Remedy: how to do it.", examples=["sudo systemctl mask --now ModemManager"]
    )
    provenance: Provenance | None = Field(
        default=None,
        description="Kind of device on the link, real or not, once one responded.",
        examples=["live"],
    )
    session: str = Field(
        description="Gateway session that published it; a state of an older session is outdated.",
        examples=["0f8fad5bd9cb469f"],
    )

    @model_validator(mode="before")
    @classmethod
    def _derive_usable(cls, fields: Any) -> Any:
        """Derive `usable` from the state where it is not given."""
        if isinstance(fields, dict) and "usable" not in fields and "state" in fields:
            return fields | {"usable": fields["state"] in USABLE_STATES}
        return fields


class EventDescription(_Message):
    """One type of event that a device can publish."""

    type: str = Field(
        description="Event type; with hyphens for dots, the last level of its topic.",
        examples=["document.read"],
    )
    dataschema: str = Field(
        description="Id of the JSON Schema of its data.", examples=["urn:bgw:schema:document.read:v1"]
    )
    data_class: DataClass = Field(description="Delivery class.", examples=["traveller"])


class DeviceDescription(_Message):
    """Description of the device at a position: its driver, identity, events and commands."""

    driver: str = Field(description="Name of the driver.", examples=["mrz-serial"])
    family: Family = Field(description="Kind of device.", examples=["passport_reader"])
    identity: Identity | None = Field(
        default=None,
        description="Device that responded last; null when none did yet.",
        examples=[{"model": "OCR315e", "serial_number": "SIM0001"}],
    )
    events: tuple[EventDescription, ...] = Field(
        description="Types of event that it can publish.",
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
        default=(),
        description="Commands that it accepts.",
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
    session: str = Field(description="Gateway session that published it.", examples=["0f8fad5bd9cb469f"])


class GatewayProblem(_Message):
    """Problem of the gateway itself that needs a person."""

    cause: str = Field(description="Cause, as a code.", examples=["disk_full"])
    text: str = Field(
        description="Cause in a plain sentence.",
        examples=["The disk of /var/lib/borderpost is full; events are kept in memory."],
    )
    action: Action = Field(description="Kind of action that a person should take.", examples=["call_support"])
    how: str = Field(default="", description="Remedy: how to do it.", examples=["Free space on /var."])
    since: AwareDatetime = Field(
        description="Start of the problem, UTC.", examples=["2026-11-23T08:15:30.123456Z"]
    )


class DestinationReport(_Message):
    """Delivery to one destination."""

    name: str = Field(description="`local`, or `hq`.", examples=["local"])
    connected: bool = Field(description="True if there is a connection.", examples=[True])
    queued: int = Field(
        ge=0, description="Events that the destination has not acknowledged yet, in events.", examples=[0]
    )
    expired: int = Field(ge=0, description="Events that expired before delivery, since start.", examples=[0])
    parked: int = Field(
        ge=0, description="Events set aside because the destination cannot accept them.", examples=[0]
    )
    halted_reason: str | None = Field(
        default=None,
        description="Reason why nothing is sent over an existing connection, or null.",
        examples=["not_authorised"],
    )


class Confinement(OpenEnum):
    """Limits of driver workers, by the kernel of this machine."""

    FULL = "full"
    """A worker reaches its own device, and nothing else."""
    PARTIAL = "partial"
    """Files and other devices are closed to a worker; ports, signals or system calls are not."""
    NONE = "none"
    """Files, keys and other devices are open to a driver that was taken over."""
    UNKNOWN = "unknown"


class KeyStorage(OpenEnum):
    """Place of the key that encrypts the queued events."""

    TPM = "tpm"
    """Sealed by this machine's TPM 2: it cannot be read from a stolen disk."""
    MACHINE = "machine"
    """Sealed by a secret that is on the same disk, because the machine has no TPM 2."""
    DISK = "disk"
    """Not sealed, on the same disk."""
    OPERATOR = "operator"
    """Given by the operator of the post; the gateway cannot tell how it is kept."""
    UNKNOWN = "unknown"


class GatewayReport(_Message):
    """Report of a running gateway about itself."""

    version: str = Field(description="Version of the gateway.", examples=["0.1.0"])
    profile: str = Field(description="production, test or training.", examples=["production"])
    bootid: str = Field(
        description="Id of the machine's current boot.", examples=["7d0c9c1b6a3f4a1e8f0b2c3d4e5f6071"]
    )
    clock: ClockStatus = Field(description="Trustworthiness of its wall clock.", examples=["synced"])
    epoch: str = Field(description="Id of the outbox in use.", examples=["5f0c2a6e9b7d4c33"])
    since: AwareDatetime = Field(
        description="Start of this session, UTC.", examples=["2026-11-23T08:15:30.123456Z"]
    )
    confinement: Confinement = Field(
        default=Confinement.NONE, description="Limits of driver workers by the kernel.", examples=["full"]
    )
    outbox_key: KeyStorage = Field(
        default=KeyStorage.UNKNOWN,
        description="Place of the key that encrypts the queued events.",
        examples=["tpm"],
    )
    events_dropped: int = Field(
        default=0, ge=0, description="Events dropped because the outbox was full, since start.", examples=[0]
    )
    images_dropped: int = Field(
        default=0, ge=0, description="Images rejected for their size, or dropped, since start.", examples=[0]
    )
    destinations: tuple[DestinationReport, ...] = Field(
        default=(), description="Delivery to each destination.", examples=[[]]
    )
    problems: tuple[GatewayProblem, ...] = Field(
        default=(), description="Problems that need a person.", examples=[[]]
    )


class GatewayState(_Message):
    """Birth or death of a gateway. Both carry the session: a death of another session is ignored."""

    online: bool = Field(description="False in the last will and at an orderly stop.", examples=[True])
    session: str = Field(description="Random id of one run of the gateway.", examples=["0f8fad5bd9cb469f"])
    report: GatewayReport | None = Field(
        default=None, description="Details while online; null in the last will.", examples=[None]
    )


class FreshToken(_Message):
    """Random token of a gateway, and the numbers of its newest retained messages; every two seconds.

    A signed command names the newest token, so that an old command is refused. `numbers` shows a reader
    whether the retained messages that it has are the newest.
    """

    session: str = Field(description="Gateway session.", examples=["0f8fad5bd9cb469f"])
    token: str = Field(description="Random token, valid for six seconds.", examples=["w8s9vWm0T1uJ2xk4"])
    number: int = Field(ge=1, description="Number of this message in its session.", examples=[417])
    numbers: dict[str, int] = Field(
        default={},
        description="Number of the newest retained message by topic, without root and site; only where the "
        "gateway signs. A topic that is not named has no message.",
        examples=[{"lane-1/barrier/state": 12, "lane-1/barrier/now/barrier-state": 88}],
    )


@dataclass(frozen=True, slots=True)
class Revision:
    """Verified revision of a retained message, such as a state."""

    session: str
    number: int
    key: str
    """Id of the gateway's key."""
