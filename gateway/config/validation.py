"""What must hold across keys, and between the file and the machine it is on.

Rules look at whatever was valid by itself, so one bad key does not hide what is wrong with the others.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.config.errors import Fault, Key, dotted
from gateway.config.model import (
    Broker,
    Commands,
    Console,
    Delivery,
    Destination,
    DeviceSettings,
    GatewayName,
    Headquarters,
    Log,
    Retention,
    Supervision,
    Vault,
)
from gateway.contract.topics import Position

LOOPBACK = ("localhost", "ip6-localhost", "::1")
REPLAYS = ("replay:", "sim:")
"""Prefixes of addresses that lead to no device."""
PTYS = Path("/dev/pts")
LOCAL_TRAVELLER_LIMIT_S = 600
"""Nobody at the counter waits longer for a traveller's data; only HQ can have a use for it later."""


@dataclass(slots=True)
class Draft:
    """The sections and devices that are valid by themselves; None where one is missing or wrong."""

    gateway: GatewayName | None = None
    broker: Broker | None = None
    hq: Headquarters | None = None
    delivery: Delivery | None = None
    vault: Vault | None = None
    retention: Retention | None = None
    supervision: Supervision | None = None
    log: Log | None = None
    commands: Commands | None = None
    console: Console | None = None
    devices: dict[Position, DeviceSettings] = field(default_factory=dict)

    @property
    def production(self) -> bool:
        """Whether the post is meant for real travellers."""
        return self.gateway is not None and self.gateway.profile == "production"


def check(draft: Draft, environ: Mapping[str, str]) -> Iterator[Fault]:
    """Find every contradiction."""
    for name, destination in (("broker", draft.broker), ("hq", draft.hq)):
        if destination is not None:
            yield from _destination(name, destination, production=draft.production)
    yield from _two_brokers(draft)
    yield from _embedded(draft)
    yield from _limits(draft)
    if draft.gateway is not None:
        yield from _signing(draft.gateway, environ)
    if draft.vault is not None:
        yield from _vault(draft.vault, environ)
    if draft.commands is not None and draft.commands.roles_file is not None:
        yield from _file(("commands", "roles_file"), draft.commands.roles_file, private=False)
        yield from _names_at_the_broker(draft)
    if draft.console is not None:
        yield from _console(draft.console, production=draft.production)
    yield from _one_port_each(draft.devices)
    if draft.production:
        yield from _nothing_simulated(draft.devices)


def loopback(host: str) -> bool:
    """Tell whether a host is this machine."""
    return host in LOOPBACK or host.startswith("127.")


def _destination(name: str, destination: Destination, *, production: bool) -> Iterator[Fault]:
    if destination.password_file is not None:
        if destination.username is None:
            yield Fault(
                (name, "password_file"),
                "a password without a user name",
                'add username = "..." beside it: brokers look the password up by the name',
            )
        yield from _file((name, "password_file"), destination.password_file, private=True)
    tls = destination.tls
    if tls is None:
        if production and not loopback(destination.host):
            yield Fault(
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
            yield Fault(
                (name, "tls", "cert_file"),
                "a certificate without its private key",
                "add key_file beside it, or take cert_file out",
            )
    if tls.key_file is not None:
        yield from _file((name, "tls", "key_file"), tls.key_file, private=True)
        if tls.cert_file is None:
            yield Fault(
                (name, "tls", "key_file"),
                "a private key without its certificate",
                "add cert_file beside it, or take key_file out",
            )


def _console(console: Console, *, production: bool) -> Iterator[Fault]:
    if console.simulators is not None and production:
        yield Fault(
            ("console", "simulators"),
            "a production post has no simulators",
            'take the line out, or write profile = "training"',
        )
    if console.tls is not None:
        yield from _file(("console", "tls", "cert_file"), console.tls.cert_file, private=False)
        yield from _file(("console", "tls", "key_file"), console.tls.key_file, private=True)
    # One that is not there yet lets nobody in, and `borderpost console passwd` makes it.
    if console.users_file is not None and console.users_file.exists():
        yield from _file(("console", "users_file"), console.users_file, private=True)
    if console.listen is None:
        return
    if console.users_file is None:
        yield Fault(
            ("console", "listen"),
            "a console that listens to a network has to know who may log in",
            'add users_file = "/etc/borderpost/users.toml", and make it with `borderpost console passwd`',
        )
    if console.tls is None and not loopback(console.listen.rpartition(":")[0].strip("[]")):
        yield Fault(
            ("console", "listen"),
            "passwords of technicians are sent over no network in clear",
            "add a table [console.tls] with cert_file and key_file, or listen on 127.0.0.1",
        )


def _file(key: Key, file: Path, *, private: bool) -> Iterator[Fault]:
    """Check that a file can be read, and if private, that not everybody can."""
    try:
        status = file.stat()
    except FileNotFoundError:
        yield Fault(key, "the file does not exist", "create it or correct the path; relative ones start here")
        return
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "the path is unusable"
        yield Fault(
            key, f"the file cannot be reached: {reason}", "check the path and who may enter its folders"
        )
        return
    if not stat.S_ISREG(status.st_mode):
        yield Fault(key, "this is not a regular file", "name the file itself, not its folder or a device")
        return
    if status.st_size == 0:
        yield Fault(key, "the file is empty", "write its content first; see the README on credentials")
    elif not os.access(file, os.R_OK):
        yield Fault(
            key,
            "this user may not read the file",
            "chown root:borderpost and chmod 640; or run the check as the service's user",
        )
    if private and status.st_mode & (stat.S_IROTH | stat.S_IWOTH):
        yield Fault(key, "every user of this machine can read or change the file", "chmod o= on that file")
    elif status.st_mode & stat.S_IWOTH:
        yield Fault(key, "every user of this machine can change the file", "chmod o-w on that file")


def _names_at_the_broker(draft: Draft) -> Iterator[Fault]:
    """Who sent a command, only the broker knows: one that asks nobody for a name lets anybody be anybody."""
    broker = draft.broker
    if not draft.production or broker is None or broker.username is not None:
        return
    if broker.tls is None or broker.tls.cert_file is None:
        yield Fault(
            ("commands", "roles_file"),
            "roles mean nothing at a broker that lets this gateway in without a name",
            "give every user of that broker a password or a certificate, this gateway too: config/mosquitto",
        )


def _two_brokers(draft: Draft) -> Iterator[Fault]:
    broker, hq = draft.broker, draft.hq
    if broker is not None and hq is not None and (broker.host, broker.port) == (hq.host, hq.port):
        yield Fault(
            ("hq", "host"),
            f"headquarters is the post's own broker, {hq.host} port {hq.port}",
            "name the broker at headquarters, or take [hq] out: one acknowledgement cannot stand for two",
        )


def _embedded(draft: Draft) -> Iterator[Fault]:
    broker = draft.broker
    if broker is None or not broker.embedded:
        return
    if draft.production:
        yield Fault(
            ("broker", "embedded"),
            "a production post does not use the demo's broker: it has no access rules",
            'take the line out and run Mosquitto, or write profile = "training"',
        )
    if not loopback(broker.host):
        yield Fault(
            ("broker", "embedded"),
            "the demo's broker listens on this machine only",
            'write host = "127.0.0.1", or take embedded out',
        )


def _limits(draft: Draft) -> Iterator[Fault]:
    delivery, supervision = draft.delivery, draft.supervision
    if delivery is not None:
        to_hq = draft.hq is not None and draft.hq.takes_traveller
        if delivery.traveller_expires_s > LOCAL_TRAVELLER_LIMIT_S and not to_hq:
            yield Fault(
                ("delivery", "traveller_expires_s"),
                f"{delivery.traveller_expires_s} s is too long to keep a person's data for the counter alone",
                f"write at most {LOCAL_TRAVELLER_LIMIT_S}; more is for [hq] takes_traveller = true",
            )
        if delivery.image_max_bytes > delivery.max_bytes:
            yield Fault(
                ("delivery", "image_max_bytes"),
                "one image may be larger than the whole outbox",
                f"write less than max_bytes, which is {delivery.max_bytes}",
            )
    if supervision is not None:
        if supervision.heartbeat_limit_s < 2 * supervision.heartbeat_s:
            yield Fault(
                ("supervision", "heartbeat_limit_s"),
                f"{supervision.heartbeat_limit_s:g} s would kill a worker for one late heartbeat",
                f"write at least twice heartbeat_s, {2 * supervision.heartbeat_s:g}",
            )
        if supervision.backoff_max_s < supervision.backoff_first_s:
            yield Fault(
                ("supervision", "backoff_max_s"),
                f"{supervision.backoff_max_s:g} s is less than the first wait",
                f"write at least backoff_first_s, {supervision.backoff_first_s:g}",
            )


def _vault(vault: Vault, environ: Mapping[str, str]) -> Iterator[Fault]:
    given = [name for name in ("credential", "key_file", "environment") if getattr(vault, name) is not None]
    if len(given) > 1:
        yield Fault(
            ("vault", given[-1]),
            f"the key comes from one place, not from {' and '.join(given)}",
            "keep one of the three lines",
        )
    if vault.key_file is not None:
        yield from _file(("vault", "key_file"), vault.key_file, private=True)
    yield from _credential(("vault", "credential"), vault.credential, environ)


def _signing(gateway: GatewayName, environ: Mapping[str, str]) -> Iterator[Fault]:
    if gateway.signing_key is not None and gateway.signing_credential is not None:
        yield Fault(
            ("gateway", "signing_credential"),
            "the key comes from one place, not from signing_key and signing_credential",
            "keep one of the two lines",
        )
    if gateway.signing_key is not None:
        yield from _file(("gateway", "signing_key"), gateway.signing_key, private=True)
    yield from _credential(("gateway", "signing_credential"), gateway.signing_credential, environ)


def _credential(key: Key, name: str | None, environ: Mapping[str, str]) -> Iterator[Fault]:
    # systemd shows credentials to the service only: at a person's `config check` there is nothing to look at.
    folder = environ.get("CREDENTIALS_DIRECTORY")
    if name is not None and folder and not (Path(folder) / name).is_file():
        yield Fault(
            key,
            "systemd gave the service no credential of that name",
            f"add LoadCredentialEncrypted={name}:... to the unit; names must be equal",
        )


def _one_port_each(devices: Mapping[Position, DeviceSettings]) -> Iterator[Fault]:
    """Two owners of one port would steal each other's bytes."""
    seen: dict[str, Position] = {}
    for position, device in devices.items():
        key = next((key for key in ("port", "url", "listen") if hasattr(device.settings, key)), "port")
        port = getattr(device.settings, key, None)
        if not isinstance(port, str):
            continue
        mine = _port(getattr(device.settings, "place", port))
        other_port = next((theirs for theirs in seen if _overlap(mine, theirs)), None)
        if other_port is None:
            seen[mine] = position
            continue
        other = seen[other_port]
        said = "is already" if mine == other_port else "may be"
        yield Fault(
            ("device", str(position), key),
            f'{port} {said} the {key} of device "{other}"',
            "name each by serial number, usb:0DB5:0137:A1, or by its socket, /dev/serial/by-path/..."
            if key == "port"
            else "one service reads for one position: give each reader's service an address of its own",
        )


def _port(port: str) -> str:
    """Write one port one way: links of /dev/serial followed, USB addresses in capitals."""
    if port.lower().startswith("usb:"):
        scheme, _, rest = port.partition(":")
        vendor_product, serial_number = rest.split(":")[:2], rest.split(":")[2:]
        return ":".join([scheme.lower(), *(part.upper() for part in vendor_product), *serial_number])
    return _real(port) if port.startswith("/") else port


def _overlap(one: str, other: str) -> bool:
    """Tell whether two addresses can mean one port: `usb:VID:PID` means any serial number."""
    shorter, longer = sorted((one, other), key=len)
    return one == other or (
        shorter.startswith("usb:")
        and shorter.count(":") == 2
        and longer.startswith((f"{shorter}:", f"{shorter}@"))
    )


def _real(path: str) -> str:
    try:
        return os.path.realpath(path)
    except ValueError:  # a null character: the link will say so
        return path


def _nothing_simulated(devices: Mapping[Position, DeviceSettings]) -> Iterator[Fault]:
    for position, device in devices.items():
        for key, text in _texts(device.table, ()):
            real = Path(_real(text)) if text.startswith("/") else Path()
            if text.startswith(REPLAYS) or PTYS in (real, *real.parents):
                yield Fault(
                    ("device", str(position), *key),
                    f"a production post refuses a simulated device, and {dotted(key)} leads to one",
                    'name the real port, as in "usb:0DB5:0137:SERIAL", or write profile = "training"',
                )


def _texts(value: Any, key: Key) -> Iterator[tuple[Key, str]]:
    """Every text in a table, with where it stands."""
    match value:
        case str():
            yield key, value
        case dict():
            for name, inner in value.items():
                yield from _texts(inner, (*key, name))
        case list():
            for at, inner in enumerate(value):
                yield from _texts(inner, (*key, at))
