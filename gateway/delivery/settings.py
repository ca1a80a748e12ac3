"""Settings of delivery. Defaults apply to a post that sets nothing."""

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
    """TLS: authorities of the broker, and certificate of the gateway."""

    ca: Path | None = Field(None, description="PEM file of trusted authorities; none: the system's.")
    cert: Path | None = Field(None, description="PEM file of our certificate.")
    key: Path | None = Field(None, description="PEM file of its private key.")
    minimum: Literal["1.2", "1.3"] = Field("1.3", description="Oldest TLS version to speak.")


class BrokerSettings(_Settings):
    """One MQTT 5 broker."""

    host: str = Field("127.0.0.1", description="Name or address.")
    port: int = Field(1883, ge=1, le=65535, description="TCP port.")
    username: str | None = Field(None, description="User name, if the broker requires one.")
    password: SecretStr | None = Field(None, description="Password, if the broker requires one.")
    tls: TlsSettings | None = Field(None, description="TLS; none: plain TCP.")
    keepalive_s: int = Field(15, ge=2, le=3600, description="MQTT keep alive, in seconds.")
    connect_timeout_s: float = Field(
        4.0, gt=0, le=60, description="Time limit of TCP and TLS, and again of CONNACK, in seconds."
    )


class DestinationSettings(_Settings):
    """One broker and the events it receives."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$", description="Name in reports: `local`, `hq`.")
    broker: BrokerSettings = Field(default_factory=BrokerSettings, description="Address and credentials.")
    classes: frozenset[DataClass] = Field(description="Delivery classes of the events it receives.")
    publishes_states: bool = Field(True, description="True: states and descriptions are published there.")
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
        False, description="True: commands are ignored until the broker has proved its access control list."
    )
    in_flight: int = Field(
        20,
        ge=1,
        le=1000,
        description="Messages sent and not yet acknowledged, at most; the broker may lower it.",
    )
    in_flight_bytes: int = Field(
        8 * MIB, ge=64 * 1024, description="Upper bound on bytes in flight; one message is always allowed."
    )
    buffer_bytes: int = Field(
        8 * MIB, ge=64 * 1024, description="Upper bound on bytes of events in memory that wait to be sent."
    )
    backlog_rate_per_s: float = Field(
        2000.0, gt=0, description="Events per second sent from a backlog, so that live ones overtake it."
    )
    retry_first_s: float = Field(
        0.5, gt=0, description="Upper bound on the wait before the first new attempt, in seconds."
    )
    retry_max_s: float = Field(
        30.0, gt=0, description="Upper bound on the wait before any new attempt, in seconds."
    )
    halt_retry_s: float = Field(
        30.0, gt=0, description="Wait before another attempt where the gateway is not authorised, in seconds."
    )

    @classmethod
    def local(cls, broker: BrokerSettings, **changes: object) -> "DestinationSettings":
        """Make the settings of the post's own broker: all classes, reconnected within two seconds.

        After a restart of the broker the gateway may be back before the workstations. An event waits for a
        subscriber for half a minute.
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
        """Make the settings of headquarters: records only by default, and a subscriber is required."""
        given: dict[str, object] = {
            "name": "hq",
            "broker": broker,
            "classes": {DataClass.RECORD},
            "no_subscriber_timeout_s": math.inf,
        }
        return cls.model_validate(given | changes)


class ClassSettings(_Settings):
    """Lifetime and bounds of one delivery class."""

    expires_s: float = Field(gt=0, description="Lifetime of an event, in seconds.")
    max_events: int = Field(ge=1, description="Upper bound on stored events.")
    max_bytes: int = Field(ge=4096, description="Upper bound on stored bytes, images included.")


class KeySettings(_Settings):
    """Source of the master key: 32 bytes, raw or in base64. The first one that is set counts."""

    credential: str | None = Field(None, description="Name of a systemd credential.")
    file: Path | None = Field(None, description="A file that only its owner can read.")
    variable: str | None = Field(None, description="Name of an environment variable with the key in base64.")


class OutboxSettings(_Settings):
    """The outbox on disk."""

    directory: Path = Field(
        description="Directory of the outbox; made if missing, readable by the gateway's user only."
    )
    traveller: ClassSettings = Field(
        ClassSettings(expires_s=60, max_events=20_000, max_bytes=256 * MIB),
        description="Events with data of persons.",
    )
    record: ClassSettings = Field(
        ClassSettings(expires_s=30 * DAY_S, max_events=1_000_000, max_bytes=1024 * MIB),
        description="Events that must be accounted for.",
    )
    max_bytes: int = Field(
        1024 * MIB, ge=MIB, description="Upper bound on stored bytes, all classes together."
    )
    max_blob_bytes: int = Field(
        8 * MIB, ge=1024, description="Upper bound on the size of an image, in bytes."
    )
    max_blobs_bytes: int = Field(
        32 * MIB, ge=1024, description="Upper bound on the images of one event, in bytes."
    )
    blob_row_bytes: int = Field(
        64 * 1024,
        ge=0,
        description="Size above which an image is stored as a file beside the database, in bytes.",
    )
    memory_bytes: int = Field(
        16 * MIB, ge=64 * 1024, description="Upper bound on events in memory during disk trouble, in bytes."
    )
    queue_bytes: int = Field(
        64 * MIB,
        ge=64 * 1024,
        description="Upper bound on events in memory that wait for the disk, in bytes.",
    )
    max_parked: int = Field(1000, ge=1, description="Upper bound on parked events.")
    group_events: int = Field(128, ge=1, le=1024, description="Upper bound on events in one commit.")
    retry_s: float = Field(
        1.0, gt=0, description="Interval between attempts to write during disk trouble, in seconds."
    )
    key: KeySettings = Field(default_factory=KeySettings, description="Master key of the outbox.")
    previous_key: KeySettings | None = Field(
        None, description="Master key before a rotation: data keys that it wrapped are wrapped anew at start."
    )


class DeliverySettings(_Settings):
    """All settings of delivery."""

    outbox: OutboxSettings = Field(description="The outbox on disk.")
    destinations: tuple[DestinationSettings, ...] = Field(description="Brokers that receive events.")
    will_delay_s: int = Field(
        5,
        ge=0,
        description="Time after a lost connection at which the broker publishes the will, in seconds.",
    )
