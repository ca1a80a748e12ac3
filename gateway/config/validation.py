"""Rules across several keys, and between the file and its machine.

The rules check every section that is valid by itself, so that one wrong key does not hide other mistakes.
"""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from drivers.links.address import are_named_differently, is_same_address, resolve_links
from drivers.links.settings import Settings
from gateway.config.errors import Key, UnlocatedIssue, format_key
from gateway.config.model import (
    BrokerSection,
    CommandsSection,
    ConsoleSection,
    CounterSection,
    DeliverySection,
    DestinationSection,
    DeviceSettings,
    EncryptionSection,
    GatewaySection,
    HeadquartersSection,
    LogSection,
    RetentionSection,
    SupervisionSection,
)
from gateway.contract.topics import Position

LOOPBACK = ("localhost", "ip6-localhost", "::1")
VIRTUAL_ADDRESS_PREFIXES = ("replay:", "sim:", "vpcd:")
"""Prefixes of addresses that lead to no device."""
PTY_DIR = Path("/dev/pts")
LOCAL_TRAVELLER_LIMIT_S = 600
"""Upper bound on waiting for a traveller's data at the counter; only HQ can use it later."""


@dataclass(slots=True)
class DraftPost:
    """Sections and devices that are valid by themselves; None where one is missing or wrong."""

    gateway: GatewaySection | None = None
    broker: BrokerSection | None = None
    hq: HeadquartersSection | None = None
    delivery: DeliverySection | None = None
    encryption: EncryptionSection | None = None
    retention: RetentionSection | None = None
    supervision: SupervisionSection | None = None
    log: LogSection | None = None
    commands: CommandsSection | None = None
    console: ConsoleSection | None = None
    counter: CounterSection | None = None
    devices: dict[Position, DeviceSettings] = field(default_factory=dict)

    @property
    def is_production(self) -> bool:
        """True if the profile is production."""
        return self.gateway is not None and self.gateway.profile == "production"


def validate(draft: DraftPost, environ: Mapping[str, str]) -> Iterator[UnlocatedIssue]:
    """Find every contradiction."""
    for name, destination in (("broker", draft.broker), ("hq", draft.hq)):
        if destination is not None:
            yield from _destination(name, destination, production=draft.is_production)
    yield from _check_distinct_brokers(draft)
    yield from _check_embedded_broker(draft)
    yield from _check_limits(draft)
    if draft.gateway is not None:
        yield from _check_signing(draft.gateway, environ)
    if draft.encryption is not None:
        yield from _encryption(draft.encryption, environ)
    if draft.commands is not None and draft.commands.roles_file is not None:
        # Without roles every command is refused.
        yield from _tolerable(_file(("commands", "roles_file"), draft.commands.roles_file, private=False))
        yield from _check_user_names(draft)
    if draft.is_production and draft.commands is not None and draft.commands.signed == "off":
        yield UnlocatedIssue(
            ("commands", "signed"),
            "a production post accepts no unsigned movement: control of its broker would open a barrier",
            'write signed = "moves" or "required", and enrol the key of each station: borderpost trust enrol',
        )
    if draft.console is not None:
        yield from _console(draft.console, production=draft.is_production)
    if draft.counter is not None:
        yield from _counter(draft.counter, production=draft.is_production)
    yield from _check_unique_addresses(draft.devices)
    yield from _check_port_names(draft.devices)
    if draft.is_production:
        yield from _check_no_simulators(draft.devices)


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine."""
    return host in LOOPBACK or host.startswith("127.")


def _destination(name: str, destination: DestinationSection, *, production: bool) -> Iterator[UnlocatedIssue]:
    if destination.password_file is not None:
        if destination.username is None:
            yield UnlocatedIssue(
                (name, "password_file"),
                "a password without a user name",
                'add username = "..." beside it: brokers look the password up by the name',
            )
        yield from _file((name, "password_file"), destination.password_file, private=True)
    tls = destination.tls
    if tls is None:
        if production and not is_loopback(destination.host):
            yield UnlocatedIssue(
                (name, "host"),
                "a production post sends nothing in clear over a network",
                f"add a table [{name}.tls] with ca_file, and a listener with TLS on that broker",
            )
        return
    if tls.ca_file is not None:
        yield from _file((name, "tls", "ca_file"), tls.ca_file, private=False)
    if tls.cert_file is not None:
        yield from _file((name, "tls", "cert_file"), tls.cert_file, private=False)
        if tls.key_file is None:
            yield UnlocatedIssue(
                (name, "tls", "cert_file"),
                "a certificate without its private key",
                "add key_file beside it, or take cert_file out",
            )
    if tls.key_file is not None:
        yield from _file((name, "tls", "key_file"), tls.key_file, private=True)
        if tls.cert_file is None:
            yield UnlocatedIssue(
                (name, "tls", "key_file"),
                "a private key without its certificate",
                "add cert_file beside it, or take key_file out",
            )


def _console(console: ConsoleSection, *, production: bool) -> Iterator[UnlocatedIssue]:
    if console.simulators is not None and production:
        yield UnlocatedIssue(
            ("console", "simulators"),
            "a production post has no simulators",
            'take the line out, or write profile = "training"',
        )
    if console.tls is not None:
        yield from _tolerable(_file(("console", "tls", "cert_file"), console.tls.cert_file, private=False))
        yield from _tolerable(_file(("console", "tls", "key_file"), console.tls.key_file, private=True))
    # A file that does not exist yet permits no login, and `borderpost console passwd` creates it.
    if console.users_file is not None and console.users_file.exists():
        yield from _tolerable(_file(("console", "users_file"), console.users_file, private=True))
    if console.listen is None:
        return
    if console.users_file is None:
        yield UnlocatedIssue(
            ("console", "listen"),
            "a console that listens to a network needs a list of users",
            'add users_file = "/etc/borderpost/users.toml", and make it with `borderpost console passwd`',
        )
    if console.tls is None and not is_loopback(console.listen.rpartition(":")[0].strip("[]")):
        yield UnlocatedIssue(
            ("console", "listen"),
            "passwords of technicians must not cross a network unencrypted",
            "add a table [console.tls] with cert_file and key_file, or listen on 127.0.0.1",
        )


def _counter(counter: CounterSection, *, production: bool) -> Iterator[UnlocatedIssue]:
    for file in counter.gateway_keys:
        yield from _tolerable(_file(("counter", "gateway_keys"), file, private=False))
    host = urlsplit(counter.broker).hostname or ""
    if counter.broker.startswith("ws://") and not is_loopback(host):
        yield UnlocatedIssue(
            ("counter", "broker"),
            "passwords and travellers must not cross a network unencrypted",
            "write wss://, with the websocket_port of trust.toml",
        )
    if production and not counter.passwords:
        yield UnlocatedIssue(
            ("counter", "passwords"),
            "a production post needs passwords: any page in an officer's browser may use its certificate",
            "take the line out, and run `borderpost trust browser NAME`",
        )


def _tolerable(issues: Iterable[UnlocatedIssue]) -> Iterator[UnlocatedIssue]:
    """Mark mistakes of a part that the gateway can run without."""
    for issue in issues:
        yield replace(issue, is_tolerable=True)


def _file(key: Key, file: Path, *, private: bool) -> Iterator[UnlocatedIssue]:
    """Check that a file can be read, and if private, that not every user can read it."""
    try:
        status = file.stat()
    except FileNotFoundError:
        yield UnlocatedIssue(
            key, "the file does not exist", "create it or correct the path; relative ones start here"
        )
        return
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "the path is unusable"
        yield UnlocatedIssue(
            key, f"the file cannot be reached: {reason}", "check the path and who may enter its folders"
        )
        return
    if not stat.S_ISREG(status.st_mode):
        yield UnlocatedIssue(
            key, "this is not a regular file", "name the file itself, not its folder or a device"
        )
        return
    if status.st_size == 0:
        yield UnlocatedIssue(
            key, "the file is empty", "write its content first; see the README on credentials"
        )
    elif not os.access(file, os.R_OK):
        yield UnlocatedIssue(
            key,
            "this user may not read the file",
            "chown root:borderpost and chmod 640; or run the check as the service's user",
        )
    if private and status.st_mode & (stat.S_IROTH | stat.S_IWOTH):
        yield UnlocatedIssue(
            key, "every user of this machine can read or change the file", "chmod o= on that file"
        )
    elif status.st_mode & stat.S_IWOTH:
        yield UnlocatedIssue(key, "every user of this machine can change the file", "chmod o-w on that file")


def _check_user_names(draft: DraftPost) -> Iterator[UnlocatedIssue]:
    """Require a broker with user names: without them the sender of a command cannot be verified."""
    broker = draft.broker
    if not draft.is_production or broker is None or broker.username is not None:
        return
    if broker.tls is None or broker.tls.cert_file is None:
        yield UnlocatedIssue(
            ("commands", "roles_file"),
            "roles have no effect at a broker that lets this gateway in without a name",
            "give every user of that broker a password or a certificate, this gateway too: config/mosquitto",
        )


def _check_distinct_brokers(draft: DraftPost) -> Iterator[UnlocatedIssue]:
    broker, hq = draft.broker, draft.hq
    if broker is not None and hq is not None and (broker.host, broker.port) == (hq.host, hq.port):
        yield UnlocatedIssue(
            ("hq", "host"),
            f"headquarters is the post's own broker, {hq.host} port {hq.port}",
            "name the broker at headquarters, or take [hq] out: each needs acknowledgements of its own",
        )


def _check_embedded_broker(draft: DraftPost) -> Iterator[UnlocatedIssue]:
    broker = draft.broker
    if broker is None or not broker.embedded:
        return
    if draft.is_production:
        yield UnlocatedIssue(
            ("broker", "embedded"),
            "a production post does not use the demo's broker: it has no access rules",
            'take the line out and run Mosquitto, or write profile = "training"',
        )
    if not is_loopback(broker.host):
        yield UnlocatedIssue(
            ("broker", "embedded"),
            "the demo's broker listens on this machine only",
            'write host = "127.0.0.1", or take embedded out',
        )


def _check_limits(draft: DraftPost) -> Iterator[UnlocatedIssue]:
    delivery, supervision = draft.delivery, draft.supervision
    if delivery is not None:
        to_hq = draft.hq is not None and draft.hq.send_traveller
        if delivery.traveller_expires_s > LOCAL_TRAVELLER_LIMIT_S and not to_hq:
            yield UnlocatedIssue(
                ("delivery", "traveller_expires_s"),
                f"{delivery.traveller_expires_s} s is too long to keep a person's data for the counter alone",
                f"write at most {LOCAL_TRAVELLER_LIMIT_S}; more is for [hq] send_traveller = true",
            )
        if delivery.max_image_bytes > delivery.max_bytes:
            yield UnlocatedIssue(
                ("delivery", "max_image_bytes"),
                "one image may be larger than the whole outbox",
                f"write less than max_bytes, which is {delivery.max_bytes}",
            )
    if supervision is not None:
        if supervision.heartbeat_timeout_s < 2 * supervision.heartbeat_interval_s:
            yield UnlocatedIssue(
                ("supervision", "heartbeat_timeout_s"),
                f"{supervision.heartbeat_timeout_s:g} s would kill a worker for one late heartbeat",
                f"write at least twice heartbeat_interval_s, {2 * supervision.heartbeat_interval_s:g}",
            )
        if supervision.backoff_max_s < supervision.backoff_first_s:
            yield UnlocatedIssue(
                ("supervision", "backoff_max_s"),
                f"{supervision.backoff_max_s:g} s is less than the first wait",
                f"write at least backoff_first_s, {supervision.backoff_first_s:g}",
            )


def _encryption(encryption: EncryptionSection, environ: Mapping[str, str]) -> Iterator[UnlocatedIssue]:
    given = [
        name for name in ("credential", "key_file", "key_variable") if getattr(encryption, name) is not None
    ]
    if len(given) > 1:
        yield UnlocatedIssue(
            ("encryption", given[-1]),
            f"the key comes from one place, not from {' and '.join(given)}",
            "keep one of the three lines",
        )
    if encryption.key_file is not None:
        yield from _file(("encryption", "key_file"), encryption.key_file, private=True)
    yield from _credential(("encryption", "credential"), encryption.credential, environ)


def _check_signing(gateway: GatewaySection, environ: Mapping[str, str]) -> Iterator[UnlocatedIssue]:
    if gateway.signing_key is not None and gateway.signing_credential is not None:
        yield UnlocatedIssue(
            ("gateway", "signing_credential"),
            "the key comes from one place, not from signing_key and signing_credential",
            "keep one of the two lines",
        )
    if gateway.signing_key is not None:
        yield from _file(("gateway", "signing_key"), gateway.signing_key, private=True)
    yield from _credential(("gateway", "signing_credential"), gateway.signing_credential, environ)


def _credential(key: Key, name: str | None, environ: Mapping[str, str]) -> Iterator[UnlocatedIssue]:
    # systemd shows credentials to the service only: a person's `config check` cannot see them.
    folder = environ.get("CREDENTIALS_DIRECTORY")
    if name is not None and folder and not (Path(folder) / name).is_file():
        yield UnlocatedIssue(
            key,
            "systemd gave the service no credential of that name",
            f"add LoadCredentialEncrypted={name}:... to the unit; names must be equal",
        )


def _check_unique_addresses(devices: Mapping[Position, DeviceSettings]) -> Iterator[UnlocatedIssue]:
    """Require an address of its own for each device.

    Two processes would read each other's bytes, and a board of a barrier must not have two masters.
    """
    seen: list[tuple[str, Position, Key]] = []
    for position, device in devices.items():
        reported: set[Key] = set()
        for key, mine in list(device.settings.exclusive_addresses()):
            found = next((one for one in seen if one[1] != position and is_same_address(mine, one[0])), None)
            seen.append((mine, position, key))
            if found is None or key in reported:
                continue
            reported.add(key)
            theirs, other, other_key = found
            said = "is already" if mine == theirs else "may be"
            yield UnlocatedIssue(
                ("device", str(position), *key),
                f"{_shown_address(device.settings, key, mine)} {said} the {format_key(other_key)} of device "
                f'"{other}"',
                _REMEDIES.get(key[0], _SERVICE_REMEDY),
            )


def _check_port_names(devices: Mapping[Position, DeviceSettings]) -> Iterator[UnlocatedIssue]:
    """Require comparable names of ports that only one device may use, such as those of barriers."""
    seen: list[tuple[str, Position]] = []
    for position, device in devices.items():
        mine = list(device.settings.serial_ports())
        for key, port in mine:
            for theirs, other in seen:
                if are_named_differently(port, theirs):
                    yield UnlocatedIssue(
                        ("device", str(position), *key),
                        f'this may be the port of "{other}", which is named as {theirs}',
                        "name both ports in the same way: usb:VID:PID:SERIAL, /dev/serial/by-id/... or "
                        "/dev/serial/by-path/...",
                    )
                    break
        seen += ((port, position) for _, port in mine)


_SERVICE_REMEDY = "one service reads for one position: give each reader's service an address of its own"
_BOARD_REMEDY = (
    "a barrier's board has one master: give each barrier a board of its own, or the `unit` of another board "
    "behind the same address"
)
_REMEDIES = {
    "port": "name each by serial number, usb:0DB5:0137:A1, or by its socket, /dev/serial/by-path/...",
    "board": _BOARD_REMEDY,
    "inputs_from": _BOARD_REMEDY,
}


def _shown_address(settings: Settings, key: Key, canonical: str) -> str:
    """Return an address as it was written; a board's with its unit or line."""
    return str(getattr(settings, str(key[0]))) if len(key) == 1 else canonical


def _check_no_simulators(devices: Mapping[Position, DeviceSettings]) -> Iterator[UnlocatedIssue]:
    for position, device in devices.items():
        for key, text in _walk_strings(device.raw_settings, ()):
            real = Path(resolve_links(text)) if text.startswith("/") else Path()
            if text.startswith(VIRTUAL_ADDRESS_PREFIXES) or PTY_DIR in (real, *real.parents):
                yield UnlocatedIssue(
                    ("device", str(position), *key),
                    f"a production post refuses a simulated device, and {format_key(key)} leads to one",
                    'name the real port, as in "usb:0DB5:0137:SERIAL", or write profile = "training"',
                )


def _walk_strings(value: Any, key: Key) -> Iterator[tuple[Key, str]]:
    """Yield every text in a table, with its key."""
    match value:
        case str():
            yield key, value
        case dict():
            for name, inner in value.items():
                yield from _walk_strings(inner, (*key, name))
        case list():
            for at, inner in enumerate(value):
                yield from _walk_strings(inner, (*key, at))
