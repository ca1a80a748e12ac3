"""Who is known at a broker: one file, which names posts' files for their sites, gateways and lanes.

A post's file is read for that alone: the certificates and role file that it names may not have been made yet.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field, StringConstraints

from gateway.config.errors import ConfigError, Fault, Key
from gateway.config.interpolation import Filled, fill
from gateway.config.model import FilePath, GatewayName, Host
from gateway.config.roles import Authority
from gateway.config.sections import Section, validated
from gateway.config.toml import located, parse, read
from gateway.contract.commands import NAME, Name
from gateway.contract.topics import SLUG, Position, Slug

Role = Literal["supervisor", "technician", "hq"]
Kind = Literal["gateway", "station", Role]
KINDS: tuple[Kind, ...] = ("gateway", "station", *get_args(Role))
What = Literal["states", "events"]
BROKER = "broker"
"""The name of the broker's own certificate and folder."""
INDEX, AUTHORITY_KEY, AUTHORITY, SIGNED_BY = "authority.json", "ca.key", "ca.crt", "signed-by"
RESERVED = frozenset({BROKER, INDEX, AUTHORITY_KEY, AUTHORITY, SIGNED_BY})
"""What stands in the folder of an authority beside everybody's own folder: nobody is named so."""
LONGEST_NAME = 64
"""Of a common name (RFC 5280, appendix A.1: ub-common-name)."""


def _position(text: str) -> str:
    return str(Position.parse(text))


class BrokerAt(Section):
    """Where the broker is."""

    names: tuple[Host, ...] = Field(
        ("localhost", "127.0.0.1"),
        min_length=1,
        description="Names and addresses by which others reach it, for its certificate.",
        examples=[["localhost", "127.0.0.1", "broker.busia.example"]],
    )
    port: int = Field(8883, ge=1, le=65535, description="Port it listens on.", examples=[8883])


class PostAt(Section):
    """One gateway, by the file that describes its post."""

    file: FilePath = Field(description="The post's file.", examples=["gateway.toml"])
    authority: Authority = Field(description="Whose post it is.", examples=["KE"])
    prefix: Annotated[str, StringConstraints(pattern=r"^([a-z0-9][a-z0-9-]{0,14})?$")] = Field(
        "",
        description="What the names of its gateway and lanes begin with; tells two sites apart.",
        examples=["ke-"],
    )
    moves: tuple[Annotated[str, AfterValidator(_position)], ...] = Field(
        (),
        description="Devices that the counter of their lane may move; supervisors may anyway.",
        examples=[["lane-1/barrier"]],
    )


class Person(Section):
    """Somebody who is no lane's counter. The name is a place or duty, never a person's: brokers log it."""

    role: Role = Field(description="supervisor, technician or hq.", examples=["supervisor"])
    site: Slug | None = Field(
        None, description="Of which site; needed where the broker has several.", examples=["ke-busia"]
    )


class Shared(Section):
    """Lanes of one site that somebody of another site sees too. Commands are never shared."""

    site: Slug = Field(description="Whose lanes.", examples=["ke-busia"])
    lanes: tuple[Slug, ...] = Field(min_length=1, description="Which.", examples=[["lane-3"]])
    to: tuple[Name, ...] = Field(min_length=1, description="Who sees them.", examples=[["ug-lane-3"]])
    what: What = Field(
        "states",
        description="states: how devices are; events: all that they say, travellers' data included.",
        examples=["states"],
    )


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody with a certificate: its common name is the user name at the broker."""

    name: str
    kind: Kind
    site: str
    lane: str | None = None
    """Of a station."""
    gateway: str | None = None
    """Of a gateway: its name in its topics."""


@dataclass(slots=True)
class Site:
    """One state's trust domain at the broker."""

    name: str
    authority: str
    prefix: str
    lanes: list[str] = field(default_factory=list)
    gateways: list[str] = field(default_factory=list)
    moves: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Hall:
    """Everybody at one broker."""

    broker: BrokerAt
    sites: dict[str, Site]
    parties: dict[str, Party]
    shared: tuple[Shared, ...]
    training: bool

    def of(self, site: str) -> Iterator[Party]:
        """Everybody of one site."""
        return (party for party in self.parties.values() if party.site == site)


def load_description(path: Path, environ: Mapping[str, str] | None = None) -> Hall:
    """Read a description and the posts that it names; raises ConfigError with everything that is wrong."""
    environ = os.environ if environ is None else environ
    text = read(path)
    filled = fill(parse(path, text), environ)
    hall = _Reading(filled, path.absolute().parent, environ).hall()
    if filled.faults or hall is None:
        raise ConfigError(located(path, text, filled.faults))
    return hall


class _Reading:
    """One description on its way to a hall."""

    def __init__(self, filled: Filled, folder: Path, environ: Mapping[str, str]) -> None:
        self._filled, self._folder, self._environ = filled, folder, environ
        self._sites: dict[str, Site] = {}
        self._parties: dict[str, Party] = {}
        self._profiles: set[bool] = set()

    def hall(self) -> Hall | None:
        table = self._filled.table
        broker = validated(BrokerAt, self._filled, ("broker",), table.get("broker", {}), self._folder)
        for name in set(table) - {"broker", "post", "person", "shared"}:
            self._fault((name,), "there is no such section", "known: broker, post, person, shared")
        for at, post in enumerate(self._list("post", required=True)):
            found = validated(PostAt, self._filled, ("post", at), post, self._folder)
            if found is not None:
                self._post(("post", at), found)
        for site in self._sites.values():
            for lane in site.lanes:
                self._add(("post",), Party(f"{site.prefix}{lane}", "station", site.name, lane=lane))
        self._people()
        shared = tuple(self._shared())
        if self._filled.faults or broker is None:
            return None
        return Hall(broker, self._sites, self._parties, shared, training=self._profiles == {True})

    def _post(self, key: Key, post: PostAt) -> None:
        """Take site, gateway and lanes from a post's file."""
        try:
            described = fill(parse(post.file, read(post.file)), self._environ)
            named = validated(
                GatewayName, described, ("gateway",), described.table.get("gateway", {}), post.file.parent
            )
        except ConfigError as error:
            self._fault((*key, "file"), f"{post.file}: {error.findings[0].text}", error.findings[0].remedy)
            return
        devices = described.table.get("device")
        places = [name for name in devices if re.fullmatch(f"{SLUG}/{SLUG}", name)] if devices else []
        if named is None or not places:
            self._fault(
                (*key, "file"), f"{post.file} describes no post", f"borderpost config check {post.file}"
            )
            return
        site = self._sites.setdefault(named.site, Site(named.site, post.authority, post.prefix))
        if (site.authority, site.prefix) != (post.authority, post.prefix):
            self._fault(
                (*key, "authority"),
                f"{named.site} belongs to {site.authority}, with the prefix {site.prefix!r}, further up",
                "write the same for every gateway of a site",
            )
        self._profiles.add(named.profile == "training")
        if len(self._profiles) > 1:
            self._fault(
                (*key, "file"),
                f"{named.profile} and another profile at one broker",
                "describe the training post in a file of its own: it has its own authority and broker",
            )
        for place in post.moves:
            if place not in places:
                self._fault(
                    (*key, "moves"), f"{post.file} has no device {place}", f"it has {', '.join(places)}"
                )
        self._add(
            (*key, "file"), Party(f"{post.prefix}{named.name}", "gateway", named.site, None, named.name)
        )
        site.gateways.append(named.name)
        site.lanes += sorted({place.partition("/")[0] for place in places} - set(site.lanes))
        site.moves += post.moves

    def _people(self) -> None:
        people = self._filled.table.get("person", {})
        if not isinstance(people, dict):
            self._fault(("person",), "this is not a table of tables", 'write [person."supervisor"]')
            return
        for name, table in people.items():
            key: Key = ("person", name)
            person = validated(Person, self._filled, key, table, self._folder)
            if person is None:
                continue
            site = person.site or (next(iter(self._sites)) if len(self._sites) == 1 else None)
            if site is None:
                self._fault(key, "of which site?", f'add site = "...": {", ".join(self._sites)}')
            elif site not in self._sites:
                self._fault((*key, "site"), f"no post is of {site}", f"sites: {', '.join(self._sites)}")
            else:
                self._add(key, Party(name, person.role, site))

    def _add(self, key: Key, party: Party) -> None:
        if not re.fullmatch(NAME, party.name) or party.name in RESERVED or len(party.name) > LONGEST_NAME:
            self._fault(
                key, f"{party.name!r} cannot be a name", f"letters, digits and inner . _ -; not {BROKER}"
            )
        elif party.name in self._parties:
            self._fault(
                key,
                f"two are named {party.name}: the broker could not tell them apart",
                'name one of them otherwise, or give each site a prefix = "ke-"',
            )
        else:
            self._parties[party.name] = party

    def _shared(self) -> Iterator[Shared]:
        for at, table in enumerate(self._list("shared")):
            key: Key = ("shared", at)
            shared = validated(Shared, self._filled, key, table, self._folder)
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
            for name in shared.to:
                if name not in self._parties:
                    self._fault((*key, "to"), f"nobody is named {name}", f"known: {', '.join(self._parties)}")
            yield shared

    def _list(self, name: str, *, required: bool = False) -> list[Any]:
        entries = self._filled.table.get(name, [])
        if not isinstance(entries, list) or (required and not entries):
            self._fault((name,), f"there is no list [[{name}]]", f"write [[{name}]], in double brackets")
            return []
        return entries

    def _fault(self, key: Key, text: str, remedy: str) -> None:
        self._filled.faults.append(Fault(key, text, remedy))
