"""From a file to a post: read, parse, fill in the environment, validate, cross-check."""

import os
import re
import stat
import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from drivers.driver import Driver, UnknownDriverError, installed_drivers, load_driver
from drivers.links.settings import Settings
from gateway.config.environment import Filled, fill
from gateway.config.findings import ConfigError, Fault, Finding, Key
from gateway.config.model import (
    Broker,
    Delivery,
    Destination,
    DeviceSettings,
    GatewayName,
    Headquarters,
    Log,
    Post,
    Section,
    Supervision,
    Vault,
)
from gateway.config.rules import Draft, check
from gateway.contract.topics import GATEWAY_LANE, Position

LARGEST_BYTES = 1 << 20
"""A hundred devices are described in 20 kB; a larger file is something else."""

REQUIRED: Mapping[str, type[Section]] = {"gateway": GatewayName, "broker": Broker}
OPTIONAL: Mapping[str, type[Section]] = {
    "hq": Headquarters,
    "delivery": Delivery,
    "vault": Vault,
    "supervision": Supervision,
    "log": Log,
}

ModelT = TypeVar("ModelT", bound=BaseModel)
DriverNamed = Callable[[str], type[Driver[Settings]]]
"""Gives the driver of a name; raises UnknownDriverError, or whatever its module raises."""


def load(path: Path | str, environ: Mapping[str, str] | None = None) -> Post:
    """Read a post's file; raises ConfigError with everything that is wrong with it.

    `environ` is what `${NAME}` refers to, the process's environment when not given.
    """
    path = Path(path)
    text = _read(path)
    filled = fill(_parse(path, text), os.environ if environ is None else environ)
    draft = _validate(filled, path.absolute().parent)
    faults = filled.faults + list(check(draft, os.environ if environ is None else environ))
    if faults or draft.gateway is None or draft.broker is None:
        raise ConfigError(_located(path, text, faults))
    return Post(
        gateway=draft.gateway,
        broker=draft.broker,
        hq=draft.hq,
        delivery=draft.delivery or Delivery(),
        vault=draft.vault or Vault(),
        supervision=draft.supervision or Supervision(),
        log=draft.log or Log(),
        devices=draft.devices,
        stamps=_stamps(draft.broker, draft.hq),
    )


def _read(path: Path) -> str:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise _unusable(path, "this is a folder", "name the file in it, as in config/example.toml")
        if not stat.S_ISREG(status.st_mode):
            raise _unusable(path, "this is not a regular file", "name a file, not a pipe or a device")
        if status.st_size > LARGEST_BYTES:
            raise _unusable(path, "this is far too large for a configuration", "name the post's TOML file")
        content = path.read_bytes()
    except FileNotFoundError:
        raise _unusable(
            path, "there is no such file", "check the path; start from a copy of config/example.toml"
        ) from None
    except PermissionError:
        raise _unusable(
            path, "this user may not read the file", "run as the service's user, or chown root:borderpost"
        ) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "the path is unusable"
        raise _unusable(path, f"the file cannot be read: {reason}", "check the path") from None
    try:
        # Windows editors put a byte order mark before UTF-8; it means nothing.
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _unusable(
            path,
            f"byte 0x{content[error.start]:02x} is not UTF-8",
            "save the file as UTF-8, without UTF-16 and without Latin-1 letters",
            line,
        ) from None


def _unusable(
    path: Path, text: str, remedy: str, line: int | None = None, column: int | None = None
) -> ConfigError:
    return ConfigError((Finding(str(path), line, column, (), text, remedy),))


def _parse(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise _unusable(path, "the nesting is too deep", "a post needs three levels at most", 1) from None
    except ValueError as error:  # TOMLDecodeError, and what int() says to a number of 5,000 digits
        said, line, column = _syntax(str(error), text)
        raise _unusable(path, f"not TOML: {said}", _syntax_remedy(said), line, column) from None


def _syntax(message: str, text: str) -> tuple[str, int, int | None]:
    """Take the parser's place out of its sentence: it gives it only there."""
    if match := re.fullmatch(r"(?s)(.*) \(at line (\d+), column (\d+)\)", message):
        said, line, column = match.groups()
        return said, int(line), int(column)
    last_line = max(1, len(text.splitlines()))
    return message.removesuffix(" (at end of document)"), last_line, None


def _syntax_remedy(said: str) -> str:
    match said.lower():
        case words if "twice" in words or "overwrite" in words or "duplicate" in words:
            return "the same table or key stands further up: keep one of the two"
        case words if "invalid value" in words:
            return 'text needs double quotes, as in name = "gw-1"; numbers, true and false stand alone'
        case words if (
            "after a key" in words or "at the end of a table" in words or "invalid statement" in words
        ):
            return 'write key = value, a line each; a device is [device."lane-1/reader"], its name in quotes'
        case words if "escape" in words:
            return "a backslash is written twice, or put the text in single quotes"
        case _:
            return "correct the line; config/example.toml shows the form, https://toml.io the rules"


def _validate(filled: Filled, folder: Path) -> Draft:
    """Validate section by section and device by device; what is wrong is added to the faults."""
    draft = Draft()
    for name, model in {**REQUIRED, **OPTIONAL}.items():
        if name in filled.table:
            setattr(draft, name, _validated(model, filled, (name,), filled.table[name], folder))
        elif name in ("delivery", "vault", "supervision", "log"):
            setattr(draft, name, model())
    _sections(filled)
    # Looking through what is installed takes milliseconds; a post has many devices of few kinds.
    driver_named = cache(load_driver)
    for name, table in _device_tables(filled):
        try:
            position = Position.parse(name)
            if position.lane == GATEWAY_LANE:
                raise ValueError(f"{GATEWAY_LANE} is no lane")
        except ValueError:
            filled.faults.append(_no_position(name, table))
            continue
        if device := _device(filled, name, table, folder, driver_named):
            draft.devices[position] = device
    return draft


def _sections(filled: Filled) -> None:
    """Look for sections that do not exist, and for those that must."""
    known = {*REQUIRED, *OPTIONAL, "device"}
    strays = [name for name in filled.table if name not in known]
    missing = [name for name in (*REQUIRED, "device") if name not in filled.table]
    if not strays and not missing:
        return
    from gateway.config.words import nearest, unknown_name

    for name in strays:
        filled.faults.append(
            Fault((name,), "there is no such section", unknown_name(name, known, "known sections"))
        )
    examples = {
        "gateway": "[gateway] with site, name, profile and state_dir",
        "broker": '[broker] with host = "127.0.0.1", the post\'s own broker',
        "device": '[device."lane-1/reader"] with driver = "..." for each device',
    }
    for name in missing:
        if not nearest(name, strays):
            filled.faults.append(Fault((name,), "the section is missing", f"add {examples[name]}"))


def _device_tables(filled: Filled) -> list[tuple[str, object]]:
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
    filled.faults.append(Fault(("device",), text, remedy))
    return []


def _no_position(name: str, table: object) -> Fault:
    """A device's key that is no position; most often the quotes were forgotten."""
    inner = (
        [key for key, value in table.items() if isinstance(value, dict)] if isinstance(table, dict) else []
    )
    if inner:
        return Fault(
            ("device", name),
            "a position is one name in quotes, not two",
            f'write [device."{name}/{inner[0]}"]',
        )
    return Fault(
        ("device", name),
        "this is no position",
        'write lane/device, as in [device."lane-1/reader"]: lower-case letters, digits and inner hyphens',
    )


def _device(
    filled: Filled, name: str, table: object, folder: Path, driver_named: DriverNamed
) -> DeviceSettings | None:
    key: Key = ("device", name)
    if not isinstance(table, dict):
        filled.faults.append(
            Fault(key, "this is not a table", f'write [device."{name}"] and the settings under it')
        )
        return None
    driver_name = table.get("driver")
    if not isinstance(driver_name, str):
        filled.faults.append(_no_driver(key, table))
        return None
    driver = _driver(filled, key, driver_name, driver_named)
    if driver is None:
        return None
    own = {name: value for name, value in table.items() if name != "driver"}
    settings = _validated(driver.settings_model, filled, key, own, folder)
    return DeviceSettings(driver=driver_name, settings=settings, table=own) if settings is not None else None


def _no_driver(key: Key, table: Mapping[str, object]) -> Fault:
    installed = f"installed: {', '.join(sorted(installed_drivers()))}"
    if "driver" in table:
        return Fault((*key, "driver"), "this is not the name of a driver", f"write it in quotes; {installed}")
    return Fault((*key, "driver"), "is missing", f'add driver = "...": who speaks to the device; {installed}')


def _driver(filled: Filled, key: Key, name: str, driver_named: DriverNamed) -> type[Driver[Settings]] | None:
    key = (*key, "driver")
    try:
        driver = driver_named(name)
        model: object = driver.settings_model
        if isinstance(model, type) and issubclass(model, Settings):
            return driver
        reason = "its settings_model is no Settings"
    except UnknownDriverError:
        from gateway.config.words import shown, unknown_name

        text = f"no driver is named {shown(key, name, filled.origins)}"
        filled.faults.append(Fault(key, text, unknown_name(name, installed_drivers(), "installed drivers")))
        return None
    except Exception as error:  # noqa: BLE001 - somebody else's package may fail in any way when imported
        reason = f"{type(error).__name__}: {error}"
    filled.faults.append(
        Fault(
            key,
            f"the driver {name} is installed but cannot be used ({reason})",
            "install its package again with everything it needs: pip check tells what is missing",
        )
    )
    return None


def _validated(model: type[ModelT], filled: Filled, key: Key, table: object, folder: Path) -> ModelT | None:
    """Validate one table; None, and faults, when it is wrong."""
    try:
        valid = model.model_validate(table, context={"folder": folder})
    except ValidationError as error:
        from gateway.config.words import faults

        # What could not be filled in has its fault already; its text says nothing more.
        unfilled = {fault.key for fault in filled.faults}
        filled.faults += [
            fault for fault in faults(error, model, key, table, filled.origins) if fault.key not in unfilled
        ]
        return None
    confused = list(_truths(valid, table, key)) if isinstance(table, dict) else []
    filled.faults += confused
    return None if confused else valid


def _truths(valid: BaseModel, table: Mapping[str, object], key: Key) -> list[Fault]:
    """Find `true` where a number belongs: to Python, and so to pydantic, it is a 1."""
    found: list[Fault] = []
    for name, raw in table.items():
        value = getattr(valid, name, None)
        if isinstance(raw, bool) and isinstance(value, int | float) and not isinstance(value, bool):
            text = f"{str(raw).lower()} is not a number"
            found.append(Fault((*key, name), text, "write the number; true and false are for switches"))
        elif isinstance(raw, dict) and isinstance(value, BaseModel):
            found += _truths(value, raw, (*key, name))
    return found


def _located(path: Path, text: str, faults: list[Fault]) -> tuple[Finding, ...]:
    from gateway.config.places import Places

    places = Places(text)
    findings = [
        Finding(str(path), places.line(fault.key), None, fault.key, fault.text, fault.remedy)
        for fault in faults
    ]
    return tuple(sorted(findings, key=lambda finding: finding.line or 0))


def _stamps(*destinations: Destination | None) -> dict[Path, int]:
    return {
        file: file.stat().st_mtime_ns
        for destination in destinations
        if destination is not None
        for file in destination.files()
    }
