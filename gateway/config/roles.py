"""Who may command what at a post: the role file, and what it grants a station at a position.

A station is whoever the post's broker knows by a name: a user name, or a certificate's common name. What no
role grants is refused; what can move a machine, and taking over another's claim, are granted expressly.
"""

import re
from dataclasses import dataclass
from typing import Annotated

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


PositionPattern = Annotated[str, AfterValidator(_position_pattern)]
Verb = Annotated[str, AfterValidator(_verb)]
Authority = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,31}$")]


class BrokerRole(ConfigSection):
    """What somebody in this role may do."""

    verbs: tuple[Verb, ...] = Field(
        description="The commands it may give; a star means all, but those that move only with `moves`.",
        examples=[["capture", "cancel"]],
    )
    positions: tuple[PositionPattern, ...] = Field(
        ("*/*",),
        description="Where, of the places that the station itself has.",
        examples=[["*/barrier"]],
    )
    can_move: bool = Field(
        False, description="Whether it may give commands that can move a machine.", examples=[True]
    )
    can_steal: bool = Field(
        False, description="Whether it may take over a claim that another station has.", examples=[True]
    )


class StationEntry(ConfigSection):
    """A program at the post's broker, by the name under which it is known there."""

    roles: tuple[str, ...] = Field((), description="Names of its roles.", examples=[["officer"]])
    positions: tuple[PositionPattern, ...] = Field(
        (), description="Where it may command at all; nowhere when not given.", examples=[["lane-1/*"]]
    )
    authority: Authority | None = Field(
        None,
        description="Whose it is, where that is not the post's own authority: it then commands nothing.",
        examples=["UG"],
    )


@dataclass(frozen=True, slots=True)
class Grant:
    """What one station may do at one position."""

    is_known: bool = False
    """The role file names it."""
    is_foreign: bool = False
    """It belongs to another authority, which commands nothing here."""
    verbs_without_movement: frozenset[str] = frozenset()
    """Verbs that it may use, as long as nothing moves."""
    verbs_with_movement: frozenset[str] = frozenset()
    """Verbs that it may use although something moves."""
    can_steal: bool = False
    """Whether it may take over another's claim."""

    def permits(self, verb: str, *, moves: bool) -> bool:
        """Whether it may give a command."""
        granted = (
            self.verbs_with_movement if moves else self.verbs_with_movement | self.verbs_without_movement
        )
        return verb in granted or WILDCARD in granted

    @property
    def has_any(self) -> bool:
        """Whether it may do anything here, and so may claim the device."""
        return bool(self.verbs_without_movement or self.verbs_with_movement)

    @property
    def can_move(self) -> bool:
        """Whether it may move the machine in some way, and so may stop it in every case."""
        return bool(self.verbs_with_movement)


class Roles(ConfigSection):
    """The role file. Without one, nobody commands anything."""

    authority: Authority = Field(description="Whose post this is.", examples=["KE"])
    role: dict[Slug, BrokerRole] = Field({}, description="The roles by name.", examples=[{}])
    station: dict[Name, StationEntry] = Field({}, description="The stations by name.", examples=[{}])

    def grant(self, station: str, position: Position) -> Grant:
        """What a station may do at a position."""
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
"""What holds without a role file."""


def _matches(places: tuple[str, ...], position: Position) -> bool:
    for place in places:
        lane, device = place.split("/")
        if lane in (WILDCARD, position.lane) and device in (WILDCARD, position.device):
            return True
    return False
