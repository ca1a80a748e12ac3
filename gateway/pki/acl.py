"""Who may read and say what at the broker: one table of rules, and all that is made of it.

The broker's access list and the table that people read come from it. Every line of the list names its user,
rather than a pattern with `%u`: a pattern holds for everybody who has a certificate, of whichever state, and
keeps lanes apart only as long as no two states have a lane of one name. What no rule allows is refused.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from gateway.contract.topics import ROOT, TRAINING_ROOT
from gateway.pki.inventory import KINDS, Hall, Kind, Party, What

MADE = "# Made by `borderpost trust` from its description: change that, and run `borderpost trust renew`."
Verb = Literal["read", "write", "readwrite"]


@dataclass(frozen=True, slots=True)
class Rule:
    """What somebody of a kind may do, with what is his own in braces: {lane}, {me}, {gateway}."""

    kind: Kind
    verb: Verb
    topic: str
    what: str


@dataclass(frozen=True, slots=True)
class Right:
    """What one user may do: a topic filter (MQTT 5, section 4.7) as the access list has it."""

    name: str
    verb: Verb
    topic: str

    def allows(self, verb: Literal["read", "write"], topic: str) -> bool:
        """Whether it covers a topic without wildcards."""
        levels, filtered = topic.split("/"), self.topic.split("/")
        fits = len(levels) == len(filtered) and all(
            wanted in ("+", level) for wanted, level in zip(filtered, levels, strict=True)
        )
        return fits and verb in self.verb


RULES: tuple[Rule, ...] = (
    Rule("gateway", "readwrite", "_gw/{gateway}/state", "its birth and death"),
    Rule("gateway", "write", "_gw/{gateway}/evt/+", "events of its own, such as its clock's"),
    Rule("gateway", "readwrite", "+/+/desc", "what its devices are"),
    Rule("gateway", "readwrite", "+/+/state", "how they are"),
    Rule("gateway", "readwrite", "+/+/claim", "who has claimed them"),
    Rule("gateway", "readwrite", "+/+/now/+", "how they stand"),
    Rule("gateway", "readwrite", "+/+/evt/+", "what they say"),
    Rule("gateway", "readwrite", "+/+/blob/+/+", "their images"),
    Rule("gateway", "write", "+/+/rsp/+", "answers to everybody"),
    Rule("gateway", "write", "+/+/preview/+", "previews to everybody"),
    Rule("gateway", "read", "+/+/cmd/+/+", "commands; it gives none"),
    Rule("station", "read", "_gw/+/state", "whether the gateway is there"),
    Rule("station", "read", "{lane}/+/desc", "what the devices of its lane are"),
    Rule("station", "read", "{lane}/+/state", "how they are"),
    Rule("station", "read", "{lane}/+/claim", "who has claimed them"),
    Rule("station", "read", "{lane}/+/now/+", "how they stand"),
    Rule("station", "read", "{lane}/+/evt/+", "what they say"),
    Rule("station", "read", "{lane}/+/blob/+/+", "their images"),
    Rule("station", "write", "{lane}/+/cmd/+/{me}", "commands in its lane, in its own name"),
    Rule("station", "read", "{lane}/+/rsp/{me}", "answers to itself"),
    Rule("station", "read", "{lane}/+/preview/{me}", "previews of cameras that it has claimed"),
    Rule("supervisor", "read", "_gw/+/state", "whether gateways are there"),
    Rule("supervisor", "read", "+/+/desc", "what all devices of the site are"),
    Rule("supervisor", "read", "+/+/state", "how they are"),
    Rule("supervisor", "read", "+/+/claim", "who has claimed them"),
    Rule("supervisor", "read", "+/+/now/+", "how they stand"),
    Rule("supervisor", "read", "+/+/evt/command.decided", "which commands were let through or refused"),
    Rule("supervisor", "read", "+/+/evt/command.ended", "how they ended"),
    Rule("supervisor", "read", "+/+/evt/claim.changed", "who took over from whom"),
    Rule("supervisor", "read", "+/+/evt/technician.acted", "what technicians did"),
    Rule("supervisor", "read", "+/+/evt/barrier.alarm", "alarms of barriers"),
    Rule("supervisor", "write", "+/+/cmd/+/{me}", "commands everywhere at the site, in his own name"),
    Rule("supervisor", "read", "+/+/rsp/{me}", "answers to himself"),
    Rule("supervisor", "read", "+/+/preview/{me}", "previews of cameras that he has claimed"),
    Rule("technician", "read", "_gw/+/state", "whether gateways are there, and their troubles"),
    Rule("technician", "read", "_gw/+/evt/clock.stepped", "what their clocks did"),
    Rule("technician", "read", "+/+/desc", "what all devices of the site are"),
    Rule("technician", "read", "+/+/state", "how they are, and what is to be done"),
    Rule("technician", "read", "+/+/claim", "who has claimed them"),
    Rule("technician", "read", "+/+/evt/technician.acted", "what technicians did"),
    Rule("hq", "read", "_gw/+/state", "whether gateways are there"),
    Rule("hq", "read", "+/+/desc", "what all devices of the site are"),
    Rule("hq", "read", "+/+/state", "how they are"),
)
SHARED: dict[What, tuple[str, ...]] = {
    "states": ("desc", "state", "claim", "now/+"),
    "events": ("desc", "state", "claim", "now/+", "evt/+", "blob/+/+"),
}
"""What of a lane somebody of another site sees where the description says so."""
TITLES: dict[Kind, str] = {
    "gateway": "The gateway",
    "station": "A lane's station",
    "supervisor": "A supervisor",
    "technician": "A technician, who serves devices at the console",
    "hq": "Headquarters, to which records go over a connection of their own",
}


def rights(hall: Hall, gone: Iterable[str] = ()) -> Iterator[Right]:
    """Everything that anybody may do, by user; `gone`: those who may not any more, whatever they are."""
    root = TRAINING_ROOT if hall.training else ROOT
    left = set(gone)
    for party in hall.parties.values():
        if party.name in left:
            continue
        own = {"lane": party.lane, "me": party.name, "gateway": party.gateway}
        for rule in RULES:
            if rule.kind == party.kind:
                yield Right(party.name, rule.verb, f"{root}/{party.site}/{rule.topic.format(**own)}")
        yield from _shared(hall, party, root)


def _shared(hall: Hall, party: Party, root: str) -> Iterator[Right]:
    seen = [shared for shared in hall.shared if party.name in shared.to and shared.site != party.site]
    for site in dict.fromkeys(shared.site for shared in seen):
        yield Right(party.name, "read", f"{root}/{site}/_gw/+/state")
    for shared in seen:
        for lane in shared.lanes:
            for kind in SHARED[shared.what]:
                yield Right(party.name, "read", f"{root}/{shared.site}/{lane}/+/{kind}")


def access_list(hall: Hall, gone: Iterable[str] = ()) -> str:
    """Mosquitto's acl_file (mosquitto.conf(5))."""
    lines = [MADE]
    user = None
    for right in rights(hall, gone):
        if right.name != user:
            user = right.name
            lines += ["", f"# {TITLES[hall.parties[user].kind]}.", f"user {user}"]
        lines.append(f"topic {right.verb} {right.topic}")
    return "\n".join([*lines, ""])


def role_file(hall: Hall, site_name: str, gone: Iterable[str] = ()) -> str:
    """The role file of a site's gateways: of what the broker lets through, they obey no more than this."""
    site, left = hall.sites[site_name], set(gone)
    lines = [
        MADE,
        f'authority = "{site.authority}"',
        '\n[role.counter]\nverbs = ["*"]',
        '\n[role.supervisor]\nverbs = ["*"]\nmoves = true\nsteal = true',
    ]
    for lane in site.lanes:
        if moved := [place for place in site.moves if place.startswith(f"{lane}/")]:
            lines.append(f'\n[role.{_mover(lane)}]\nverbs = ["*"]\npositions = {_list(moved)}\nmoves = true')
    for party in hall.parties.values():
        if party.name in left or party.kind == "gateway":
            continue
        lines.append(f'\n[station."{party.name}"]')
        if party.site != site_name:
            lines.append(_stranger(hall, party, site.authority))
        elif party.kind == "station":
            moves = any(place.startswith(f"{party.lane}/") for place in site.moves)
            roles = ["counter", *([_mover(str(party.lane))] if moves else [])]
            lines.append(f'roles = {_list(roles)}\npositions = ["{party.lane}/*"]')
        elif party.kind == "supervisor":
            lines.append('roles = ["supervisor"]\npositions = ["*/*"]')
    return "\n".join(filter(None, [*lines, ""])) + "\n"


def _stranger(hall: Hall, party: Party, authority: str) -> str:
    """Known so that the record names it; one of the same state's other site simply has no roles here."""
    theirs = hall.sites[party.site].authority
    return f'authority = "{theirs}"' if theirs != authority else ""


def _mover(lane: str) -> str:
    # A role's name is a topic level of at most 32 letters, as a lane's is.
    return f"m-{lane}"[:32].rstrip("-")


def _list(texts: Iterable[str]) -> str:
    return "[" + ", ".join(f'"{text}"' for text in texts) + "]"


def table() -> Iterator[str]:
    """The rules as people read them, in Markdown; topics are under `bgw/v1/{site}/`."""
    for kind in KINDS:
        yield f"\n**{TITLES[kind]}** ({kind})\n"
        yield "| may | topic | which is |"
        yield "|---|---|---|"
        for rule in RULES:
            if rule.kind == kind:
                verb = {"readwrite": "read and write"}.get(rule.verb, rule.verb)
                yield f"| {verb} | `{rule.topic}` | {rule.what} |"
