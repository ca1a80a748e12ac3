"""Principals at a broker: one file, which names posts' files for their sites, gateways and lanes.

Of a post's file only those are read: its certificates and role file may not exist yet.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field, StringConstraints

from gateway.config.errors import ConfigError, Key, UnlocatedIssue
from gateway.config.interpolation import InterpolatedTable, interpolate
from gateway.config.model import FilePath, GatewaySection, Host
from gateway.config.roles import Authority
from gateway.config.sections import ConfigSection, validate_table
from gateway.config.toml import locate, parse, read_text
from gateway.contract.commands import NAME, Name
from gateway.contract.topics import SLUG, Position, Slug

PersonRole = Literal["supervisor", "technician", "hq"]
PrincipalKind = Literal["gateway", "station", PersonRole]
PRINCIPAL_KINDS: tuple[PrincipalKind, ...] = ("gateway", "station", *get_args(PersonRole))
SharedKind = Literal["states", "events"]
BROKER = "broker"
"""Name of the broker's own certificate and directory."""
INDEX, AUTHORITY_KEY, AUTHORITY, SIGNED_BY = "authority.json", "ca.key", "ca.crt", "signed-by"
RESERVED_NAMES = frozenset({BROKER, INDEX, AUTHORITY_KEY, AUTHORITY, SIGNED_BY})
"""Names in the directory of an authority that no principal can have."""
MAX_COMMON_NAME = 64
"""Upper bound on a common name (RFC 5280, appendix A.1: ub-common-name)."""


def _position(text: str) -> str:
    return str(Position.parse(text))


class BrokerRef(ConfigSection):
    """Address of the broker."""

    names: tuple[Host, ...] = Field(
        ("localhost", "127.0.0.1"),
        min_length=1,
        description="Names and addresses by which others reach it, for its certificate.",
        examples=[["localhost", "127.0.0.1", "broker.busia.example"]],
    )
    port: int = Field(8883, ge=1, le=65535, description="Port it listens on.", examples=[8883])
    websocket_port: int | None = Field(
        None, ge=1, le=65535, description="Port for browsers; without it there is none.", examples=[8884]
    )


class PostRef(ConfigSection):
    """One gateway, by the file that describes its post."""

    file: FilePath = Field(description="The post's file.", examples=["gateway.toml"])
    authority: Authority = Field(description="Authority of the post.", examples=["KE"])
    name_prefix: Annotated[str, StringConstraints(pattern=r"^([a-z0-9][a-z0-9-]{0,14})?$")] = Field(
        "",
        description="Prefix of the names of its gateway and lanes; distinguishes two sites.",
        examples=["ke-"],
    )
    movable_positions: tuple[Annotated[str, AfterValidator(_position)], ...] = Field(
        (),
        description="Devices that the station of their lane may move; supervisors may always.",
        examples=[["lane-1/barrier"]],
    )


class Person(ConfigSection):
    """A principal that is no lane's station. Its name is a place or duty, not a person's: brokers log it."""

    role: PersonRole = Field(description="supervisor, technician or hq.", examples=["supervisor"])
    site: Slug | None = Field(
        None, description="Site; required where the broker has several.", examples=["ke-busia"]
    )


class SharedAccess(ConfigSection):
    """Lanes of one site that principals of another site may read. Commands are never shared."""

    site: Slug = Field(description="Site of the lanes.", examples=["ke-busia"])
    lanes: tuple[Slug, ...] = Field(min_length=1, description="Which.", examples=[["lane-3"]])
    principals: tuple[Name, ...] = Field(
        min_length=1, description="Principals that may read them.", examples=[["ug-lane-3"]]
    )
    scope: SharedKind = Field(
        "states",
        description="states: states of devices; events: all events too, with travellers' data.",
        examples=["states"],
    )


@dataclass(frozen=True, slots=True)
class Principal:
    """Owner of a certificate: its common name is the user name at the broker."""

    name: str
    kind: PrincipalKind
    site: str
    lane: str | None = None
    """Lane of a station."""
    gateway: str | None = None
    """Name of a gateway in its topics."""
    positions: tuple[str, ...] = ()
    """Positions that a gateway serves."""


@dataclass(slots=True)
class Site:
    """One state's trust domain at the broker."""

    name: str
    authority: str
    name_prefix: str
    lanes: list[str] = field(default_factory=list)
    gateways: list[str] = field(default_factory=list)
    movable_positions: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Deployment:
    """All sites and principals at one broker."""

    broker: BrokerRef
    sites: dict[str, Site]
    principals: dict[str, Principal]
    shared_access: tuple[SharedAccess, ...]
    training: bool

    def at_site(self, site: str) -> Iterator[Principal]:
        """Return the principals of one site."""
        return (principal for principal in self.principals.values() if principal.site == site)


def load_deployment(path: Path, environ: Mapping[str, str] | None = None) -> Deployment:
    """Load a description and the posts that it names; raises ConfigError with all mistakes."""
    environ = os.environ if environ is None else environ
    text = read_text(path)
    filled = interpolate(parse(path, text), environ)
    deployment = _Reading(filled, path.absolute().parent, environ).deployment()
    if filled.faults or deployment is None:
        raise ConfigError(locate(path, text, filled.faults))
    return deployment


class _Reading:
    """Reader of one description."""

    def __init__(self, filled: InterpolatedTable, folder: Path, environ: Mapping[str, str]) -> None:
        self._filled, self._folder, self._environ = filled, folder, environ
        self._sites: dict[str, Site] = {}
        self._principals: dict[str, Principal] = {}
        self._profiles: set[bool] = set()
        self._gateways: dict[tuple[str, str], str] = {}
        """Gateway of each position, by site and position."""

    def deployment(self) -> Deployment | None:
        table = self._filled.table
        broker = validate_table(BrokerRef, self._filled, ("broker",), table.get("broker", {}), self._folder)
        for name in set(table) - {"broker", "post", "person", "shared"}:
            self._fault((name,), "there is no such section", "known: broker, post, person, shared")
        for at, post in enumerate(self._list("post", required=True)):
            found = validate_table(PostRef, self._filled, ("post", at), post, self._folder)
            if found is not None:
                self._post(("post", at), found)
        for site in self._sites.values():
            for lane in site.lanes:
                self._add(("post",), Principal(f"{site.name_prefix}{lane}", "station", site.name, lane=lane))
        self._people()
        shared = tuple(self._shared())
        if self._filled.faults or broker is None:
            return None
        return Deployment(broker, self._sites, self._principals, shared, training=self._profiles == {True})

    def _post(self, key: Key, post: PostRef) -> None:
        """Take site, gateway and lanes from a post's file."""
        try:
            described = interpolate(parse(post.file, read_text(post.file)), self._environ)
            named = validate_table(
                GatewaySection, described, ("gateway",), described.table.get("gateway", {}), post.file.parent
            )
        except ConfigError as error:
            self._fault((*key, "file"), f"{post.file}: {error.issues[0].text}", error.issues[0].remedy)
            return
        devices = described.table.get("device")
        places = [name for name in devices if re.fullmatch(f"{SLUG}/{SLUG}", name)] if devices else []
        if named is None or not places:
            self._fault(
                (*key, "file"), f"{post.file} describes no post", f"borderpost config check {post.file}"
            )
            return
        site = self._sites.setdefault(named.site, Site(named.site, post.authority, post.name_prefix))
        if (site.authority, site.name_prefix) != (post.authority, post.name_prefix):
            self._fault(
                (*key, "authority"),
                f"an earlier gateway of {named.site} has the authority {site.authority} and the prefix "
                f"{site.name_prefix!r}",
                "write the same authority and name_prefix for every gateway of a site",
            )
        self._profiles.add(named.profile == "training")
        if len(self._profiles) > 1:
            self._fault(
                (*key, "file"),
                f"{named.profile} and another profile at one broker",
                "describe the training post in a file of its own: it has its own authority and broker",
            )
        for place in post.movable_positions:
            if place not in places:
                self._fault(
                    (*key, "movable_positions"),
                    f"{post.file} has no device {place}",
                    f"it has {', '.join(places)}",
                )
        self._add(
            (*key, "file"),
            Principal(
                f"{post.name_prefix}{named.name}", "gateway", named.site, None, named.name, tuple(places)
            ),
        )
        for place in places:
            other = self._gateways.setdefault((named.site, place), named.name)
            if other != named.name:
                self._fault(
                    (*key, "file"),
                    f"{place} of {named.site} belongs to {other} as well: both would publish there",
                    f"remove the device from {post.file}, or give it another position",
                )
        site.gateways.append(named.name)
        site.lanes += sorted({place.partition("/")[0] for place in places} - set(site.lanes))
        site.movable_positions += post.movable_positions

    def _people(self) -> None:
        people = self._filled.table.get("person", {})
        if not isinstance(people, dict):
            self._fault(("person",), "this is not a table of tables", 'write [person."supervisor"]')
            return
        for name, table in people.items():
            key: Key = ("person", name)
            person = validate_table(Person, self._filled, key, table, self._folder)
            if person is None:
                continue
            site = person.site or (next(iter(self._sites)) if len(self._sites) == 1 else None)
            if site is None:
                self._fault(key, "the site is missing", f'add site = "...": {", ".join(self._sites)}')
            elif site not in self._sites:
                self._fault((*key, "site"), f"no post is of {site}", f"sites: {', '.join(self._sites)}")
            else:
                self._add(key, Principal(name, person.role, site))

    def _add(self, key: Key, principal: Principal) -> None:
        if (
            not re.fullmatch(NAME, principal.name)
            or principal.name in RESERVED_NAMES
            or len(principal.name) > MAX_COMMON_NAME
        ):
            self._fault(
                key, f"{principal.name!r} cannot be a name", f"letters, digits and inner . _ -; not {BROKER}"
            )
        elif principal.name in self._principals:
            self._fault(
                key,
                f"two are named {principal.name}: the broker cannot tell them apart",
                'rename one of them, or give each site a name_prefix = "ke-"',
            )
        else:
            self._principals[principal.name] = principal

    def _shared(self) -> Iterator[SharedAccess]:
        for at, table in enumerate(self._list("shared")):
            key: Key = ("shared", at)
            shared = validate_table(SharedAccess, self._filled, key, table, self._folder)
            if shared is None:
                continue
            site = self._sites.get(shared.site)
            if site is None:
                self._fault(
                    (*key, "site"), f"no post is of {shared.site}", f"sites: {', '.join(self._sites)}"
                )
                continue
            for lane in shared.lanes:
                if lane not in site.lanes:
                    self._fault(
                        (*key, "lanes"), f"{site.name} has no {lane}", f"it has {', '.join(site.lanes)}"
                    )
            for name in shared.principals:
                if name not in self._principals:
                    self._fault(
                        (*key, "principals"),
                        f"there is no principal named {name}",
                        f"known: {', '.join(self._principals)}",
                    )
            yield shared

    def _list(self, name: str, *, required: bool = False) -> list[Any]:
        entries = self._filled.table.get(name, [])
        if not isinstance(entries, list) or (required and not entries):
            self._fault((name,), f"there is no list [[{name}]]", f"write [[{name}]], in double brackets")
            return []
        return entries

    def _fault(self, key: Key, text: str, remedy: str) -> None:
        self._filled.faults.append(UnlocatedIssue(key, text, remedy))
