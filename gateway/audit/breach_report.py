"""Breach report from the audit: times, categories and number of data, persons with access.

Data Protection Act 2019 (Kenya), section 43: a notice within 72 hours states what happened, to which data,
and what was done. This report covers a window of time of one post, and contains no content of documents.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from drivers.packages.vocabularies import installed_vocabularies
from gateway.audit.hash_chain import LINES_DROPPED, RESUMED, STARTED, STOPPED, AuditLine


@dataclass
class ActorRecord:
    """One station or technician, and its operations in the window."""

    name: str
    kind: str
    """`station` at the broker, or `technician`."""
    first: str
    last: str
    operations: Counter[str] = field(default_factory=Counter)
    """Verbs and operations with their counts; refused ones as `verb refused`."""
    positions: set[str] = field(default_factory=set)


@dataclass
class TransactionRecord:
    """Commands that belong to one traveller, document or capture."""

    transaction: str
    first: str
    last: str
    positions: set[str] = field(default_factory=set)
    who: set[str] = field(default_factory=set)


@dataclass
class BreachReport:
    """Facts of the audit in a window."""

    since: str
    until: str
    lines: int = 0
    runs: list[dict[str, Any]] = field(default_factory=list)
    """Starts of the gateway in the window, and the run that was active when it began."""
    reads: dict[str, Counter[str]] = field(default_factory=dict)
    """Number of reads of personal data, by family and position."""
    event_types: set[str] = field(default_factory=set)
    """Event types about a person, of the devices that read."""
    families_without_types: set[str] = field(default_factory=set)
    """Families of lines of earlier versions, which name no event types."""
    actors: dict[tuple[str, str], ActorRecord] = field(default_factory=dict)
    transactions: dict[str, TransactionRecord] = field(default_factory=dict)
    reveals: list[dict[str, str]] = field(default_factory=list)
    """Revealed traces: user, reason, position."""
    incomplete: list[str] = field(default_factory=list)
    """Reasons why the report may be incomplete."""

    @property
    def max_transactions(self) -> int:
        """Upper bound on travellers, documents or captures: one per read."""
        return sum(reads.total() for reads in self.reads.values())

    @property
    def data_categories(self) -> list[str]:
        """Categories of the data that were read, for a notice."""
        named = {describe_category(event_type) for event_type in self.event_types}
        return sorted(named | {FAMILY_CATEGORIES.get(each, each) for each in self.families_without_types})

    @property
    def recipients(self) -> list[str]:
        """Recipients of personal data by configuration."""
        brokers = {"the post's broker: the stations that its access list allows to read"}
        if any(run.get("traveller_to_hq") for run in self.runs):
            brokers.add("headquarters")
        return sorted(brokers)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON."""
        return {
            "from": self.since,
            "to": self.until,
            "audit_lines": self.lines,
            "runs": self.runs,
            "data_classes": self.data_categories,
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
    """Build the report of a window; times as in the audit, UTC. `session`: one transaction, or one run."""
    found = BreachReport(since, until)
    began: str | None = None
    running: dict[str, Any] = {}
    goes_on = False
    for line in lines:
        began = began or line.at
        if line.type == STARTED:
            if goes_on and since <= line.at:
                found.incomplete.append(
                    f"the run before {line.at} ended without a checkpoint: "
                    "up to an hour of reads is not counted"
                )
            running, goes_on = {"at": line.at, **line.data}, True
        elif line.type == STOPPED:
            goes_on = False
        if line.at < since:
            continue
        if line.at >= until:
            if line.type == TRAVELLER_READS and str(line.data.get("from", until)) < until:
                _reads(found, line, "part of these reads took place after the window")
            continue
        if session is not None and session not in (line.transaction, running.get("session")):
            continue
        found.lines += 1
        if running and running not in found.runs:
            found.runs.append(running)
        _add_line(found, line, since)
    if goes_on:
        found.incomplete.append("the gateway is running: reads since its last checkpoint are not counted yet")
    if began is None or began > since:
        found.incomplete.append(f"the audit begins at {began or 'no time'}, later than the window")
    return found


def _add_line(report: BreachReport, line: AuditLine, since: str) -> None:
    data = line.data
    match line.type:
        case "traveller.reads":
            early = str(data.get("from", line.at)) < since
            _reads(report, line, "part of these reads took place before the window" if early else "")
        case "command.decided":
            refused = data.get("decision") in ("rejected", "expired")
            verb = f"{data.get('verb')} refused" if refused else str(data.get("verb"))
            _count_operation(report, line, data.get("station"), "station", verb, _count(data.get("count")))
        case "claim.changed":
            who = data.get("holder") or data.get("previous_holder")
            _count_operation(report, line, who, "station", f"claim {data.get('change')}")
        case "technician.operation":
            _count_operation(report, line, data.get("user"), "technician", str(data.get("operation")))
            if data.get("operation") == "trace_reveal":
                by = {"who": str(data.get("user")), "reason": str(data.get("reason"))}
                report.reveals.append({"at": line.at, "position": line.position} | by)
        case kind if kind in (LINES_DROPPED, RESUMED):
            report.incomplete.append(f"lines are missing or incomplete at line {line.n} of {line.at}")


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


def _count(data: object) -> int:
    """Return a count of a line; 1 if it is not a number."""
    return data if type(data) is int else 1


def _reads(report: BreachReport, line: AuditLine, doubt: str) -> None:
    types = line.data.get("types")
    by_position = types if isinstance(types, dict) else {}
    for family, reads in _families(line.data):
        report.reads.setdefault(family, Counter()).update(reads)
        for position in reads:
            if isinstance(found := by_position.get(position), list):
                report.event_types.update(str(one) for one in found)
            else:
                report.families_without_types.add(family)
    if doubt and doubt not in report.incomplete:
        report.incomplete.append(doubt)


def _families(data: dict[str, Any]) -> Iterator[tuple[str, dict[str, int]]]:
    reads_by_family = data.get("reads")
    for family, reads in reads_by_family.items() if isinstance(reads_by_family, dict) else ():
        if isinstance(reads, dict):
            yield str(family), {str(position): n for position, n in reads.items() if isinstance(n, int)}


def describe_category(event_type: str) -> str:
    """Return the category of the data of an event type: ours, or the words of the package that brings it."""
    if (ours := DATA_CATEGORIES.get(event_type.partition(".")[0])) is not None:
        return ours
    for installed in installed_vocabularies():
        for observation in installed.vocabulary.observations:
            if observation.event_type == event_type:
                says = " ".join((observation.__doc__ or "").partition("\n\n")[0].split())
                return f"{event_type} ({installed.package}): {says}"
    return f"{event_type}: data of another package, which is not installed here"


DOCUMENTS = "content of travel documents: names, number, dates, nationality, images, chip"
FINGERS = "fingerprints (biometric)"
CARDS = "numbers of access cards"
DATA_CATEGORIES = {
    "access": CARDS,
    "document": DOCUMENTS,
    "face": "images of faces (biometric)",
    "finger": FINGERS,
    "plate": "number plates",
    "scene": "images of places with people and vehicles",
}
"""Category of personal data by the first part of an event type."""
FAMILY_CATEGORIES = {
    "passport_reader": DOCUMENTS,
    "fingerprint_scanner": FINGERS,
    "camera": "images of faces (biometric), number plates",
    "card_reader": CARDS,
}
"""Category of personal data by family of device, for lines without event types."""
TRAVELLER_READS = "traveller.reads"
"""Line type: a device's reads since the last such line; written every hour and at the end of a run."""
