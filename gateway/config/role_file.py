"""Loader of the role file; mistakes have line, key and remedy, as those of the post's file."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from gateway.config.errors import ConfigError, UnlocatedIssue
from gateway.config.interpolation import InterpolatedTable
from gateway.config.roles import BrokerRole, Roles, StationEntry, StationKey
from gateway.config.sections import ConfigSection, validate_table
from gateway.config.toml import locate, parse, read_text
from gateway.contract.commands import NAME
from gateway.contract.topics import SLUG

SectionT = TypeVar("SectionT", bound=ConfigSection)
KEY_ID = r"[A-Za-z0-9_-]{43}"
_EXAMPLES = {
    "role": "officer",
    "station": "counter-1",
    "key": "Wm6XVnaQWFBtSPGWbD4ARgPIIKUOIB38ThNFJrUqTjM",
}


def load_roles(path: Path) -> Roles:
    """Load a role file; raises ConfigError with all its mistakes."""
    text = read_text(path)
    filled = InterpolatedTable(parse(path, text))
    roles = _read_sections(filled, "role", BrokerRole, SLUG, "lower-case letters, digits and inner hyphens")
    stations = _read_sections(
        filled, "station", StationEntry, NAME, "the user name at the broker, without / + #"
    )
    keys = _read_sections(filled, "key", StationKey, KEY_ID, "the id that `borderpost trust key` prints")
    rest = {name: value for name, value in filled.table.items() if name not in ("role", "station", "key")}
    whole = validate_table(Roles, filled, (), rest, path.parent)
    if whole is not None:
        whole = whole.model_copy(update={"role": roles, "station": stations, "key": keys})
        filled.faults += _check_references(whole, set(filled.table.get("role", {})))
        filled.faults += _check_keys(whole, set(filled.table.get("station", {})))
    if filled.faults or whole is None:
        raise ConfigError(locate(path, text, filled.faults))
    return whole


def _read_sections(
    filled: InterpolatedTable, section: str, model: type[SectionT], pattern: str, form: str
) -> dict[str, SectionT]:
    """Validate each `[section.NAME]` on its own, so that all mistakes are reported."""
    found: dict[str, SectionT] = {}
    tables: Any = filled.table.get(section, {})
    example = f'[{section}."{_EXAMPLES[section]}"]'
    if not isinstance(tables, dict):
        filled.faults.append(UnlocatedIssue((section,), "this is not a table of tables", f"write {example}"))
        filled.table[section] = {}
        return found
    for name, table in tables.items():
        if not re.fullmatch(pattern, name):
            filled.faults.append(
                UnlocatedIssue((section, name), "this cannot be a name", f"{form}, as in {example}")
            )
        elif not isinstance(table, dict):
            filled.faults.append(UnlocatedIssue((section, name), "this is not a table", f"write {example}"))
        elif (valid := validate_table(model, filled, (section, name), table, Path())) is not None:
            found[name] = valid
    return found


def _check_references(whole: Roles, role_names: set[str]) -> Iterator[UnlocatedIssue]:
    """Find wrong references. `role_names`: every role of the file, those with mistakes included."""
    for name, station in whole.station.items():
        foreign = station.authority not in (None, whole.authority)
        if foreign and (station.roles or station.positions):
            yield UnlocatedIssue(
                ("station", name, "authority"),
                f"a station of {station.authority} cannot be given anything at a post of {whole.authority}",
                "take out its roles and positions; a station of this post needs an account of its own",
            )
        for at, role in enumerate(station.roles):
            if role not in role_names:
                from gateway.config.messages import suggest_name

                yield UnlocatedIssue(
                    ("station", name, "roles", at),
                    f'there is no role "{role}"',
                    suggest_name(role, role_names, "roles of this file"),
                )
        if station.roles and not station.positions:
            yield UnlocatedIssue(
                ("station", name, "roles"),
                "the station has roles but no place to use them",
                'add positions = ["lane-1/*"] beside them, or ["*/*"] for everywhere',
            )
        if station.positions and not station.roles:
            yield UnlocatedIssue(
                ("station", name, "positions"),
                "the station has places but no role",
                'add roles = ["..."] beside them, or take the line out: without a role it commands nothing',
            )


def _check_keys(whole: Roles, station_names: set[str]) -> Iterator[UnlocatedIssue]:
    """Find keys of no station, and ids of other keys. `station_names`: every station of the file."""
    if not whole.key:
        return  # cryptography takes 100 ms to load
    from gateway.common.public_keys import key_id, parse_public_key
    from gateway.config.messages import suggest_name

    for name, entry in whole.key.items():
        if entry.station not in station_names:
            yield UnlocatedIssue(
                ("key", name, "station"),
                f'there is no station "{entry.station}"',
                suggest_name(entry.station, station_names, "stations of this file"),
            )
        own = key_id(parse_public_key(entry.public_key))
        if own != name:
            yield UnlocatedIssue(
                ("key", name, "public_key"),
                "this is the key of another id",
                f"write [key.{own}], or take the key out and enrol it again: borderpost trust enrol",
            )
