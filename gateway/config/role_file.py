"""From a role file to who may do what: every mistake with its line, key and remedy, as in the post's file."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from gateway.config.errors import ConfigError, Fault
from gateway.config.interpolation import Filled
from gateway.config.roles import Role, Roles, Station
from gateway.config.sections import Section, validated
from gateway.config.toml import located, parse, read
from gateway.contract.commands import NAME
from gateway.contract.topics import SLUG

SectionT = TypeVar("SectionT", bound=Section)


def load_roles(path: Path) -> Roles:
    """Read a role file; raises ConfigError with everything that is wrong with it."""
    text = read(path)
    filled = Filled(parse(path, text))
    roles = _tables(filled, "role", Role, SLUG, "lower-case letters, digits and inner hyphens")
    stations = _tables(
        filled, "station", Station, NAME, "the user name as the broker knows it, without / + #"
    )
    rest = {name: value for name, value in filled.table.items() if name not in ("role", "station")}
    whole = validated(Roles, filled, (), rest, path.parent)
    if whole is not None:
        whole = whole.model_copy(update={"role": roles, "station": stations})
        filled.faults += _contradictions(whole, set(filled.table.get("role", {})))
    if filled.faults or whole is None:
        raise ConfigError(located(path, text, filled.faults))
    return whole


def _tables(
    filled: Filled, section: str, model: type[SectionT], pattern: str, form: str
) -> dict[str, SectionT]:
    """Validate `[section.NAME]` one by one, so that one mistake does not hide the next."""
    found: dict[str, SectionT] = {}
    tables: Any = filled.table.get(section, {})
    example = f'[{section}."{ {"role": "officer", "station": "counter-1"}[section] }"]'
    if not isinstance(tables, dict):
        filled.faults.append(Fault((section,), "this is not a table of tables", f"write {example}"))
        filled.table[section] = {}
        return found
    for name, table in tables.items():
        if not re.fullmatch(pattern, name):
            filled.faults.append(Fault((section, name), "this cannot be a name", f"{form}, as in {example}"))
        elif not isinstance(table, dict):
            filled.faults.append(Fault((section, name), "this is not a table", f"write {example}"))
        elif (valid := validated(model, filled, (section, name), table, Path())) is not None:
            found[name] = valid
    return found


def _contradictions(whole: Roles, named: set[str]) -> Iterator[Fault]:
    """`named`: every role that the file has, those with mistakes included."""
    for name, station in whole.station.items():
        foreign = station.authority not in (None, whole.authority)
        if foreign and (station.roles or station.positions):
            yield Fault(
                ("station", name, "authority"),
                f"a station of {station.authority} cannot be given anything at a post of {whole.authority}",
                "take out its roles and positions; whoever belongs to this post has an account of its own",
            )
        for at, role in enumerate(station.roles):
            if role not in named:
                from gateway.config.messages import unknown_name

                yield Fault(
                    ("station", name, "roles", at),
                    f'there is no role "{role}"',
                    unknown_name(role, named, "roles of this file"),
                )
        if station.roles and not station.positions:
            yield Fault(
                ("station", name, "roles"),
                "the station has roles but no place to use them",
                'add positions = ["lane-1/*"] beside them, or ["*/*"] for everywhere',
            )
        if station.positions and not station.roles:
            yield Fault(
                ("station", name, "positions"),
                "the station has places but no role",
                'add roles = ["..."] beside them, or take the line out: without a role it commands nothing',
            )
