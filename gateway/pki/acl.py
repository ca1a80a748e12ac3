"""Access list of the broker: one table of rules, and the files made from it.

Mosquitto's access list and the table for people come from it. Every line of the list names its user, instead
of a pattern with `%u`: a pattern applies to every certificate, of any state, and separates lanes only as long
as no two states have a lane of the same name. Topics without a rule are denied.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from gateway.contract.topics import ROOT, TRAINING_ROOT
from gateway.pki.inventory import PRINCIPAL_KINDS, Deployment, Principal, PrincipalKind, SharedKind
from gateway.pki.role_keys import StationKeyRecord

GENERATED_HEADER = (
    "# Made by `borderpost trust` from its description: change that, and run `borderpost trust renew`."
)
Verb = Literal["read", "write", "readwrite"]


@dataclass(frozen=True, slots=True)
class AclRule:
    """Right of a kind of principal; its own names are in braces: {lane}, {me}, {gateway}, {position}."""

    kind: PrincipalKind
    verb: Verb
    topic: str
    description: str


@dataclass(frozen=True, slots=True)
class AclEntry:
    """Right of one user: a topic filter (MQTT 5, section 4.7) as in the access list."""

    name: str
    verb: Verb
    topic: str

    def allows(self, verb: Literal["read", "write"], topic: str) -> bool:
        """Tell whether it covers a topic without wildcards."""
        levels, filtered = topic.split("/"), self.topic.split("/")
        fits = len(levels) == len(filtered) and all(
            wanted in ("+", level) for wanted, level in zip(filtered, levels, strict=True)
        )
        return fits and verb in self.verb


ACL_RULES: tuple[AclRule, ...] = (
    AclRule("gateway", "readwrite", "_gw/{gateway}/state", "its birth and death"),
    AclRule("gateway", "write", "_gw/{gateway}/fresh", "its tokens, which signed commands name"),
    AclRule("gateway", "write", "_gw/{gateway}/evt/+", "its own events, such as steps of its clock"),
    AclRule("gateway", "readwrite", "{position}/desc", "descriptions of its devices"),
    AclRule("gateway", "readwrite", "{position}/state", "their states"),
    AclRule("gateway", "readwrite", "{position}/claim", "their claims"),
    AclRule("gateway", "readwrite", "{position}/now/+", "their last values"),
    AclRule("gateway", "readwrite", "{position}/evt/+", "their events"),
    AclRule("gateway", "readwrite", "{position}/blob/+/+", "their images"),
    AclRule("gateway", "write", "{position}/rsp/+", "answers to all stations"),
    AclRule("gateway", "write", "{position}/preview/+", "previews to all stations"),
    AclRule("gateway", "read", "{position}/cmd/+/+", "commands; it sends none"),
    AclRule("station", "read", "_gw/+/state", "birth and death of the gateway"),
    AclRule("station", "read", "_gw/+/fresh", "tokens that signed commands name"),
    AclRule("station", "read", "{lane}/+/desc", "descriptions of the devices in its lane"),
    AclRule("station", "read", "{lane}/+/state", "their states"),
    AclRule("station", "read", "{lane}/+/claim", "their claims"),
    AclRule("station", "read", "{lane}/+/now/+", "their last values"),
    AclRule("station", "read", "{lane}/+/evt/+", "their events"),
    AclRule("station", "read", "{lane}/+/blob/+/+", "their images"),
    AclRule("station", "write", "{lane}/+/cmd/+/{me}", "commands in its lane, under its own name"),
    AclRule("station", "read", "{lane}/+/rsp/{me}", "answers to itself"),
    AclRule("station", "read", "{lane}/+/preview/{me}", "previews of cameras that it has claimed"),
    AclRule("supervisor", "read", "_gw/+/state", "birth and death of gateways"),
    AclRule("supervisor", "read", "_gw/+/fresh", "tokens that signed commands name"),
    AclRule("supervisor", "read", "+/+/desc", "descriptions of all devices of the site"),
    AclRule("supervisor", "read", "+/+/state", "their states"),
    AclRule("supervisor", "read", "+/+/claim", "their claims"),
    AclRule("supervisor", "read", "+/+/now/+", "their last values"),
    AclRule("supervisor", "read", "+/+/evt/command-decided", "permitted and refused commands"),
    AclRule("supervisor", "read", "+/+/evt/command-ended", "ends of commands"),
    AclRule("supervisor", "read", "+/+/evt/claim-changed", "changes of claims"),
    AclRule("supervisor", "read", "+/+/evt/technician-operation", "operations of technicians"),
    AclRule("supervisor", "read", "+/+/evt/barrier-alarm", "alarms of barriers"),
    AclRule(
        "supervisor", "write", "+/+/cmd/+/{me}", "commands to all devices of the site, under its own name"
    ),
    AclRule("supervisor", "read", "+/+/rsp/{me}", "answers to itself"),
    AclRule("supervisor", "read", "+/+/preview/{me}", "previews of cameras that it has claimed"),
    AclRule("technician", "read", "_gw/+/state", "birth and death of gateways, and their problems"),
    AclRule("technician", "read", "_gw/+/evt/clock-stepped", "steps of their clocks"),
    AclRule("technician", "read", "+/+/desc", "descriptions of all devices of the site"),
    AclRule("technician", "read", "+/+/state", "their states, with remedies"),
    AclRule("technician", "read", "+/+/claim", "their claims"),
    AclRule("technician", "read", "+/+/evt/technician-operation", "operations of technicians"),
    AclRule("hq", "read", "_gw/+/state", "birth and death of gateways"),
    AclRule("hq", "read", "+/+/desc", "descriptions of all devices of the site"),
    AclRule("hq", "read", "+/+/state", "their states"),
)
SHARED_TOPICS: dict[SharedKind, tuple[str, ...]] = {
    "states": ("desc", "state", "claim", "now/+"),
    "events": ("desc", "state", "claim", "now/+", "evt/+", "blob/+/+"),
}
"""Topics of a shared lane that a principal of another site may read."""
TITLES: dict[PrincipalKind, str] = {
    "gateway": "The gateway",
    "station": "A lane's station",
    "supervisor": "A supervisor",
    "technician": "A technician, who services devices at the console",
    "hq": "Headquarters, which receives records over a connection of their own",
}


def acl_entries(deployment: Deployment, revoked: Iterable[str] = ()) -> Iterator[AclEntry]:
    """Yield every right, by user. `revoked`: names without rights, whatever their kind."""
    root = TRAINING_ROOT if deployment.training else ROOT
    left = set(revoked)
    for principal in deployment.principals.values():
        if principal.name in left:
            continue
        own = {"lane": principal.lane, "me": principal.name, "gateway": principal.gateway}
        for rule in ACL_RULES:
            if rule.kind != principal.kind:
                continue
            places = principal.positions if "{position}" in rule.topic else ("",)
            for place in places:
                topic = rule.topic.format(**own, position=place)
                yield AclEntry(principal.name, rule.verb, f"{root}/{principal.site}/{topic}")
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
    """Return Mosquitto's acl_file (mosquitto.conf(5))."""
    lines = [GENERATED_HEADER]
    user = None
    for right in acl_entries(deployment, revoked):
        if right.name != user:
            user = right.name
            lines += ["", f"# {TITLES[deployment.principals[user].kind]}.", f"user {user}"]
        lines.append(f"topic {right.verb} {right.topic}")
    return "\n".join([*lines, ""])


def role_file(
    deployment: Deployment,
    site_name: str,
    revoked: Iterable[str] = (),
    keys: Iterable[StationKeyRecord] = (),
) -> str:
    """Return the role file of a site's gateways: the commands that a gateway accepts from the broker."""
    site, left = deployment.sites[site_name], set(revoked)
    commanding = {
        principal.name
        for principal in deployment.at_site(site_name)
        if principal.kind != "gateway" and principal.name not in left
    }
    lines = [
        GENERATED_HEADER,
        f'authority = "{site.authority}"',
        '\n[role.counter]\nverbs = ["*"]',
        '\n[role.supervisor]\nverbs = ["*"]\ncan_move = true\ncan_steal = true',
    ]
    if site.movable_positions:
        # A station has rights only in its own lane, by its own positions.
        movable = _list(site.movable_positions)
        lines.append(f'\n[role.mover]\nverbs = ["*"]\npositions = {movable}\ncan_move = true')
    for principal in deployment.principals.values():
        if principal.name in left or principal.kind == "gateway":
            continue
        lines.append(f'\n[station."{principal.name}"]')
        if principal.site != site_name:
            lines.append(_foreign_station(deployment, principal, site.authority))
        elif principal.kind == "station":
            moves = any(place.startswith(f"{principal.lane}/") for place in site.movable_positions)
            roles = ["counter", *(["mover"] if moves else [])]
            lines.append(f'roles = {_list(roles)}\npositions = ["{principal.lane}/*"]')
        elif principal.kind == "supervisor":
            lines.append('roles = ["supervisor"]\npositions = ["*/*"]')
    lines += [f"\n{key.table()}" for key in keys if key.station in commanding]
    return "\n".join(filter(None, [*lines, ""])) + "\n"


def _foreign_station(deployment: Deployment, principal: Principal, authority: str) -> str:
    """Make the entry of a station of another site: known so that records name it, without roles."""
    theirs = deployment.sites[principal.site].authority
    return f'authority = "{theirs}"' if theirs != authority else ""


def _list(texts: Iterable[str]) -> str:
    return "[" + ", ".join(f'"{text}"' for text in texts) + "]"


def rights_table() -> Iterator[str]:
    """Yield the rules as tables in Markdown; topics are under `bgw/v1/{site}/`."""
    for kind in PRINCIPAL_KINDS:
        yield f"\n**{TITLES[kind]}** ({kind})\n"
        yield "| may | topic | content |"
        yield "|---|---|---|"
        for rule in ACL_RULES:
            if rule.kind == kind:
                verb = {"readwrite": "read and write"}.get(rule.verb, rule.verb)
                yield f"| {verb} | `{rule.topic}` | {rule.description} |"
