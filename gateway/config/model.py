"""The sections of a post's file, as typed, frozen values. What spans several keys is checked in `rules`."""

import ipaddress
import re
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SerializeAsAny, ValidationInfo

from drivers.links.settings import Settings
from gateway.config.roles import NO_ROLES, Roles
from gateway.config.sections import ConfigSection
from gateway.contract.topics import ROOT, TRAINING_ROOT, Position, Slug

Profile = Literal["production", "test", "training"]

CREDENTIAL = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$"
_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?")


def _host(host: str) -> str:
    """Accept a host name or an address alone; what belongs to other keys is sent there."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        if "://" in host:
            raise ValueError("is a URL; write the host's name alone, TLS is a table of its own") from None
        if not _HOST_NAME.fullmatch(host) or len(host) > 253:
            raise ValueError(
                "is neither a host name nor an IP address; write it alone, the port is a key of its own"
            ) from None
    return host


def _file(path: Path, info: ValidationInfo) -> Path:
    """Take a relative path from the folder of the configuration file, wherever the daemon was started."""
    text = str(path)
    if "\0" in text or text.startswith("~"):
        raise ValueError("is no path a service can open; write the whole path, only a shell knows `~`")
    folder: Path = (info.context or {}).get("folder", Path())
    return folder / path


Host = Annotated[str, AfterValidator(_host)]
FilePath = Annotated[Path, AfterValidator(_file)]


UNCONFIGURED_SITE = "xx-unnamed"
"""The site of a post as its package installs it, before anybody has said which post it is."""


class GatewaySection(ConfigSection):
    """Which gateway of which site this is, and how seriously it is meant."""

    site: Slug = Field(
        description="The site: one state's trust domain, second level of every topic.", examples=["ke-busia"]
    )
    name: Slug = Field(description="The gateway's name, unique at its site.", examples=["gw-1"])
    profile: Profile = Field(
        description="How serious it is: production refuses everything simulated, test and training do not.",
        examples=["production"],
    )
    state_dir: FilePath = Field(
        description="Folder for the outbox and what must survive a restart; the daemon makes and checks it.",
        examples=["/var/lib/borderpost"],
    )
    signing_key: FilePath | None = Field(
        None,
        description="The private key that signs events and the audit, PEM; without one nothing is signed.",
        examples=["/etc/borderpost/trust/signing.key"],
    )
    signing_credential: str | None = Field(
        None,
        pattern=CREDENTIAL,
        description="The same as a systemd credential (LoadCredentialEncrypted=), by its name.",
        examples=["signing.key"],
    )

    @property
    def topic_root(self) -> str:
        """What its topics begin with: training stands apart."""
        return TRAINING_ROOT if self.profile == "training" else ROOT

    @property
    def is_named(self) -> bool:
        """Whether anybody has said which post this is; no device starts before."""
        return self.site != UNCONFIGURED_SITE


class TlsSection(ConfigSection):
    """TLS towards a broker: at least version 1.2, its certificate always checked against its name."""

    ca_file: FilePath | None = Field(
        None,
        description="Certificates to trust, PEM; without it those the system trusts.",
        examples=["/etc/borderpost/ca.pem"],
    )
    cert_file: FilePath | None = Field(
        None,
        description="The gateway's own certificate, PEM; the broker takes its name as the user name.",
        examples=["/etc/borderpost/gw-1.pem"],
    )
    key_file: FilePath | None = Field(
        None, description="The private key of that certificate, PEM.", examples=["/etc/borderpost/gw-1.key"]
    )


class DestinationSection(ConfigSection):
    """A broker that events are delivered to."""

    host: Host = Field(description="Host name or IP address.", examples=["127.0.0.1"])
    tls: TlsSection | None = Field(
        None, description="TLS; without this table the connection is in clear.", examples=[{}]
    )
    port: int = Field(
        # 8883 and 1883 are the ports registered with IANA for MQTT with and without TLS.
        default_factory=lambda known: 8883 if known.get("tls") else 1883,
        ge=1,
        le=65535,
        description="TCP port; 1883, or 8883 with TLS, when not given.",
        examples=[1883],
    )
    username: str | None = Field(
        None, min_length=1, max_length=256, description="MQTT user name.", examples=["gw-1"]
    )
    password_file: FilePath | None = Field(
        None,
        description="File that holds the MQTT password and nothing else; a final line end is not part of it.",
        examples=["/etc/borderpost/mqtt-password"],
    )
    keepalive_s: int = Field(
        15,
        ge=5,
        le=3600,
        description="A connection that was silent for this long is tested, in seconds.",
        examples=[15],
    )

    def credential_files(self) -> tuple[Path, ...]:
        """Every file that is read to connect there."""
        named = (self.password_file, *(self.tls.model_dump().values() if self.tls else ()))
        return tuple(file for file in named if file is not None)


class BrokerSection(DestinationSection):
    """The post's own broker, the destination `local`: keeps no files, so HQ is a destination of its own."""

    embedded: bool = Field(
        False,
        description="The broker is the demo's own, on loopback, without access rules; never in production.",
        examples=[False],
    )


class HeadquartersSection(DestinationSection):
    """The broker at headquarters, the destination `hq`."""

    send_traveller: bool = Field(
        False,
        description="Whether data about persons leaves the post for headquarters.",
        examples=[False],
    )


class DeliverySection(ConfigSection):
    """How long and how much is kept until it is delivered, and how fast a backlog leaves."""

    traveller_expires_s: int = Field(
        60,
        ge=1,
        le=86400,
        description="Data about a person is given up when not delivered within this time, in seconds.",
        examples=[60],
    )
    record_expires_days: int = Field(
        30,
        ge=1,
        le=3650,
        description="Records are given up when not delivered within this time, in days.",
        examples=[30],
    )
    max_bytes: int = Field(
        1 << 30,
        ge=1 << 20,
        le=1 << 40,
        description="Size of the outbox on disk at most, in bytes.",
        examples=[1 << 30],
    )
    max_events: int = Field(
        200_000,
        ge=100,
        le=100_000_000,
        description="Events in the outbox at most, in events.",
        examples=[200_000],
    )
    in_flight: int = Field(
        20,
        ge=1,
        le=20,
        description="Messages sent and not yet acknowledged at most, a destination; above 20 order suffers.",
        examples=[20],
    )
    backlog_rate_per_s: int = Field(
        500,
        ge=1,
        le=100_000,
        description="How fast a backlog is sent after an outage at most, in events a second.",
        examples=[500],
    )
    max_image_bytes: int = Field(
        8 << 20,
        ge=1 << 10,
        # The largest packet MQTT can express is 268,435,455 bytes (MQTT 5.0, section 1.5.5); topic and
        # properties need room in it.
        le=(1 << 28) - (1 << 16),
        description="Size of one image at most, in bytes; the broker's own limit must be above it.",
        examples=[8 << 20],
    )


class EncryptionSection(ConfigSection):
    """Where the master key comes from that wraps the keys of data at rest: one of the three, or none.

    With none, the gateway keeps a key of its own beside the data: whoever has the disk has both.
    """

    credential: str | None = Field(
        None,
        pattern=CREDENTIAL,
        description="Name of a systemd credential (LoadCredentialEncrypted=).",
        examples=["outbox.key"],
    )
    key_file: FilePath | None = Field(
        None, description="File that holds the key.", examples=["/etc/borderpost/outbox.key"]
    )
    key_variable: str | None = Field(
        None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="Name of the environment variable that holds the key.",
        examples=["BORDERPOST_ENCRYPTION_KEY"],
    )


class RetentionSection(ConfigSection):
    """How long what is kept at the post besides the outbox stays. Every removal goes into the audit.

    Nothing is removed by its age while the wall clock cannot be trusted.
    """

    audit_days: int = Field(
        365,
        ge=7,
        le=3650,
        description="The audit is kept for so long, in days, to within a twelfth of it.",
        examples=[365],
    )
    audit_max_mib: int = Field(
        64, ge=2, le=4096, description="Size of the audit at most, in MiB; what is older goes.", examples=[64]
    )
    diagnostics_days: int = Field(
        14,
        ge=1,
        le=365,
        description="Outboxes that were set aside, and bundles in `bundles` of the state folder, in days.",
        examples=[14],
    )
    recordings_days: int = Field(
        7,
        ge=1,
        le=365,
        description="Recordings of wires in `recordings` of the state folder, in days.",
        examples=[7],
    )


class SupervisionSection(ConfigSection):
    """When a worker process counts as lost, and how it is started again."""

    heartbeat_interval_s: float = Field(
        1, gt=0, le=60, description="Time between two signs of life of a worker, in seconds.", examples=[1]
    )
    heartbeat_timeout_s: float = Field(
        5,
        gt=0,
        le=300,
        description="A worker silent for this long is killed and replaced, in seconds.",
        examples=[5],
    )
    open_timeout_s: float = Field(
        15,
        gt=0,
        le=300,
        description="A driver that has not opened its device within this time is given up, in seconds.",
        examples=[15],
    )
    stop_timeout_s: float = Field(
        2,
        gt=0,
        le=2.5,
        description="What a worker has for an orderly stop before it is killed, in seconds.",
        examples=[2],
    )
    backoff_first_s: float = Field(
        0.5, gt=0, le=60, description="Wait before the first new attempt, in seconds.", examples=[0.5]
    )
    backoff_max_s: float = Field(
        30,
        gt=0,
        le=3600,
        description="Longest wait between two attempts, in seconds; where the device does not answer at all, "
        "a second at most.",
        examples=[30],
    )


class LogSection(ConfigSection):
    """What is written to the journal."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severity that is written.", examples=["info"]
    )


class CommandsSection(ConfigSection):
    """Who may command devices, how often, and how long a claim may last. Without roles, nobody may."""

    roles_file: FilePath | None = Field(
        None,
        description="The role file: which station may do what, and where.",
        examples=["/etc/borderpost/roles.toml"],
    )
    min_move_interval_s: float = Field(
        2.0,
        gt=0,
        le=60,
        description="A device is moved once within this time at most, whoever asks, in seconds.",
        examples=[2.0],
    )
    moves_per_min: int = Field(
        12,
        ge=1,
        le=600,
        description="How often one station may move one device in a minute.",
        examples=[12],
    )
    max_other_commands_per_min: int = Field(
        120,
        ge=1,
        le=6000,
        description="How many other commands one station may give one device in a minute.",
        examples=[120],
    )
    max_lease_s: int = Field(
        300,
        ge=5,
        le=3600,
        description="A claim that nobody renews ends after this time at the latest, in seconds.",
        examples=[300],
    )


class ConsoleTlsSection(ConfigSection):
    """The certificate that the console shows to browsers."""

    cert_file: FilePath = Field(
        description="Certificate and what it was signed with, PEM.", examples=["/etc/borderpost/console.pem"]
    )
    key_file: FilePath = Field(
        description="The private key of that certificate, PEM.", examples=["/etc/borderpost/console.key"]
    )


class ConsoleSection(ConfigSection):
    """What technicians look at. On this machine, through a socket in `state_dir`, it is always there."""

    listen: str | None = Field(
        None,
        pattern=r"^([0-9]{1,3}(\.[0-9]{1,3}){3}|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}$",
        description="Address and port to listen on besides, for browsers; without it, nothing listens.",
        examples=["127.0.0.1:8440"],
    )
    tls: ConsoleTlsSection | None = Field(
        None,
        description="TLS; needed wherever others than this machine can connect.",
        examples=[{"cert_file": "/etc/borderpost/console.pem", "key_file": "/etc/borderpost/console.key"}],
    )
    users_file: FilePath | None = Field(
        None,
        description="Who may log in, and as what; made by `borderpost console passwd`.",
        examples=["/etc/borderpost/users.toml"],
    )
    simulators: FilePath | None = Field(
        None,
        description="Socket of a simulated post, for the panel of a training post.",
        examples=["/run/borderpost/simulators.sock"],
    )
    idle_timeout_s: float = Field(
        60,
        ge=1,
        le=3600,
        description="The console ends when nobody has looked for this long, in seconds.",
        examples=[60],
    )


class CommonDeviceSettings(ConfigSection):
    """What may be said of every device, whatever its driver."""

    expected_firmware: str | None = Field(
        None,
        min_length=1,
        max_length=100,
        description="The firmware that is tried and wanted; another one is told as a warning.",
        examples=["2.14"],
    )
    licence_expires: date | None = Field(
        None,
        description="Last day of the licence of its maker's software; the doctor tells it 60 days ahead.",
        examples=["2027-06-30"],
    )


class DeviceSettings(CommonDeviceSettings):
    """One device: who speaks to it, and how that driver is set."""

    driver: str = Field(description="Name of an installed driver.", examples=["mrz-serial"])
    settings: SerializeAsAny[Settings] = Field(
        description="The driver's own settings, checked by its model.", examples=[{"port": "/dev/ttyUSB0"}]
    )
    raw_settings: dict[str, Any] = Field(
        repr=False,
        exclude=True,
        description="The driver's part of the table as the file has it, environment filled in.",
        examples=[{"port": "/dev/ttyUSB0"}],
    )


class Post(ConfigSection):
    """A post, complete and free of contradictions."""

    gateway: GatewaySection = Field(description="Who this gateway is.", examples=[{"site": "ke-busia"}])
    broker: BrokerSection = Field(description="The post's own broker.", examples=[{"host": "127.0.0.1"}])
    hq: HeadquartersSection | None = Field(
        None, description="The broker at headquarters, if any.", examples=[{"host": "mqtt.hq.example"}]
    )
    delivery: DeliverySection = Field(
        DeliverySection(), description="What is kept, how long, how much.", examples=[{}]
    )
    encryption: EncryptionSection = Field(
        EncryptionSection(), description="Where the key for data at rest is.", examples=[{}]
    )
    retention: RetentionSection = Field(
        RetentionSection(), description="How long the rest is kept.", examples=[{}]
    )
    supervision: SupervisionSection = Field(
        SupervisionSection(), description="How workers are watched.", examples=[{}]
    )
    log: LogSection = Field(LogSection(), description="What is written to the journal.", examples=[{}])
    commands: CommandsSection = Field(
        CommandsSection(), description="Who may command devices.", examples=[{}]
    )
    console: ConsoleSection = Field(ConsoleSection(), description="What technicians look at.", examples=[{}])
    roles: Roles = Field(
        NO_ROLES, exclude=True, description="What the role file says.", examples=[{"authority": "KE"}]
    )
    devices: dict[Position, DeviceSettings] = Field(
        description="The devices by position, in the order of the file.", examples=[{}]
    )
    file_times: dict[Path, int] = Field(
        default_factory=dict,
        exclude=True,
        description=(
            "When each file named under `broker` and `hq` was last written, in nanoseconds since 1970: "
            "a renewed certificate under the same name is a change."
        ),
        examples=[{}],
    )
