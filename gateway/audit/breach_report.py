"""What a breach notice or a person's request needs of the audit: when, what kind of data, how many, who.

Data Protection Act 2019 (Kenya), section 43: a notice within 72 hours says what happened, to which data, and
what was done. Here is what the record of a post tells of a window of time, and nothing that a document said.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from gateway.audit.hash_chain import LINES_DROPPED, RESUMED, STARTED, STOPPED, AuditLine


@dataclass
class ActorRecord:
    """One station or technician, and what they did in the window."""

    name: str
    kind: str
    """`station` at the broker, or `technician`."""
    first: str
    last: str
    operations: Counter[str] = field(default_factory=Counter)
    """Verbs and orders, by how often; refused ones as `verb refused`."""
    positions: set[str] = field(default_factory=set)


@dataclass
class TransactionRecord:
    """What belongs to one traveller, document or capture, as far as somebody has commanded for it."""

    transaction: str
    first: str
    last: str
    positions: set[str] = field(default_factory=set)
    who: set[str] = field(default_factory=set)


@dataclass
class BreachReport:
    """What the audit tells of a window."""

    since: str
    until: str
    lines: int = 0
    runs: list[dict[str, Any]] = field(default_factory=list)
    """Starts of the gateway in the window, and the run that was on when it began."""
    reads: dict[str, Counter[str]] = field(default_factory=dict)
    """By family and position: how often something about a person was read."""
    actors: dict[tuple[str, str], ActorRecord] = field(default_factory=dict)
    transactions: dict[str, TransactionRecord] = field(default_factory=dict)
    reveals: list[dict[str, str]] = field(default_factory=list)
    """Who saw what crosses a wire as it is, why, and where."""
    incomplete: list[str] = field(default_factory=list)
    """Why there may be more than this tells."""

    @property
    def max_transactions(self) -> int:
        """As many travellers, documents or captures as there can have been at most: one a read."""
        return sum(reads.total() for reads in self.reads.values())

    @property
    def recipients(self) -> list[str]:
        """Where data about persons went from here by configuration."""
        brokers = {"the post's broker: the stations that its access list lets read"}
        if any(run.get("traveller_to_hq") for run in self.runs):
            brokers.add("headquarters")
        return sorted(brokers)

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "from": self.since,
            "to": self.until,
            "audit_lines": self.lines,
            "runs": self.runs,
            "data_classes": [DATA_CATEGORIES[family] for family in sorted(self.reads)],
            "sessions_at_most": self.max_transactions,
            "reads": {family: dict(reads) for family, reads in sorted(self.reads.items())},
            "recipients": self.recipients,
            "people": [
                {
                    "who": person.name,
                    "kind": person.kind,
                    "first": person.first,
                    "last": person.last,
                    "did": dict(person.operations),
                    "positions": sorted(person.positions),
                }
                for _, person in sorted(self.actors.items())
            ],
            "sessions": [
                {
                    "transaction": session.transaction,
                    "first": session.first,
                    "last": session.last,
                    "positions": sorted(session.positions),
                    "who": sorted(session.who),
                }
                for session in self.transactions.values()
            ],
            "wires_revealed": self.reveals,
            "incomplete": self.incomplete,
        }


def build_report(
    lines: Iterable[AuditLine], since: str, until: str, session: str | None = None
) -> BreachReport:
    """Collect what lies in a window; times as in the audit, UTC. `session`: one transaction, or one run."""
    found = BreachReport(since, until)
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
            if line.type == TRAVELLER_READS and str(line.data.get("from", until)) < until:
                _reads(found, line, "part of these reads was after the window")
            continue
        if session is not None and session not in (line.transaction, running.get("session")):
            continue
        found.lines += 1
        if running and running not in found.runs:
            found.runs.append(running)
        _add_line(found, line, since)
    if goes_on:
        found.incomplete.append("the gateway runs: reads since its last checkpoint are not counted yet")
    if began is None or began > since:
        found.incomplete.append(f"the record begins at {began or 'no time'}, later than the window")
    return found


def _add_line(report: BreachReport, line: AuditLine, since: str) -> None:
    said = line.data
    match line.type:
        case "traveller.reads":
            early = str(said.get("from", line.at)) < since
            _reads(report, line, "part of these reads was before the window" if early else "")
        case "command.decided":
            refused = said.get("decision") in ("rejected", "expired")
            verb = f"{said.get('verb')} refused" if refused else str(said.get("verb"))
            _count_operation(report, line, said.get("station"), "station", verb, _count(said.get("count")))
        case "claim.changed":
            who = said.get("holder") or said.get("previous_holder")
            _count_operation(report, line, who, "station", f"claim {said.get('change')}")
        case "technician.operation":
            _count_operation(report, line, said.get("user"), "technician", str(said.get("operation")))
            if said.get("operation") == "trace_reveal":
                told = {"who": str(said.get("user")), "reason": str(said.get("reason"))}
                report.reveals.append({"at": line.at, "position": line.position} | told)
        case kind if kind in (LINES_DROPPED, RESUMED):
            report.incomplete.append(f"lines are missing or half at line {line.n} of {line.at}")


def _count_operation(
    report: BreachReport, line: AuditLine, actor_name: object, kind: str, operation: str, times: int = 1
) -> None:
    name = str(actor_name or "unknown")
    person = report.actors.setdefault((kind, name), ActorRecord(name, kind, line.at, line.at))
    person.last = line.at
    person.operations[operation] += times
    person.positions.add(line.position)
    if kind == "station" and line.transaction:
        session = report.transactions.setdefault(
            line.transaction, TransactionRecord(line.transaction, line.at, line.at)
        )
        session.last = line.at
        session.positions.add(line.position)
        session.who.add(name)


def _count(said: object) -> int:
    """A number as a line has it; 1 where somebody has put something else there."""
    return said if type(said) is int else 1


def _reads(report: BreachReport, line: AuditLine, doubt: str) -> None:
    for family, reads in _families(line.data):
        report.reads.setdefault(family, Counter()).update(reads)
    if doubt and doubt not in report.incomplete:
        report.incomplete.append(doubt)


def _families(said: dict[str, Any]) -> Iterator[tuple[str, dict[str, int]]]:
    told = said.get("reads")
    for family, reads in told.items() if isinstance(told, dict) else ():
        if family in DATA_CATEGORIES and isinstance(reads, dict):
            yield family, {str(position): n for position, n in reads.items() if isinstance(n, int)}


DATA_CATEGORIES = {
    "passport_reader": "what a travel document says: names, number, dates, nationality, images, chip",
    "fingerprint_scanner": "fingerprints (biometric)",
    "camera": "images of faces (biometric), number plates",
    "card_reader": "numbers of access cards",
}
"""By the family of a device: the kind of data about persons that it takes."""
TRAVELLER_READS = "traveller.reads"
"""How often a device has read since the last such line; written every hour and at the end of a run."""
