"""Loader of a post's file: read, parse, interpolate, validate, cross-check."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint
from pathlib import Path

from drivers.declaration import declaration_fault
from drivers.driver import Driver
from drivers.links.settings import Settings
from drivers.packages.entry_points import is_foreign, package_of
from drivers.packages.vocabularies import describe_error
from drivers.probe import probe_driver
from drivers.registry import find_drivers, installed_drivers, load_driver
from drivers.unavailable import UnusableDriver, unusable_driver
from gateway.config.errors import ConfigError, ConfigIssue, Key, UnlocatedIssue
from gateway.config.interpolation import InterpolatedTable, interpolate
from gateway.config.model import (
    BrokerSection,
    CommandsSection,
    CommonDeviceSettings,
    ConsoleSection,
    CounterSection,
    DeliverySection,
    DestinationSection,
    DeviceSettings,
    EncryptionSection,
    GatewaySection,
    HeadquartersSection,
    LogSection,
    Post,
    RetentionSection,
    SupervisionSection,
)
from gateway.config.role_file import load_roles
from gateway.config.roles import NO_ROLES, Roles
from gateway.config.sections import ConfigSection, validate_table
from gateway.config.toml import locate, parse, read_text
from gateway.config.validation import DraftPost, validate
from gateway.contract.topics import GATEWAY_LANE, Position

REQUIRED: Mapping[str, type[ConfigSection]] = {"gateway": GatewaySection, "broker": BrokerSection}
OPTIONAL: Mapping[str, type[ConfigSection]] = {
    "hq": HeadquartersSection,
    "delivery": DeliverySection,
    "encryption": EncryptionSection,
    "retention": RetentionSection,
    "supervision": SupervisionSection,
    "log": LogSection,
    "commands": CommandsSection,
    "console": ConsoleSection,
    "counter": CounterSection,
}

PROBES_AT_ONCE = 4
"""Drivers of other packages that are tried at the same time."""
DriverLookup = Callable[[str], type[Driver[Settings]]]
"""Function that returns the driver of a name; raises UnknownDriverError, or any error of its module."""


def load(path: Path | str, environ: Mapping[str, str] | None = None, *, to_run: bool = False) -> Post:
    """Load a post's file; raises ConfigError with all its mistakes.

    `environ`: variables for `${NAME}`; default: the process's environment. `to_run`: one bad part must not
    stop a post. A driver that is not installed, or whose package is faulty, costs its own devices only; they
    have a `driver_fault`. Mistakes of parts that a gateway can run without (the network console, the role
    file) are returned in `Post.tolerated`.
    """
    read = _read(Path(path), os.environ if environ is None else environ)
    draft, faults, elsewhere = read.draft, read.faults, read.elsewhere
    if not to_run:
        faults = read.driver_faults + faults
    tolerated: tuple[ConfigIssue, ...] = ()
    if to_run:
        tolerated = (*read.locate([fault for fault in faults if fault.is_tolerable]), *elsewhere)
        faults, elsewhere = [fault for fault in faults if not fault.is_tolerable], ()
    if faults or elsewhere or draft.gateway is None or draft.broker is None:
        raise ConfigError(read.locate(faults) + elsewhere)
    return _post(draft.gateway, draft.broker, read, read.devices, tolerated)


def load_sound_parts(path: Path | str, environ: Mapping[str, str] | None = None) -> Post:
    """Load the parts of a post's file that are without mistakes, to examine the post; never to run it.

    All mistakes are in `Post.tolerated`. Devices with one, or whose driver cannot be used, are left out;
    other sections have their defaults. Raises ConfigError if the file cannot be read, or if `[gateway]` or
    `[broker]` is missing or wrong.
    """
    read = _read(Path(path), os.environ if environ is None else environ)
    issues = read.locate(read.driver_faults + read.faults) + read.elsewhere
    if read.draft.gateway is None or read.draft.broker is None:
        raise ConfigError(issues)
    wrong = {issue.key[1] for issue in issues if issue.key[:1] == ("device",) and len(issue.key) > 1}
    sound = {where: device for where, device in read.draft.devices.items() if str(where) not in wrong}
    return _post(read.draft.gateway, read.draft.broker, read, sound, issues)


@dataclass(frozen=True)
class _ReadFile:
    """A file with all its mistakes."""

    path: Path
    text: str
    draft: DraftPost
    """Its sections, and the devices with a usable driver."""
    devices: dict[Position, DeviceSettings]
    """All its devices."""
    faults: list[UnlocatedIssue]
    driver_faults: list[UnlocatedIssue]
    roles: Roles
    elsewhere: tuple[ConfigIssue, ...]
    """Mistakes of the role file."""

    def locate(self, faults: list[UnlocatedIssue]) -> tuple[ConfigIssue, ...]:
        """Return mistakes with their lines."""
        return locate(self.path, self.text, faults)


def _read(path: Path, environ: Mapping[str, str]) -> _ReadFile:
    """Read a file and find all its mistakes; raises ConfigError if it is not TOML."""
    text = read_text(path)
    filled = interpolate(parse(path, text), environ)
    draft = _validate(filled, path.absolute().parent)
    devices = draft.devices
    draft.devices = {where: device for where, device in devices.items() if device.driver_fault is None}
    driver_faults = [
        UnlocatedIssue(("device", str(position), "driver"), *device.driver_fault)
        for position, device in devices.items()
        if device.driver_fault is not None
    ]
    faults = filled.faults + list(validate(draft, environ))
    roles, elsewhere = _roles(draft.commands, faults)
    return _ReadFile(path, text, draft, devices, faults, driver_faults, roles, elsewhere)


def _post(
    gateway: GatewaySection,
    broker: BrokerSection,
    read: _ReadFile,
    devices: dict[Position, DeviceSettings],
    tolerated: tuple[ConfigIssue, ...],
) -> Post:
    draft = read.draft
    return Post(
        gateway=gateway,
        broker=broker,
        hq=draft.hq,
        delivery=draft.delivery or DeliverySection(),
        encryption=draft.encryption or EncryptionSection(),
        retention=draft.retention or RetentionSection(),
        supervision=draft.supervision or SupervisionSection(),
        log=draft.log or LogSection(),
        commands=draft.commands or CommandsSection(),
        console=draft.console or ConsoleSection(),
        counter=draft.counter,
        roles=read.roles,
        devices=devices if gateway.is_named else {},
        tolerated=tolerated,
        file_times=_file_times(broker, draft.hq),
    )


def _validate(filled: InterpolatedTable, folder: Path) -> DraftPost:
    """Validate every section and device; mistakes are added to the faults."""
    draft = DraftPost()
    for name, model in {**REQUIRED, **OPTIONAL}.items():
        if name in filled.table:
            setattr(draft, name, validate_table(model, filled, (name,), filled.table[name], folder))
        elif name in ("delivery", "encryption", "retention", "supervision", "log", "commands", "console"):
            setattr(draft, name, model())
    _check_section_names(filled, unnamed=draft.gateway is not None and not draft.gateway.is_named)
    # Searching the installed packages takes milliseconds; a post has many devices of few kinds.
    devices = _device_tables(filled)
    names = {table.get("driver") for _, table in devices if isinstance(table, dict)}
    points = find_drivers({name for name in names if isinstance(name, str)})
    driver_named = cache(load_driver)
    reasons = _probe_foreign_drivers(devices, points)
    for name, table in devices:
        try:
            position = Position.parse(name)
            if position.lane == GATEWAY_LANE:
                raise ValueError(f"{GATEWAY_LANE} is no lane")
        except ValueError:
            filled.faults.append(_not_a_position(name, table))
            continue
        if device := _device(filled, name, table, folder, points, driver_named, reasons):
            draft.devices[position] = device
    return draft


def _check_section_names(filled: InterpolatedTable, *, unnamed: bool) -> None:
    """Report sections that do not exist, and sections that are missing."""
    known = {*REQUIRED, *OPTIONAL, "device"}
    strays = [name for name in filled.table if name not in known]
    needed = REQUIRED if unnamed else (*REQUIRED, "device")
    missing = [name for name in needed if name not in filled.table]
    if not strays and not missing:
        return
    from gateway.config.messages import closest_match, suggest_name

    for name in strays:
        filled.faults.append(
            UnlocatedIssue((name,), "there is no such section", suggest_name(name, known, "known sections"))
        )
    examples = {
        "gateway": "[gateway] with site, name, profile and state_dir",
        "broker": '[broker] with host = "127.0.0.1", the post\'s own broker',
        "device": '[device."lane-1/reader"] with driver = "..." for each device',
    }
    for name in missing:
        if not closest_match(name, strays):
            filled.faults.append(UnlocatedIssue((name,), "the section is missing", f"add {examples[name]}"))


def _device_tables(filled: InterpolatedTable) -> list[tuple[str, object]]:
    match filled.table.get("device"):
        case None:
            return []
        case dict() as devices if devices:
            return list(devices.items())
        case dict():
            text = "a post without devices"
        case _:
            text = "this is not a table of devices"
    remedy = 'describe each device as [device."lane-1/reader"], its position in quotes'
    filled.faults.append(UnlocatedIssue(("device",), text, remedy))
    return []


def _not_a_position(name: str, table: object) -> UnlocatedIssue:
    """Make the mistake of a device's key that is no position; most often the quotes are missing."""
    inner = (
        [key for key, value in table.items() if isinstance(value, dict)] if isinstance(table, dict) else []
    )
    if inner:
        return UnlocatedIssue(
            ("device", name),
            "a position is one name in quotes, not two",
            f'write [device."{name}/{inner[0]}"]',
        )
    return UnlocatedIssue(
        ("device", name),
        "this is no position",
        'write lane/device, as in [device."lane-1/reader"]: lower-case letters, digits and inner hyphens',
    )


def _device(
    filled: InterpolatedTable,
    name: str,
    table: object,
    folder: Path,
    points: Mapping[str, EntryPoint],
    driver_named: DriverLookup,
    reasons: Mapping[str, str],
) -> DeviceSettings | None:
    key: Key = ("device", name)
    if not isinstance(table, dict):
        filled.faults.append(
            UnlocatedIssue(key, "this is not a table", f'write [device."{name}"] and below it the settings')
        )
        return None
    driver_name = table.get("driver")
    if not isinstance(driver_name, str):
        filled.faults.append(_no_driver(key, table))
        return None
    common = {name: value for name, value in table.items() if name in CommonDeviceSettings.model_fields}
    own = _own_settings(table)
    if (reason := reasons.get(driver_name)) is not None:
        driver: type[Driver[Settings]] = _unusable(driver_name, reason)
    else:
        driver = _driver(filled, key, driver_name, points, driver_named)
    common_settings = validate_table(CommonDeviceSettings, filled, key, common, folder)
    try:
        settings = validate_table(driver.settings_model, filled, key, own, folder)
    except Exception as error:  # noqa: BLE001 - a validator of another package may fail in any way
        driver = _unusable(driver_name, f"{type(error).__name__} in its settings")
        settings = driver.settings_model.model_validate(own)
    if common_settings is None or settings is None:
        return None
    return DeviceSettings(
        driver=driver_name,
        settings=settings,
        raw_settings=own,
        driver_fault=(driver.text, driver.how) if issubclass(driver, UnusableDriver) else None,
        **common_settings.model_dump(),
    )


def _no_driver(key: Key, table: Mapping[str, object]) -> UnlocatedIssue:
    installed = f"installed: {', '.join(sorted(installed_drivers()))}"
    if "driver" in table:
        return UnlocatedIssue(
            (*key, "driver"), "this is not the name of a driver", f"write it in quotes; {installed}"
        )
    return UnlocatedIssue(
        (*key, "driver"), "is missing", f'add driver = "...", the program for this device; {installed}'
    )


def _own_settings(table: Mapping[str, object]) -> dict[str, object]:
    """Return the driver's part of a device's table."""
    common = CommonDeviceSettings.model_fields
    return {name: value for name, value in table.items() if name != "driver" and name not in common}


def _probe_foreign_drivers(
    devices: Sequence[tuple[str, object]], points: Mapping[str, EntryPoint]
) -> dict[str, str]:
    """Try every driver of another package in a process of its own; return the reasons of unusable ones."""
    settings: dict[str, list[dict[str, object]]] = {}
    for _, table in devices:
        name = table.get("driver") if isinstance(table, dict) else None
        if isinstance(table, dict) and isinstance(name, str) and name in points and is_foreign(points[name]):
            settings.setdefault(name, []).append(_own_settings(table))
    if not settings:
        return {}
    with ThreadPoolExecutor(PROBES_AT_ONCE) as pool:
        reasons = pool.map(probe_driver, settings.keys(), settings.values())
        return {name: reason for name, reason in zip(settings, reasons, strict=True) if reason is not None}


def _driver(
    filled: InterpolatedTable,
    key: Key,
    name: str,
    points: Mapping[str, EntryPoint],
    driver_named: DriverLookup,
) -> type[Driver[Settings]]:
    """Return a driver, or its replacement if it cannot be used."""
    if name not in points:
        from gateway.config.messages import redact_value, suggest_name

        text = f"no driver is named {redact_value((*key, 'driver'), name, filled.origins)}"
        return unusable_driver(text, suggest_name(name, points, "installed drivers"))
    try:
        driver = driver_named(name)
        reason = declaration_fault(driver)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a package may fail in any way when imported
        reason = describe_error(error)
    return driver if reason is None else _unusable(name, reason)


def _unusable(name: str, reason: str) -> type[UnusableDriver]:
    """Make the replacement for an installed driver; the text names its package and file."""
    point = installed_drivers()[name]
    package = f"package {package_of(point)}" if point.dist is not None else "no package"
    return unusable_driver(
        f"the driver {name} is installed but cannot be used ({reason}); {package}, {point.value}",
        "install its package again with its dependencies (pip check lists those that are missing), or take "
        "the device out; then restart the gateway. `borderpost drivers` shows the mistakes of every "
        "package, and its author finds them with `borderpost accept-driver`",
    )


def _roles(
    commands: CommandsSection | None, faults: list[UnlocatedIssue]
) -> tuple[Roles, tuple[ConfigIssue, ...]]:
    """Load the role file, if there is one; returns its mistakes too."""
    if commands is None or commands.roles_file is None:
        return NO_ROLES, ()
    if any(fault.key == ("commands", "roles_file") for fault in faults):
        return NO_ROLES, ()
    try:
        return load_roles(commands.roles_file), ()
    except ConfigError as error:
        return NO_ROLES, error.issues


def _file_times(*destinations: DestinationSection | None) -> dict[Path, int]:
    times = {}
    for destination in destinations:
        for file in destination.credential_files() if destination is not None else ():
            with suppress(OSError):  # a missing file is a mistake of its own
                times[file] = file.stat().st_mtime_ns
    return times
