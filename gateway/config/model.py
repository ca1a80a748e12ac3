"""Sections of a post's file, as typed, frozen values. Rules across several keys are in `validation`."""

import ipaddress
import re
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SerializeAsAny, ValidationInfo

from drivers.links.settings import Settings
from gateway.config.errors import ConfigIssue
from gateway.config.roles import NO_ROLES, Roles
from gateway.config.sections import ConfigSection
from gateway.contract.topics import ROOT, TRAINING_ROOT, Position, Slug

Profile = Literal["production", "test", "training"]
SignedCommands = Literal["required", "moves", "off"]

CREDENTIAL = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$"
_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?")


def _host(host: str) -> str:
    """Accept a host name or an address alone, without scheme or port."""
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
    """Resolve a relative path from the directory of the configuration file, not of the process."""
    text = str(path)
    if "\0" in text or text.startswith("~"):
        raise ValueError("is no path a service can open; write the whole path, only a shell expands `~`")
    folder: Path = (info.context or {}).get("folder", Path())
    return folder / path


Host = Annotated[str, AfterValidator(_host)]
FilePath = Annotated[Path, AfterValidator(_file)]


UNCONFIGURED_SITE = "xx-unnamed"
"""Site of a post as its package installs it, before it is configured."""


class GatewaySection(ConfigSection):
    """Identity of the gateway, and its profile."""

    site: Slug = Field(
        description="The site: one state's trust domain, second level of every topic.", examples=["ke-busia"]
    )
    name: Slug = Field(description="The gateway's name, unique at its site.", examples=["gw-1"])
    profile: Profile = Field(
        description="Profile: production refuses simulated devices, test and training accept them.",
        examples=["production"],
    )
    state_dir: FilePath = Field(
        description="Directory for the outbox and other persistent data; the daemon creates and checks it.",
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
        description="The same key as a systemd credential (LoadCredentialEncrypted=), by its name.",
        examples=["signing.key"],
    )

    @property
    def topic_root(self) -> str:
        """Root of its topics; a training post has a root of its own."""
        return TRAINING_ROOT if self.profile == "training" else ROOT

    @property
    def is_named(self) -> bool:
        """True once the post is configured; before that no device is started."""
        return self.site != UNCONFIGURED_SITE


class TlsSection(ConfigSection):
    """TLS to a broker: at least version 1.2, its certificate always verified with its name."""

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
    """A broker that receives events."""

    host: Host = Field(description="Host name or IP address.", examples=["127.0.0.1"])
    tls: TlsSection | None = Field(
        None, description="TLS; without this table the connection is not encrypted.", examples=[{}]
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
        description="An idle connection is tested after this time, in seconds.",
        examples=[15],
    )

    def credential_files(self) -> tuple[Path, ...]:
        """Return every file that is read to connect."""
        named = (self.password_file, *(self.tls.model_dump().values() if self.tls else ()))
        return tuple(file for file in named if file is not None)


class BrokerSection(DestinationSection):
    """The post's own broker, destination `local`: it stores nothing, so HQ is a separate destination."""

    embedded: bool = Field(
        False,
        description="The broker is the demo's own, on loopback, without access rules; never in production.",
        examples=[False],
    )


class HeadquartersSection(DestinationSection):
    """The broker at headquarters, destination `hq`."""

    send_traveller: bool = Field(
        False,
        description="True: data about persons is sent to headquarters.",
        examples=[False],
    )


class DeliverySection(ConfigSection):
    """Limits of the outbox: time, size, and the rate at which a backlog is sent."""

    traveller_expires_s: int = Field(
        60,
        ge=1,
        le=86400,
        description="Data about a person is deleted when not delivered within this time, in seconds.",
        examples=[60],
    )
    record_expires_days: int = Field(
        30,
        ge=1,
        le=3650,
        description="Records are deleted when not delivered within this time, in days.",
        examples=[30],
    )
    max_bytes: int = Field(
        1 << 30,
        ge=1 << 20,
        le=1 << 40,
        description="Upper bound on the size of the outbox on disk, in bytes.",
        examples=[1 << 30],
    )
    max_events: int = Field(
        200_000,
        ge=100,
        le=100_000_000,
        description="Upper bound on the number of events in the outbox, in events.",
        examples=[200_000],
    )
    in_flight: int = Field(
        20,
        ge=1,
        le=20,
        description="Upper bound on unacknowledged messages to a destination; above 20 order is not kept.",
        examples=[20],
    )
    backlog_rate_per_s: int = Field(
        500,
        ge=1,
        le=100_000,
        description="Upper bound on the rate at which a backlog is sent after an outage, in events a second.",
        examples=[500],
    )
    max_image_bytes: int = Field(
        8 << 20,
        ge=1 << 10,
        # The largest packet MQTT can express is 268,435,455 bytes (MQTT 5.0, section 1.5.5); topic and
        # properties need room in it.
        le=(1 << 28) - (1 << 16),
        description="Upper bound on the size of an image, in bytes; the broker's limit must be above it.",
        examples=[8 << 20],
    )


class EncryptionSection(ConfigSection):
    """Source of the master key that wraps the keys of data at rest: one of the three, or none.

    With none, the gateway stores a key of its own beside the data: then whoever has the disk can read the
    data.
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
    """Retention of data besides the outbox. Every removal is recorded in the audit.

    Nothing is removed by its age while the wall clock cannot be trusted.
    """

    audit_days: int = Field(
        365,
        ge=7,
        le=3650,
        description="Retention of the audit, in days, to within a twelfth of it.",
        examples=[365],
    )
    audit_max_mib: int = Field(
        64,
        ge=2,
        le=4096,
        description="Upper bound on the size of the audit, in MiB; the oldest part is removed.",
        examples=[64],
    )
    diagnostics_days: int = Field(
        14,
        ge=1,
        le=365,
        description="Retention of replaced outboxes, and of `bundles` in the state directory, in days.",
        examples=[14],
    )
    recordings_days: int = Field(
        7,
        ge=1,
        le=365,
        description="Retention of recordings in `recordings` of the state directory, in days.",
        examples=[7],
    )


class SupervisionSection(ConfigSection):
    """Supervision of worker processes: heartbeats, timeouts, and restarts."""

    heartbeat_interval_s: float = Field(
        1, gt=0, le=60, description="Time between two heartbeats of a worker, in seconds.", examples=[1]
    )
    heartbeat_timeout_s: float = Field(
        5,
        gt=0,
        le=300,
        description="A worker without a heartbeat for this time is killed and replaced, in seconds. Time in "
        "which a busy machine gives it no processor counts in part.",
        examples=[5],
    )
    open_timeout_s: float = Field(
        15,
        gt=0,
        le=300,
        description="A driver that has not opened its device within this time is stopped, in seconds.",
        examples=[15],
    )
    stop_timeout_s: float = Field(
        2,
        gt=0,
        le=2.5,
        description="Time for an orderly stop of a worker before it is killed, in seconds.",
        examples=[2],
    )
    backoff_first_s: float = Field(
        0.5, gt=0, le=60, description="Wait before the first new attempt, in seconds.", examples=[0.5]
    )
    backoff_max_s: float = Field(
        30,
        gt=0,
        le=3600,
        description="Longest wait between two attempts, in seconds; for a device that does not respond, "
        "a second at most.",
        examples=[30],
    )
    max_events_per_s: float = Field(
        50,
        ge=1,
        le=100_000,
        description="Budget of a device, in events per second; 20 times as many may come at once. The excess "
        "is dropped, and the state of the device names it.",
        examples=[50],
    )
    confinement: Literal["required", "best"] = Field(
        "required",
        description="required: in production, the gateway does not start on a kernel that cannot confine "
        "drivers. best: it starts, and reports that a driver which was taken over can read its keys.",
        examples=["required"],
    )


class LogSection(ConfigSection):
    """Log in the journal."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severity that is written.", examples=["info"]
    )


class CommandsSection(ConfigSection):
    """Commands: roles, signatures, rate limits, and the longest lease. Without roles, all are refused."""

    roles_file: FilePath | None = Field(
        None,
        description="The role file: rights of stations.",
        examples=["/etc/borderpost/roles.toml"],
    )
    signed: SignedCommands | None = Field(
        None,
        description="Commands that a station must sign with a key of the role file: required (all), moves "
        "(those that can move a machine, and claims of such devices), off. Stops are obeyed unsigned. When "
        "not given: moves in production, else off. With moves, whoever has the broker can still forge all "
        "other commands, such as captures and claims of other devices.",
        examples=["moves"],
    )
    min_move_interval_s: float = Field(
        2.0,
        gt=0,
        le=60,
        description="Shortest time between two movements of a device, by any station, in seconds.",
        examples=[2.0],
    )
    moves_per_min: int = Field(
        12,
        ge=1,
        le=600,
        description="Upper bound on movements of one device by one station in a minute.",
        examples=[12],
    )
    max_other_commands_per_min: int = Field(
        120,
        ge=1,
        le=6000,
        description="Upper bound on other commands to one device by one station in a minute.",
        examples=[120],
    )
    max_lease_s: int = Field(
        300,
        ge=5,
        le=3600,
        description="Upper bound on the lease of a claim without renewal, in seconds.",
        examples=[300],
    )


class ConsoleTlsSection(ConfigSection):
    """Certificate of the console for browsers."""

    cert_file: FilePath = Field(
        description="Certificate and its chain, PEM.", examples=["/etc/borderpost/console.pem"]
    )
    key_file: FilePath = Field(
        description="The private key of that certificate, PEM.", examples=["/etc/borderpost/console.key"]
    )


class ConsoleSection(ConfigSection):
    """Console for technicians. On this machine it is always available, through a socket in `state_dir`."""

    listen: str | None = Field(
        None,
        pattern=r"^([0-9]{1,3}(\.[0-9]{1,3}){3}|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}$",
        description="Further address and port for browsers; without it, no port is opened.",
        examples=["127.0.0.1:8440"],
    )
    tls: ConsoleTlsSection | None = Field(
        None,
        description="TLS; required unless only this machine can connect.",
        examples=[{"cert_file": "/etc/borderpost/console.pem", "key_file": "/etc/borderpost/console.key"}],
    )
    users_file: FilePath | None = Field(
        None,
        description="Users and their roles; made by `borderpost console passwd`.",
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
        description="The console process ends when no browser was connected for this time, in seconds.",
        examples=[60],
    )


class CounterSection(ConfigSection):
    """Counter page for officers, served by the console at `/counter/`."""

    broker: str = Field(
        pattern=r"^wss?://[A-Za-z0-9.\[\]:_-]+$",
        description="Address of the broker's WebSocket listener, as browsers reach it.",
        examples=["wss://broker.busia.example:8884"],
    )
    passwords: bool = Field(
        True,
        description="Whether officers enter the password of their counter; false if the broker has none.",
        examples=[True],
    )
    sign: bool = Field(
        True,
        description="Whether commands are signed, with a key that each browser makes and keeps.",
        examples=[True],
    )
    gateway_keys: tuple[FilePath, ...] = Field(
        (),
        description="Public keys of this gateway; messages that it did not sign are not shown.",
        examples=[["/etc/borderpost/signed-by/gw-1.pub"]],
    )
    wipe_after_s: int = Field(
        60,
        ge=21,
        le=3600,
        description="Time after the removal of a document until the screen is wiped, in seconds; the "
        "last 20 are a warning.",
        examples=[60],
    )
    lock_after_s: int = Field(
        300,
        ge=0,
        le=28800,
        description="Time without use until the counter is locked, in seconds; 0: never.",
        examples=[300],
    )


class CommonDeviceSettings(ConfigSection):
    """Settings of every device, for all drivers."""

    expected_firmware: str | None = Field(
        None,
        min_length=1,
        max_length=100,
        description="The expected firmware; a device with another one has a warning.",
        examples=["2.14"],
    )
    licence_expires: date | None = Field(
        None,
        description="Last day of the licence of its maker's software; the doctor warns 60 days ahead.",
        examples=["2027-06-30"],
    )


class DeviceSettings(CommonDeviceSettings):
    """One device: its driver and the driver's settings."""

    driver: str = Field(description="Name of an installed driver.", examples=["mrz-serial"])
    settings: SerializeAsAny[Settings] = Field(
        description="The driver's own settings, checked by its model.", examples=[{"port": "/dev/ttyUSB0"}]
    )
    driver_fault: tuple[str, str] | None = Field(
        None,
        description="Why the driver cannot be used, and the remedy: the device is not started.",
        examples=[None],
    )
    raw_settings: dict[str, Any] = Field(
        repr=False,
        exclude=True,
        description="The driver's part of the table as the file has it, with variables replaced.",
        examples=[{"port": "/dev/ttyUSB0"}],
    )


class Post(ConfigSection):
    """A post's configuration, complete and free of contradictions."""

    gateway: GatewaySection = Field(description="Identity of this gateway.", examples=[{"site": "ke-busia"}])
    broker: BrokerSection = Field(description="The post's own broker.", examples=[{"host": "127.0.0.1"}])
    hq: HeadquartersSection | None = Field(
        None, description="The broker at headquarters, if any.", examples=[{"host": "mqtt.hq.example"}]
    )
    delivery: DeliverySection = Field(DeliverySection(), description="Limits of the outbox.", examples=[{}])
    encryption: EncryptionSection = Field(
        EncryptionSection(), description="Source of the key for data at rest.", examples=[{}]
    )
    retention: RetentionSection = Field(
        RetentionSection(), description="Retention of other data.", examples=[{}]
    )
    supervision: SupervisionSection = Field(
        SupervisionSection(), description="Supervision of workers.", examples=[{}]
    )
    log: LogSection = Field(LogSection(), description="Log in the journal.", examples=[{}])
    commands: CommandsSection = Field(CommandsSection(), description="Limits of commands.", examples=[{}])
    console: ConsoleSection = Field(ConsoleSection(), description="Console for technicians.", examples=[{}])
    counter: CounterSection | None = Field(
        None,
        description="Counter page for officers, if any.",
        examples=[{"broker": "wss://broker.example:8884"}],
    )
    roles: Roles = Field(
        NO_ROLES, exclude=True, description="Rights from the role file.", examples=[{"authority": "KE"}]
    )
    devices: dict[Position, DeviceSettings] = Field(
        description="The devices by position, in the order of the file.", examples=[{}]
    )
    tolerated: tuple[ConfigIssue, ...] = Field(
        (),
        exclude=True,
        description="Mistakes of parts that are left out; only if loaded to run, or to examine.",
        examples=[()],
    )
    file_times: dict[Path, int] = Field(
        default_factory=dict,
        exclude=True,
        description=(
            "Modification time of each file named under `broker` and `hq`, in nanoseconds since 1970: "
            "a renewed certificate under the same name is a change."
        ),
        examples=[{}],
    )

    @property
    def signed_commands(self) -> SignedCommands:
        """Commands that must be signed."""
        return self.commands.signed or ("moves" if self.gateway.profile == "production" else "off")
