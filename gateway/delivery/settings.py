"""What a post may set about delivery. Defaults are those of a post that sets nothing."""

import math
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from drivers.observation import DataClass

DAY_S = 86_400.0
MIB = 1024 * 1024


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class TlsSettings(_Settings):
    """How a broker proves itself to us, and we to it."""

    ca: Path | None = Field(None, description="PEM file of trusted authorities; none: the system's.")
    cert: Path | None = Field(None, description="PEM file of our certificate.")
    key: Path | None = Field(None, description="PEM file of its private key.")
    minimum: Literal["1.2", "1.3"] = Field("1.3", description="Oldest TLS version to speak.")


class BrokerSettings(_Settings):
    """One MQTT 5 broker."""

    host: str = Field("127.0.0.1", description="Name or address.")
    port: int = Field(1883, ge=1, le=65535, description="TCP port.")
    username: str | None = Field(None, description="User name, if the broker asks for one.")
    password: SecretStr | None = Field(None, description="Password, if the broker asks for one.")
    tls: TlsSettings | None = Field(None, description="TLS; none: plain TCP.")
    keepalive_s: int = Field(15, ge=2, le=3600, description="MQTT keep alive, in seconds.")
    connect_timeout_s: float = Field(
        4.0, gt=0, le=60, description="For TCP and TLS, and again for CONNACK, in seconds."
    )
    client_id: str | None = Field(None, description="MQTT client identifier; none: made of site and gateway.")


class DestinationSettings(_Settings):
    """One broker that events must reach, and what it is given."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$", description="Name in reports: `local`, `hq`.")
    broker: BrokerSettings = Field(default_factory=BrokerSettings, description="Where it is.")
    classes: frozenset[DataClass] = Field(description="Delivery classes of the events it is given.")
    publishes_states: bool = Field(True, description="Whether it is given states and descriptions.")
    no_subscriber_timeout_s: float = Field(
        0,
        ge=0,
        allow_inf_nan=True,
        description=(
            "Age up to which an event that reached no subscriber (0x10) counts as not delivered and is "
            "tried again, in seconds."
        ),
    )
    requires_acl: bool = Field(
        False, description="Whether nothing is heard there before the broker has proved its access list."
    )
    in_flight: int = Field(
        20,
        ge=1,
        le=1000,
        description="Messages sent and not yet acknowledged, at most; the broker may lower it.",
    )
    in_flight_bytes: int = Field(8 * MIB, ge=64 * 1024, description="The same, in bytes; one always fits.")
    buffer_bytes: int = Field(
        8 * MIB, ge=64 * 1024, description="Memory for events that wait for the window, in bytes."
    )
    backlog_rate_per_s: float = Field(
        2000.0, gt=0, description="Events per second sent from a backlog, so that live ones overtake it."
    )
    retry_first_s: float = Field(
        0.5, gt=0, description="Longest wait before the first new attempt, in seconds."
    )
    retry_max_s: float = Field(30.0, gt=0, description="Longest wait before any new attempt, in seconds.")
    halt_retry_s: float = Field(
        30.0, gt=0, description="Wait before trying again where we are not authorised, in seconds."
    )

    @classmethod
    def local(cls, broker: BrokerSettings, **changes: object) -> "DestinationSettings":
        """Make the post's own broker: everything goes there, and it is found again within two seconds.

        After a broker's restart the gateway may be back before the workstations are: for half a minute an
        event waits for them.
        """
        given: dict[str, object] = {
            "name": "local",
            "broker": broker,
            "classes": {DataClass.TRAVELLER, DataClass.RECORD},
            "retry_max_s": 2.0,
            "no_subscriber_timeout_s": 30.0,
        }
        return cls.model_validate(given | changes)

    @classmethod
    def hq(cls, broker: BrokerSettings, **changes: object) -> "DestinationSettings":
        """Make headquarters: records only, unless the post says otherwise, and somebody must be listening."""
        given: dict[str, object] = {
            "name": "hq",
            "broker": broker,
            "classes": {DataClass.RECORD},
            "no_subscriber_timeout_s": math.inf,
        }
        return cls.model_validate(given | changes)


class ClassSettings(_Settings):
    """How long and how much of one delivery class is kept."""

    expires_s: float = Field(gt=0, description="Life of an event, in seconds.")
    max_events: int = Field(ge=1, description="Events kept at most.")
    max_bytes: int = Field(ge=4096, description="Bytes kept at most, images included.")


class KeySettings(_Settings):
    """Where the vault's master key comes from: 32 bytes, raw or in base64. The first one set counts."""

    credential: str | None = Field(None, description="Name of a systemd credential.")
    file: Path | None = Field(None, description="A file that only its owner can read.")
    variable: str | None = Field(None, description="Name of an environment variable that holds it in base64.")


class OutboxSettings(_Settings):
    """The outbox on disk."""

    directory: Path = Field(description="Directory of the outbox; made if absent, readable by us alone.")
    traveller: ClassSettings = Field(
        ClassSettings(expires_s=60, max_events=20_000, max_bytes=256 * MIB),
        description="Events about persons.",
    )
    record: ClassSettings = Field(
        ClassSettings(expires_s=30 * DAY_S, max_events=1_000_000, max_bytes=1024 * MIB),
        description="Events that must be accounted for.",
    )
    max_bytes: int = Field(1024 * MIB, ge=MIB, description="Bytes kept at most, all classes together.")
    max_blob_bytes: int = Field(8 * MIB, ge=1024, description="Largest image taken, in bytes.")
    max_blobs_bytes: int = Field(
        32 * MIB, ge=1024, description="Largest set of images of one event, in bytes."
    )
    blob_row_bytes: int = Field(
        64 * 1024, ge=0, description="Images above this are kept as files beside the database, in bytes."
    )
    memory_bytes: int = Field(
        16 * MIB, ge=64 * 1024, description="Memory for events while the disk is in trouble, in bytes."
    )
    queue_bytes: int = Field(
        64 * MIB, ge=64 * 1024, description="Memory for events that wait for the disk, in bytes."
    )
    max_parked: int = Field(1000, ge=1, description="Events kept that a destination cannot take.")
    group_events: int = Field(128, ge=1, le=1024, description="Events in one commit, at most.")
    retry_s: float = Field(
        1.0, gt=0, description="Between attempts to write to a disk in trouble, in seconds."
    )
    key: KeySettings = Field(default_factory=KeySettings, description="The vault's master key.")
    previous_key: KeySettings | None = Field(
        None, description="The key before a rotation: what it wrapped is wrapped anew at start."
    )


class DeliverySettings(_Settings):
    """All of delivery."""

    outbox: OutboxSettings = Field(description="The outbox on disk.")
    destinations: tuple[DestinationSettings, ...] = Field(description="Who is given events.")
    will_delay_s: int = Field(
        5, ge=0, description="Silence after which the broker declares us dead, in seconds."
    )
