"""What a breach notice or a person's request needs of the audit: when, what kind of data, how many, who.

Data Protection Act 2019 (Kenya), section 43: a notice within 72 hours says what happened, to which data, and
what was done. Here is what the record of a post tells of a window of time, and nothing that a document said.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from gateway.audit.hash_chain import LOST, RESUMED, STARTED, STOPPED, Line


@dataclass
class Person:
    """One station or technician, and what they did in the window."""

    who: str
    kind: str
    """`station` at the broker, or `technician`."""
    first: str
    last: str
    did: Counter[str] = field(default_factory=Counter)
    """Verbs and orders, by how often; refused ones as `verb refused`."""
    positions: set[str] = field(default_factory=set)


@dataclass
class Session:
    """What belongs to one traveller, document or capture, as far as somebody has commanded for it."""

    transaction: str
    first: str
    last: str
    positions: set[str] = field(default_factory=set)
    who: set[str] = field(default_factory=set)


@dataclass
class Extract:
    """What the audit tells of a window."""

    since: str
    until: str
    lines: int = 0
    runs: list[dict[str, Any]] = field(default_factory=list)
    """Starts of the gateway in the window, and the run that was on when it began."""
    reads: dict[str, Counter[str]] = field(default_factory=dict)
    """By family and position: how often something about a person was read."""
    people: dict[tuple[str, str], Person] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    revealed: list[dict[str, str]] = field(default_factory=list)
    """Who saw what crosses a wire as it is, why, and where."""
    incomplete: list[str] = field(default_factory=list)
    """Why there may be more than this tells."""

    @property
    def most_sessions(self) -> int:
        """As many travellers, documents or captures as there can have been at most: one a read."""
        return sum(reads.total() for reads in self.reads.values())

    @property
    def recipients(self) -> list[str]:
        """Where data about persons went from here by configuration."""
        brokers = {"the post's broker: the stations that its access list lets read"}
        if any(run.get("traveller_to_hq") for run in self.runs):
            brokers.add("headquarters")
        return sorted(brokers)

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "from": self.since,
            "to": self.until,
            "audit_lines": self.lines,
            "runs": self.runs,
            "data_classes": [CLASSES[family] for family in sorted(self.reads)],
            "sessions_at_most": self.most_sessions,
            "reads": {family: dict(reads) for family, reads in sorted(self.reads.items())},
            "recipients": self.recipients,
            "people": [
                {
                    "who": person.who,
                    "kind": person.kind,
                    "first": person.first,
                    "last": person.last,
                    "did": dict(person.did),
                    "positions": sorted(person.positions),
                }
                for _, person in sorted(self.people.items())
            ],
            "sessions": [
                {
                    "transaction": session.transaction,
                    "first": session.first,
                    "last": session.last,
                    "positions": sorted(session.positions),
                    "who": sorted(session.who),
                }
                for session in self.sessions.values()
            ],
            "wires_revealed": self.revealed,
            "incomplete": self.incomplete,
        }


def extract(lines: Iterable[Line], since: str, until: str, session: str | None = None) -> Extract:
    """Collect what lies in a window; times as in the audit, UTC. `session`: one transaction, or one run."""
    found = Extract(since, until)
    began: str | None = None
    running: dict[str, Any] = {}
    goes_on = False
    for line in lines:
        began = began or line.at
        if line.type == STARTED:
            if goes_on and since <= line.at:
                found.incomplete.append(
                    f"the run before {line.at} was cut off: up to an hour of reads is not counted"
                )
            running, goes_on = {"at": line.at, **line.data}, True
        elif line.type == STOPPED:
            goes_on = False
        if line.at < since:
            continue
        if line.at >= until:
            if line.type == HANDLED and str(line.data.get("from", until)) < until:
                _reads(found, line, "part of these reads was after the window")
            continue
        if session is not None and session not in (line.transaction, running.get("session")):
            continue
        found.lines += 1
        if running and running not in found.runs:
            found.runs.append(running)
        _take(found, line, since)
    if goes_on:
        found.incomplete.append("the gateway runs: reads since its last checkpoint are not counted yet")
    if began is None or began > since:
        found.incomplete.append(f"the record begins at {began or 'no time'}, later than the window")
    return found


def _take(found: Extract, line: Line, since: str) -> None:
    said = line.data
    match line.type:
        case "traveller.handled":
            early = str(said.get("from", line.at)) < since
            _reads(found, line, "part of these reads was before the window" if early else "")
        case "command.decided":
            refused = said.get("decision") in ("rejected", "expired")
            verb = f"{said.get('verb')} refused" if refused else str(said.get("verb"))
            _did(found, line, said.get("station"), "station", verb, _count(said.get("times")))
        case "claim.changed":
            who = said.get("holder") or said.get("previous_holder")
            _did(found, line, who, "station", f"claim {said.get('change')}")
        case "technician.acted":
            _did(found, line, said.get("who"), "technician", str(said.get("order")))
            if said.get("order") == "reveal":
                told = {"who": str(said.get("who")), "reason": str(said.get("reason"))}
                found.revealed.append({"at": line.at, "position": line.position} | told)
        case kind if kind in (LOST, RESUMED):
            found.incomplete.append(f"lines are missing or half at line {line.n} of {line.at}")


def _did(found: Extract, line: Line, who: object, kind: str, what: str, times: int = 1) -> None:
    name = str(who or "unknown")
    person = found.people.setdefault((kind, name), Person(name, kind, line.at, line.at))
    person.last = line.at
    person.did[what] += times
    person.positions.add(line.position)
    if kind == "station" and line.transaction:
        session = found.sessions.setdefault(line.transaction, Session(line.transaction, line.at, line.at))
        session.last = line.at
        session.positions.add(line.position)
        session.who.add(name)


def _count(said: object) -> int:
    """A number as a line has it; 1 where somebody has put something else there."""
    return said if type(said) is int else 1


def _reads(found: Extract, line: Line, doubt: str) -> None:
    for family, reads in _families(line.data):
        found.reads.setdefault(family, Counter()).update(reads)
    if doubt and doubt not in found.incomplete:
        found.incomplete.append(doubt)


def _families(said: dict[str, Any]) -> Iterator[tuple[str, dict[str, int]]]:
    told = said.get("reads")
    for family, reads in told.items() if isinstance(told, dict) else ():
        if family in CLASSES and isinstance(reads, dict):
            yield family, {str(position): n for position, n in reads.items() if isinstance(n, int)}


CLASSES = {
    "passport_reader": "what a travel document says: names, number, dates, nationality, images, chip",
    "fingerprint_scanner": "fingerprints (biometric)",
    "camera": "images of faces (biometric), number plates",
    "card_reader": "numbers of access cards",
}
"""By the family of a device: the kind of data about persons that it takes."""
HANDLED = "traveller.handled"
"""How often a device has read since the last such line; written every hour and at the end of a run."""
