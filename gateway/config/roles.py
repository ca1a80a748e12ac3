"""Roles: which station may send which commands, and where; and the keys that its commands are signed with.

A station is known by its name at the post's broker: a user name, or a certificate's common name. Commands
without a role are refused. Movement of machines, and taking over another station's claim, must be granted
expressly.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field, StringConstraints

from gateway.config.sections import ConfigSection
from gateway.contract.commands import Name
from gateway.contract.topics import SLUG, Position, Slug

WILDCARD = "*"
_POSITION_PATTERN = re.compile(rf"(?:{SLUG}|\*)/(?:{SLUG}|\*)")


def _position_pattern(text: str) -> str:
    if not _POSITION_PATTERN.fullmatch(text):
        raise ValueError(
            'is no place; write lane/device, a star for all of one level: "lane-1/*", "*/barrier", "*/*"'
        )
    return text


def _verb(text: str) -> str:
    if text != WILDCARD and not re.fullmatch(SLUG, text):
        raise ValueError('is no command; write its verb as in the device\'s description, or "*" for all')
    return text


def _public_key(text: str) -> str:
    from gateway.common.public_keys import parse_public_key

    parse_public_key(text)
    return text


PositionPattern = Annotated[str, AfterValidator(_position_pattern)]
Verb = Annotated[str, AfterValidator(_verb)]
RevocationReason: TypeAlias = Literal["lost", "left", "replaced"]
Authority = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,31}$")]


class BrokerRole(ConfigSection):
    """Rights of a role."""

    verbs: tuple[Verb, ...] = Field(
        description="Verbs that it may send; a star means all. To move a machine needs `can_move` too.",
        examples=[["capture", "cancel"]],
    )
    positions: tuple[PositionPattern, ...] = Field(
        ("*/*",),
        description="Positions, among those of the station itself.",
        examples=[["*/barrier"]],
    )
    can_move: bool = Field(
        False, description="True if it may send commands that can move a machine.", examples=[True]
    )
    can_steal: bool = Field(
        False, description="True if it may take over a claim of another station.", examples=[True]
    )


class StationEntry(ConfigSection):
    """A program at the post's broker, by its name there."""

    roles: tuple[str, ...] = Field((), description="Names of its roles.", examples=[["officer"]])
    positions: tuple[PositionPattern, ...] = Field(
        (), description="Positions where it may send commands; none when not given.", examples=[["lane-1/*"]]
    )
    authority: Authority | None = Field(
        None,
        description="Authority of the station, if not the post's own; then it may send no commands.",
        examples=["UG"],
    )


class StationKey(ConfigSection):
    """A public key with which a station signs its commands. The private key never leaves the station."""

    station: Name = Field(description="The station.", examples=["counter-1"])
    public_key: Annotated[str, AfterValidator(_public_key)] = Field(
        description="Public key, Ed25519 or P-256: base64 of its SubjectPublicKeyInfo, on one line.",
        examples=["MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="],
    )
    revoked: RevocationReason | None = Field(
        None,
        description="Reason of its revocation: lost, left, or replaced. Commands signed with it are refused.",
        examples=["lost"],
    )


@dataclass(frozen=True, slots=True)
class Grant:
    """Rights of one station at one position."""

    is_known: bool = False
    """True if the role file names the station."""
    is_foreign: bool = False
    """True if it belongs to another authority, which has no rights here."""
    verbs_without_movement: frozenset[str] = frozenset()
    """Verbs that are permitted as long as they move nothing."""
    verbs_with_movement: frozenset[str] = frozenset()
    """Verbs that are permitted even if they move a machine."""
    can_steal: bool = False
    """True if it may take over a claim of another station."""

    def permits(self, verb: str, *, moves: bool) -> bool:
        """Tell whether a verb is permitted."""
        granted = (
            self.verbs_with_movement if moves else self.verbs_with_movement | self.verbs_without_movement
        )
        return verb in granted or WILDCARD in granted

    @property
    def has_any(self) -> bool:
        """True if it may do anything here; then it may claim the device."""
        return bool(self.verbs_without_movement or self.verbs_with_movement)

    @property
    def can_move(self) -> bool:
        """True if it may move the machine in any way; then it may always stop it."""
        return bool(self.verbs_with_movement)


class Roles(ConfigSection):
    """Role file. Without one, all commands are refused."""

    authority: Authority = Field(description="Authority of this post.", examples=["KE"])
    role: dict[Slug, BrokerRole] = Field({}, description="The roles by name.", examples=[{}])
    station: dict[Name, StationEntry] = Field({}, description="The stations by name.", examples=[{}])
    key: dict[str, StationKey] = Field(
        {}, description="Keys of stations by id; written by `borderpost trust enrol`.", examples=[{}]
    )

    @property
    def commanding_stations(self) -> tuple[str, ...]:
        """Names of the stations that may send a command somewhere."""
        return tuple(
            name
            for name, station in self.station.items()
            if station.roles and station.positions and station.authority in (None, self.authority)
        )

    def grant(self, station: str, position: Position) -> Grant:
        """Return the rights of a station at a position."""
        named = self.station.get(station)
        if named is None:
            return Grant()
        if named.authority not in (None, self.authority):
            return Grant(is_known=True, is_foreign=True)
        if not _matches(named.positions, position):
            return Grant(is_known=True)
        held = [self.role[name] for name in named.roles if _matches(self.role[name].positions, position)]
        return Grant(
            is_known=True,
            verbs_without_movement=frozenset(
                verb for role in held if not role.can_move for verb in role.verbs
            ),
            verbs_with_movement=frozenset(verb for role in held if role.can_move for verb in role.verbs),
            can_steal=any(role.can_steal for role in held),
        )


NO_ROLES = Roles(authority="none")
"""Roles of a post without a role file."""


def _matches(places: tuple[str, ...], position: Position) -> bool:
    for place in places:
        lane, device = place.split("/")
        if lane in (WILDCARD, position.lane) and device in (WILDCARD, position.device):
            return True
    return False
