"""Who may read and say what at the broker: one table of rules, and all that is made of it.

The broker's access list and the table that people read come from it. Every line of the list names its user,
rather than a pattern with `%u`: a pattern holds for everybody who has a certificate, of whichever state, and
keeps lanes apart only as long as no two states have a lane of one name. What no rule allows is refused.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from gateway.contract.topics import ROOT, TRAINING_ROOT
from gateway.pki.inventory import PRINCIPAL_KINDS, Deployment, Principal, PrincipalKind, SharedKind

GENERATED_HEADER = (
    "# Made by `borderpost trust` from its description: change that, and run `borderpost trust renew`."
)
Verb = Literal["read", "write", "readwrite"]


@dataclass(frozen=True, slots=True)
class AclRule:
    """What somebody of a kind may do, with what is his own in braces: {lane}, {me}, {gateway}."""

    kind: PrincipalKind
    verb: Verb
    topic: str
    description: str


@dataclass(frozen=True, slots=True)
class AclEntry:
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


ACL_RULES: tuple[AclRule, ...] = (
    AclRule("gateway", "readwrite", "_gw/{gateway}/state", "its birth and death"),
    AclRule("gateway", "write", "_gw/{gateway}/evt/+", "events of its own, such as its clock's"),
    AclRule("gateway", "readwrite", "+/+/desc", "what its devices are"),
    AclRule("gateway", "readwrite", "+/+/state", "how they are"),
    AclRule("gateway", "readwrite", "+/+/claim", "who has claimed them"),
    AclRule("gateway", "readwrite", "+/+/now/+", "how they stand"),
    AclRule("gateway", "readwrite", "+/+/evt/+", "what they say"),
    AclRule("gateway", "readwrite", "+/+/blob/+/+", "their images"),
    AclRule("gateway", "write", "+/+/rsp/+", "answers to everybody"),
    AclRule("gateway", "write", "+/+/preview/+", "previews to everybody"),
    AclRule("gateway", "read", "+/+/cmd/+/+", "commands; it gives none"),
    AclRule("station", "read", "_gw/+/state", "whether the gateway is there"),
    AclRule("station", "read", "{lane}/+/desc", "what the devices of its lane are"),
    AclRule("station", "read", "{lane}/+/state", "how they are"),
    AclRule("station", "read", "{lane}/+/claim", "who has claimed them"),
    AclRule("station", "read", "{lane}/+/now/+", "how they stand"),
    AclRule("station", "read", "{lane}/+/evt/+", "what they say"),
    AclRule("station", "read", "{lane}/+/blob/+/+", "their images"),
    AclRule("station", "write", "{lane}/+/cmd/+/{me}", "commands in its lane, in its own name"),
    AclRule("station", "read", "{lane}/+/rsp/{me}", "answers to itself"),
    AclRule("station", "read", "{lane}/+/preview/{me}", "previews of cameras that it has claimed"),
    AclRule("supervisor", "read", "_gw/+/state", "whether gateways are there"),
    AclRule("supervisor", "read", "+/+/desc", "what all devices of the site are"),
    AclRule("supervisor", "read", "+/+/state", "how they are"),
    AclRule("supervisor", "read", "+/+/claim", "who has claimed them"),
    AclRule("supervisor", "read", "+/+/now/+", "how they stand"),
    AclRule("supervisor", "read", "+/+/evt/command.decided", "which commands were let through or refused"),
    AclRule("supervisor", "read", "+/+/evt/command.ended", "how they ended"),
    AclRule("supervisor", "read", "+/+/evt/claim.changed", "who took over from whom"),
    AclRule("supervisor", "read", "+/+/evt/technician.operation", "what technicians did"),
    AclRule("supervisor", "read", "+/+/evt/barrier.alarm", "alarms of barriers"),
    AclRule("supervisor", "write", "+/+/cmd/+/{me}", "commands everywhere at the site, in his own name"),
    AclRule("supervisor", "read", "+/+/rsp/{me}", "answers to himself"),
    AclRule("supervisor", "read", "+/+/preview/{me}", "previews of cameras that he has claimed"),
    AclRule("technician", "read", "_gw/+/state", "whether gateways are there, and their troubles"),
    AclRule("technician", "read", "_gw/+/evt/clock.stepped", "what their clocks did"),
    AclRule("technician", "read", "+/+/desc", "what all devices of the site are"),
    AclRule("technician", "read", "+/+/state", "how they are, and what is to be done"),
    AclRule("technician", "read", "+/+/claim", "who has claimed them"),
    AclRule("technician", "read", "+/+/evt/technician.operation", "what technicians did"),
    AclRule("hq", "read", "_gw/+/state", "whether gateways are there"),
    AclRule("hq", "read", "+/+/desc", "what all devices of the site are"),
    AclRule("hq", "read", "+/+/state", "how they are"),
)
SHARED_TOPICS: dict[SharedKind, tuple[str, ...]] = {
    "states": ("desc", "state", "claim", "now/+"),
    "events": ("desc", "state", "claim", "now/+", "evt/+", "blob/+/+"),
}
"""What of a lane somebody of another site sees where the description says so."""
TITLES: dict[PrincipalKind, str] = {
    "gateway": "The gateway",
    "station": "A lane's station",
    "supervisor": "A supervisor",
    "technician": "A technician, who serves devices at the console",
    "hq": "Headquarters, to which records go over a connection of their own",
}


def acl_entries(deployment: Deployment, revoked: Iterable[str] = ()) -> Iterator[AclEntry]:
    """Everything that anybody may do, by user; `gone`: those who may not any more, whatever they are."""
    root = TRAINING_ROOT if deployment.training else ROOT
    left = set(revoked)
    for principal in deployment.principals.values():
        if principal.name in left:
            continue
        own = {"lane": principal.lane, "me": principal.name, "gateway": principal.gateway}
        for rule in ACL_RULES:
            if rule.kind == principal.kind:
                yield AclEntry(
                    principal.name, rule.verb, f"{root}/{principal.site}/{rule.topic.format(**own)}"
                )
        yield from _shared(deployment, principal, root)


def _shared(deployment: Deployment, principal: Principal, root: str) -> Iterator[AclEntry]:
    seen = [
        shared
        for shared in deployment.shared_access
        if principal.name in shared.principals and shared.site != principal.site
    ]
    for site in dict.fromkeys(shared.site for shared in seen):
        yield AclEntry(principal.name, "read", f"{root}/{site}/_gw/+/state")
    for shared in seen:
        for lane in shared.lanes:
            for kind in SHARED_TOPICS[shared.scope]:
                yield AclEntry(principal.name, "read", f"{root}/{shared.site}/{lane}/+/{kind}")


def mosquitto_acl(deployment: Deployment, revoked: Iterable[str] = ()) -> str:
    """Mosquitto's acl_file (mosquitto.conf(5))."""
    lines = [GENERATED_HEADER]
    user = None
    for right in acl_entries(deployment, revoked):
        if right.name != user:
            user = right.name
            lines += ["", f"# {TITLES[deployment.principals[user].kind]}.", f"user {user}"]
        lines.append(f"topic {right.verb} {right.topic}")
    return "\n".join([*lines, ""])


def role_file(deployment: Deployment, site_name: str, revoked: Iterable[str] = ()) -> str:
    """The role file of a site's gateways: of what the broker lets through, they obey no more than this."""
    site, left = deployment.sites[site_name], set(revoked)
    lines = [
        GENERATED_HEADER,
        f'authority = "{site.authority}"',
        '\n[role.counter]\nverbs = ["*"]',
        '\n[role.supervisor]\nverbs = ["*"]\ncan_move = true\ncan_steal = true',
    ]
    for lane in site.lanes:
        if moved := [place for place in site.movable_positions if place.startswith(f"{lane}/")]:
            lines.append(
                f'\n[role.{_movement_role(lane)}]\nverbs = ["*"]\npositions = {_list(moved)}\ncan_move = true'
            )
    for principal in deployment.principals.values():
        if principal.name in left or principal.kind == "gateway":
            continue
        lines.append(f'\n[station."{principal.name}"]')
        if principal.site != site_name:
            lines.append(_foreign_station(deployment, principal, site.authority))
        elif principal.kind == "station":
            moves = any(place.startswith(f"{principal.lane}/") for place in site.movable_positions)
            roles = ["counter", *([_movement_role(str(principal.lane))] if moves else [])]
            lines.append(f'roles = {_list(roles)}\npositions = ["{principal.lane}/*"]')
        elif principal.kind == "supervisor":
            lines.append('roles = ["supervisor"]\npositions = ["*/*"]')
    return "\n".join(filter(None, [*lines, ""])) + "\n"


def _foreign_station(deployment: Deployment, principal: Principal, authority: str) -> str:
    """Known so that the record names it; one of the same state's other site simply has no roles here."""
    theirs = deployment.sites[principal.site].authority
    return f'authority = "{theirs}"' if theirs != authority else ""


def _movement_role(lane: str) -> str:
    # A role's name is a topic level of at most 32 letters, as a lane's is.
    return f"m-{lane}"[:32].rstrip("-")


def _list(texts: Iterable[str]) -> str:
    return "[" + ", ".join(f'"{text}"' for text in texts) + "]"


def rights_table() -> Iterator[str]:
    """The rules as people read them, in Markdown; topics are under `bgw/v1/{site}/`."""
    for kind in PRINCIPAL_KINDS:
        yield f"\n**{TITLES[kind]}** ({kind})\n"
        yield "| may | topic | which is |"
        yield "|---|---|---|"
        for rule in ACL_RULES:
            if rule.kind == kind:
                verb = {"readwrite": "read and write"}.get(rule.verb, rule.verb)
                yield f"| {verb} | `{rule.topic}` | {rule.description} |"
