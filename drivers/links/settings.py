"""Base model of device settings, and the rights that its links need."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from drivers.links.address import canonical_address

_ANY_WORD = "\0any word"


@dataclass(frozen=True, slots=True)
class NetworkHost:
    """Host to which a worker may be connected over TCP."""

    name: str | None
    """Address or name; None: any host that a search may find in a network of this machine."""
    port: int | None
    """None: any port, because the device states those of its services."""
    interface: str | None = None
    """Address of the interface of the search; None: all but loopback."""


@dataclass(frozen=True, slots=True)
class MulticastGroup:
    """Group that a worker may query by UDP."""

    address: str
    """IPv4 address."""
    port: int
    interface: str | None = None
    """Address of the interface to send through; None: the default one."""


@dataclass(frozen=True, slots=True)
class LinkRights:
    """Rights of a worker process, by the links of its device: it is denied all else."""

    node_finders: tuple[Callable[[], str | None], ...] = ()
    """Each returns the path of a node that is there now, or None. Found again before every opening."""
    readable: frozenset[Path] = frozenset()
    """Files, and folders with all that is in them."""
    hosts: frozenset[NetworkHost] = frozenset()
    """Hosts to which the daemon connects the worker, which cannot connect by itself."""
    listen_ports: frozenset[int] = frozenset()
    search: MulticastGroup | None = None
    """Group of a search, which the daemon queries for the worker."""
    local_sockets: bool = False
    """UNIX sockets."""
    kernel_events: bool = False
    """Netlink events of devices."""

    def __or__(self, other: "LinkRights") -> "LinkRights":
        """Return both."""
        return LinkRights(
            self.node_finders + other.node_finders,
            self.readable | other.readable,
            self.hosts | other.hosts,
            self.listen_ports | other.listen_ports,
            self.search or other.search,
            self.local_sockets or other.local_sockets,
            self.kernel_events or other.kernel_events,
        )

    def nodes(self) -> tuple[str, ...]:
        """Return the nodes that are there now."""
        return tuple(node for find in self.node_finders if (node := find()) is not None)


def network_rights(host: str, port: int | None) -> LinkRights:
    """Return the rights of a client of one TCP port of a host; None: of all its ports."""
    return LinkRights(hosts=frozenset({NetworkHost(host.strip("[]"), port)}))


class Settings(BaseModel):
    """Settings of one device: a table of the configuration file, without `driver` itself."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    def exclusive_addresses(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Yield what only one device of a machine may use, as its key and a comparable address.

        Compared by `drivers.links.address.is_same_address`.
        """
        key = next((key for key in ("port", "url", "listen") if hasattr(self, key)), "port")
        port = getattr(self, key, None)
        if isinstance(port, str):
            yield (key,), canonical_address(getattr(self, "exclusive_key", port))

    def serial_ports(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Yield the serial ports that no other such device may share under any name, with their keys.

        Compared by `drivers.links.address.are_named_differently`.
        """
        yield from ()

    def link_rights(self) -> LinkRights:
        """Return the rights of all links that these settings describe, nested tables included.

        A link's settings add theirs. A path in any table is readable.
        """
        rights = LinkRights()
        for name in type(self).model_fields:
            for each in _each_value(getattr(self, name)):
                if isinstance(each, Settings):
                    rights |= each.link_rights()
                elif isinstance(each, Path):
                    rights |= LinkRights(readable=frozenset({each}))
        return rights

    def fingerprint(self) -> str:
        """Return a short digest of all values, defaults included, as 16 hexadecimal digits."""
        content = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def public_values(self) -> dict[str, Any]:
        """Return configured values that cannot name a host, secret or person.

        Numbers, and words of a closed list.
        """
        return _public_values(self)


def _each_value(value: object) -> Iterable[object]:
    return value if isinstance(value, tuple | list) else (value,)


def _public_values(table: BaseModel) -> dict[str, Any]:
    fields = type(table).model_fields
    values: dict[str, Any] = {}
    for name in sorted(table.model_fields_set & fields.keys(), key=list(fields).index):
        value = getattr(table, name)
        match value:
            case BaseModel():
                values[name] = _public_values(value)
            case tuple() | list() if value and all(isinstance(item, BaseModel) for item in value):
                values[name] = [_public_values(item) for item in value]
            case bool() | int() | float() | None:
                values[name] = value
            case str() if _is_listed(fields[name].annotation, value, _ANY_WORD):
                values[name] = str(value)
            case tuple() | list() if all(_is_public_item(fields[name].annotation, item) for item in value):
                values[name] = list(value)
    return values


def _is_public_item(annotation: Any, item: object) -> bool:
    """Return True for a number, or a word of a closed list."""
    if isinstance(item, str):
        return _is_listed(annotation, [item], [_ANY_WORD])
    return isinstance(item, bool | int | float)


def _is_listed(annotation: Any, value: object, any_value: object) -> bool:
    """Return True if the annotation accepts the value, but not any value."""
    return _accepted(annotation, value) and not _accepted(annotation, any_value)


def _accepted(annotation: Any, value: object) -> bool:
    from pydantic import TypeAdapter, ValidationError  # only for recorders: not in every worker

    try:
        TypeAdapter(annotation).validate_python(value)
    except ValidationError:
        return False
    return True
