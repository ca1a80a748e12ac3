"""Oracle: compares the lines sent to devices with the events received.

Guarantees, which are judged:

- A committed record arrives at headquarters, and at the post's own broker. Committed is what the
  outbox had when its process was gone, and everything below it: `seq` has no gaps.
- No event has two ids, no place in a stream has two events, and a consumer that drops repeated ids sees every
  stream in order.
- Personal data arrive in time or not at all.
- If anything is missing from a damaged outbox, the gateway reported the damage.
- No worker is ended for what it did: no device here attacks the gateway.
- The disk refuses commits only while a fault fills it or makes it fail.

Not guaranteed, and therefore counted separately by reason:

- Events that a killed worker had not sent to the daemon, or that a killed daemon had not committed.
- Events sent while the disk refused commits (marked `durable: no`), if the gateway ended before it took them.
- At the workstation: events acknowledged by the post's own broker when it was killed, because that broker has
  no files; and events older than half a minute at its return if no subscription was made yet.
- A PUBLISH delayed between gateway and broker, both running: MQTT counts an expiry from when the
  broker reads it.
- Delays of this machine: found by our own event loop being half a second late.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from torture.chaos import SentEvent, Snapshot
from torture.post import TRAVELLER_EXPIRES_S, Disturbance
from torture.subscribers import Arrival

LATE_S = 2.0
"""Tolerance of expiry, in seconds: it is sent in whole seconds, and brokers check it once a second."""
WAIT_FOR_SUBSCRIBER_S = 30.0
TOLD_BY = {"outbox_commits_lost", "outbox_set_aside", "event_damaged", "image_damaged"}
REPORT_S = 60.0
"""Time after a damage of the outbox in which the gateway must report it, in seconds."""
DISK_CAUSES = {"disk_full", "disk_error", "disk_read_only"}
DISK_SETTLE_S = 1.0
"""Time after the end of a fault of the disk in which the gateway may still report it, in seconds."""
WRONGS = {"worker_violation", "forbidden_call"}
"""Causes of a worker's end that are never the work of a fault here."""
CALM_SETTLE_S = 8.0
"""Time in a calm in which the last outage may still have effects: clients reconnect within five seconds."""


@dataclass
class RunEvidence:
    """Record of a run."""

    given: list[SentEvent]
    desk: list[Arrival]
    headquarters: list[Arrival]
    snapshots: list[Snapshot]
    disturbances: list[Disturbance]
    log: list[tuple[float, dict[str, Any]]]
    desk_connected: list[tuple[float, bool]] = field(default_factory=list)
    calms: list[tuple[float, float]] = field(default_factory=list)

    def disturbed(
        self, kinds: Iterable[str], first: float, last: float, lane: str = ""
    ) -> Disturbance | None:
        wanted = set(kinds)
        for one in self.disturbances:
            if one.kind in wanted and one.lane in ("", "forkserver", lane) and one.touches(first, last):
                return one
        return None


@dataclass
class RunVerdict:
    """Broken guarantees, and counts."""

    breaches: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    excused: Counter[str] = field(default_factory=Counter)

    def breach(self, text: str) -> None:
        self.breaches.append(text)


def evaluate(evidence: RunEvidence) -> RunVerdict:
    verdict = RunVerdict()
    committed = _committed(evidence)
    raw = {"headquarters": evidence.headquarters, "desk": evidence.desk}
    records = {k: n for k, n in committed.items() if k[1].endswith("/record")}
    verdict.figures |= {
        "lines given to devices": len(evidence.given),
        "records committed": sum(records.values()),
        "traveller events committed": sum(n for k, n in committed.items() if k not in records),
        "streams": len(committed),
        "epochs": len({epoch for epoch, _ in committed}),
    }
    for name, arrivals in raw.items():
        _identities(name, arrivals, verdict)
        _order(name, arrivals, verdict)
        _late(name, arrivals, evidence, verdict)
    _one_identity(evidence, verdict)
    _records_at_headquarters(records, evidence, verdict)
    _records_at_desk(records, evidence, verdict)
    _travellers(evidence, verdict)
    _before_commit(evidence, verdict)
    _workers(evidence, verdict)
    _disk(evidence, verdict)
    _calm(evidence, verdict)
    return verdict


def _committed(evidence: RunEvidence) -> dict[tuple[str, str], int]:
    """Return the highest number of every stream that is known to have been on disk."""
    heads: dict[tuple[str, str], int] = {}
    for snapshot in evidence.snapshots:
        for key, last in snapshot.heads.items():
            heads[key] = max(heads.get(key, 0), last)
    for arrival in evidence.headquarters:
        if arrival.durable:
            key = arrival.epoch, arrival.stream
            heads[key] = max(heads.get(key, 0), arrival.seq)
    return heads


def _deduplicated(arrivals: list[Arrival]) -> list[Arrival]:
    found: dict[str, Arrival] = {}
    for arrival in arrivals:
        found.setdefault(arrival.id, arrival)
    return list(found.values())


def _identities(name: str, arrivals: list[Arrival], verdict: RunVerdict) -> None:
    """Check that no place has two events, and that without repeated ids no event comes twice."""
    places: dict[tuple[str, str, int], set[str]] = defaultdict(set)
    for arrival in arrivals:
        places[arrival.place].add(arrival.id)
    for place, ids in places.items():
        if len(ids) > 1:
            verdict.breach(f"{name}: {place} was given to {len(ids)} different events")
    once = _deduplicated(arrivals)
    verdict.figures[f"events at {name}"] = len(once)
    verdict.figures[f"repetitions dropped at {name}"] = len(arrivals) - len(once)
    numbers = Counter(arrival.number for arrival in once if arrival.number >= 0)
    for number, count in numbers.items():
        if count > 1:
            verdict.breach(f"{name}: event {number} came {count} times under different ids")


def _one_identity(evidence: RunEvidence, verdict: RunVerdict) -> None:
    """Check that both ends have the same id for an event."""
    known: dict[int, str] = {}
    for arrival in (*evidence.headquarters, *evidence.desk):
        if arrival.number >= 0 and known.setdefault(arrival.number, arrival.id) != arrival.id:
            verdict.breach(f"event {arrival.number} has two ids")


def _order(name: str, arrivals: list[Arrival], verdict: RunVerdict) -> None:
    last: dict[tuple[str, str], Arrival] = {}
    for arrival in _deduplicated(arrivals):
        before = last.get((arrival.epoch, arrival.stream))
        if before is not None and before.seq >= arrival.seq:
            verdict.breach(
                f"{name}: {arrival.stream} {arrival.seq} came after {before.seq}"
                f" (at {arrival.at:.2f}, born {arrival.born:.2f})"
            )
        elif before is not None and before.id >= arrival.id:
            verdict.breach(f"{name}: {arrival.stream} {arrival.seq} has an id below the one before it")
        if before is None or arrival.seq > before.seq:
            last[arrival.epoch, arrival.stream] = arrival


def _late(name: str, arrivals: list[Arrival], evidence: RunEvidence, verdict: RunVerdict) -> None:
    """Find personal data that arrived too late."""
    stalls = {"headquarters": ("hq-frozen", "hq-stalled"), "desk": ("local-frozen",)}[name]
    oldest = 0.0
    for arrival in _deduplicated(arrivals):
        if not arrival.stream.endswith("/traveller"):
            continue
        age = arrival.at - arrival.born
        if age <= TRAVELLER_EXPIRES_S + LATE_S:
            oldest = max(oldest, age)
        elif evidence.disturbed(stalls, arrival.born, arrival.at):
            verdict.excused[f"late at {name}: delayed between gateway and broker"] += 1
        elif evidence.disturbed(("starved",), arrival.at - 3, arrival.at):
            verdict.excused[f"late at {name}: the machine was stalled"] += 1
        else:
            verdict.breach(
                f"{name}: {arrival.stream} {arrival.seq} came late, {age:.1f} s old (at {arrival.at:.2f})"
            )
    verdict.figures[f"oldest traveller event in time at {name}, s"] = round(oldest, 2)


def _reported_until(damage: Snapshot, later: list[Snapshot]) -> float:
    """Return the time by which the gateway must have reported a damage.

    Another damage ends it, if the outbox could be read before that: else the gateway had not opened it yet.
    """
    last_at = damage.at
    for one in later:
        if not one.unreadable:
            return min(one.at, last_at + REPORT_S)
        last_at = one.at
    return last_at + REPORT_S


def _corrupted(place: tuple[str, str, int], evidence: RunEvidence) -> tuple[bool, bool]:
    """Return whether an event was in an outbox that was then damaged, and whether the gateway reported it."""
    damaged = [one for one in evidence.snapshots if one.corrupted]
    # An event may survive one damage and be lost with the next.
    for n, snapshot in reversed([*enumerate(damaged)]):
        if place in snapshot.waiting:
            until = _reported_until(snapshot, damaged[n + 1 :])
            told = any(
                snapshot.at <= when <= until and entry.get("event") in TOLD_BY for when, entry in evidence.log
            )
            return True, told
    return False, False


def _records_at_headquarters(
    records: dict[tuple[str, str], int], evidence: RunEvidence, verdict: RunVerdict
) -> None:
    arrived = {arrival.place for arrival in evidence.headquarters}
    ids = {arrival.id for arrival in evidence.headquarters}
    known = {place: i for snapshot in evidence.snapshots for place, i in snapshot.waiting.items()}
    for (epoch, stream), last in records.items():
        for seq in range(1, last + 1):
            place = epoch, stream, seq
            if place in arrived or known.get(place) in ids:
                continue
            corrupted, told = _corrupted(place, evidence)
            if corrupted and told:
                verdict.excused["record lost with a damaged outbox, which the gateway reported"] += 1
            elif corrupted:
                verdict.breach(
                    f"headquarters: {stream} {seq} of {epoch} was lost in a damaged outbox, silently"
                )
            else:
                verdict.breach(f"headquarters: {stream} {seq} of {epoch} was committed and never came")


def _records_at_desk(records: dict[tuple[str, str], int], evidence: RunEvidence, verdict: RunVerdict) -> None:
    at_desk = {arrival.id for arrival in evidence.desk}
    by_place = {arrival.place: arrival for arrival in evidence.headquarters}
    checked = lost = 0
    for (epoch, stream), last in records.items():
        if stream.startswith("_gw/"):  # a workstation does not read them
            continue
        for seq in range(1, last + 1):
            there = by_place.get((epoch, stream, seq))
            if there is None:
                continue  # judged at headquarters
            checked += 1
            if there.id in at_desk:
                continue
            lost += 1
            why = _local_broker_took_it(there, evidence)
            corrupted, told = _corrupted(there.place, evidence)
            if why:
                verdict.excused[f"record lost at the desk: {why}"] += 1
            elif corrupted and told:
                verdict.excused["record lost with a damaged outbox, which the gateway reported"] += 1
            else:
                verdict.breach(f"desk: {stream} {seq} of {epoch} (born {there.born:.2f}) never came")
    verdict.figures["records that headquarters has and the desk has not"] = f"{lost} of {checked}"
    ids = {arrival.id for arrival in evidence.headquarters}
    for arrival in evidence.desk:
        if arrival.stream.endswith("/record") and arrival.id not in ids:
            if evidence.disturbed(("disk", "corrupt"), arrival.born - 2, arrival.born + 10):
                verdict.excused[
                    "record seen at the desk only: the disk took nothing, then the gateway died"
                ] += 1
            elif arrival.seq > records.get((arrival.epoch, arrival.stream), 0):
                verdict.breach(f"desk: {arrival.stream} {arrival.seq} was published and not committed")


def _local_broker_took_it(event: Arrival, evidence: RunEvidence) -> str:
    """Return why the post's own broker, which has no files, may have lost an event."""
    for one in evidence.disturbances:
        if one.kind != "local-killed":
            continue
        if one.start - 2.0 <= event.born <= one.start + 0.5:
            return "its broker was killed with it"
        connected = [at for at, is_so in evidence.desk_connected if is_so and at >= one.end - 0.2]
        back = connected[0] if connected else float("inf")
        if event.born <= one.end and back - event.born >= WAIT_FOR_SUBSCRIBER_S - 1:
            return "older than half a minute when the broker came back, and no subscription was made"
        # Acknowledged to the gateway while the desk was disconnected, then the broker was killed again.
        away = [at for at, is_so in evidence.desk_connected if not is_so and at <= one.start]
        here = [at for at, is_so in evidence.desk_connected if is_so and at <= one.start]
        if away and (not here or away[-1] > here[-1]) and event.born <= one.start:
            return "its broker was killed again before the desk was back"
        if here and one.start - here[-1] < 3.0 and event.born <= one.start:
            return "its broker was killed again while the backlog passed through it"
    return ""


def _travellers(evidence: RunEvidence, verdict: RunVerdict) -> None:
    given = {one.number: one for one in evidence.given if one.kind == "traveller"}
    for name, arrivals in (("desk", evidence.desk), ("headquarters", evidence.headquarters)):
        came = {arrival.number for arrival in arrivals}
        missing = [one for number, one in given.items() if number not in came]
        undisturbed = [
            one
            for one in missing
            if not any(d.touches(one.at - 5, one.at + TRAVELLER_EXPIRES_S) for d in evidence.disturbances)
        ]
        verdict.figures[f"traveller events given up or lost on the way to {name}"] = (
            f"{len(missing)} of {len(given)}"
        )
        for one in undisturbed:
            verdict.breach(f"{name}: traveller event {one.number} is missing, and nothing was wrong")


def _refusals_until_end(evidence: RunEvidence) -> list[tuple[float, float]]:
    """Return the times in which the disk refused commits until the gateway ended, by the gateway's log."""
    ends = [(one.start, "end") for one in evidence.disturbances if one.kind in ("gateway", "corrupt")]
    logged = [(at, str(entry.get("event"))) for at, entry in evidence.log]
    found: list[tuple[float, float]] = []
    began: float | None = None
    for at, event in sorted([*ends, *logged]):
        if event == "outbox_write_failing" and began is None:
            began = at
        elif event == "outbox_recovered":
            began = None
        elif event == "end" and began is not None:
            found.append((began, at))
            began = None
    return found


def _before_commit(evidence: RunEvidence, verdict: RunVerdict) -> None:
    """Check that every line without an event met a fault that explains it."""
    refusals = _refusals_until_end(evidence)
    seen = {arrival.number for arrival in (*evidence.desk, *evidence.headquarters)}
    for one in evidence.given:
        if one.kind != "record" or one.number in seen:
            continue
        at = one.at
        if evidence.disturbed(("gateway", "corrupt"), at - 2.5, at + 3.0):
            why = "the gateway was killed before it had committed"
        elif evidence.disturbed(("worker", "reload-device"), at - 4, at + 3.0, one.lane):
            why = "the worker ended before it had sent it"
        elif evidence.disturbed(("unplugged",), at - 1, at + 0.5, one.lane):
            why = "the cable was unplugged"
        elif any(began - 1 <= at <= ended for began, ended in refusals):
            why = "the disk refused commits, then the gateway was killed"
        elif evidence.disturbed(("corrupt",), at, at + 40):
            why = "the outbox was damaged"
        else:
            verdict.breach(
                f"record {one.number} of {one.lane} (given at {at:.2f}) vanished, and nothing was wrong"
            )
            continue
        verdict.excused[f"never committed: {why}"] += 1


def _workers(evidence: RunEvidence, verdict: RunVerdict) -> None:
    """Check that no worker was ended for what it did; its end would excuse every line that is missing."""
    ended = Counter(
        str(entry.get("cause")) for _, entry in evidence.log if entry.get("event") == "worker_ended"
    )
    for cause in sorted(WRONGS & ended.keys()):
        verdict.breach(f"{ended[cause]} workers were ended with the cause {cause}")


def _disk(evidence: RunEvidence, verdict: RunVerdict) -> None:
    """Check that the disk was in trouble only while a fault caused it."""
    for at, entry in evidence.log:
        cause = entry.get("cause")
        if entry.get("event") != "problem_raised" or cause not in DISK_CAUSES:
            continue
        if not evidence.disturbed(("disk",), at - DISK_SETTLE_S, at):
            verdict.breach(f"{cause} was reported at {at:.2f}, and nothing was wrong with the disk")


def _calm(evidence: RunEvidence, verdict: RunVerdict) -> None:
    """Check that nothing sent in a calm is missing or late at the desk."""
    came = {arrival.number: arrival for arrival in evidence.desk}
    checked = 0
    slowest = 0.0
    for start, end in evidence.calms:
        for one in evidence.given:
            if start + CALM_SETTLE_S <= one.at <= end - 0.5:
                if evidence.disturbed(("starved",), start - 5, one.at + TRAVELLER_EXPIRES_S):
                    verdict.excused["not checked in a calm: the machine was stalled"] += 1
                    continue
                checked += 1
                arrival = came.get(one.number)
                if arrival is None:
                    verdict.breach(f"desk: {one.kind} {one.number} was given in a calm and never came")
                else:
                    slowest = max(slowest, arrival.at - one.at)
    verdict.figures["events in calms, all of them in time"] = checked
    verdict.figures["slowest of them, s"] = round(slowest, 3)
