"""One torture run: schedule, post, subscribers, verdict."""

import asyncio
import contextlib
import dataclasses
import pickle
import signal
import statistics
from collections import Counter
from pathlib import Path
from typing import Any

from support.process.wall_clock import clock_fault

from gateway.delivery.outbox import admin as inspect
from torture.chaos import RATE_PER_S, EventSource, FaultInjector, snapshot
from torture.oracle import RunEvidence, RunVerdict, evaluate
from torture.post import Disturbance, TorturedPost, boot_s, post_in
from torture.schedule import Fault, calms, plan
from torture.subscribers import DeskSubscriber, HeadquartersSubscriber, readers

HEALED_S = 120.0
"""Time for the post to deliver everything after all faults have ended, in seconds."""
STARVED_S = 0.5


@dataclasses.dataclass
class Result:
    """Result of a run."""

    seed: int
    verdict: RunVerdict
    done: Counter[str]
    skipped: Counter[str]
    faults: list[Fault]
    notes: list[str]

    @property
    def kills(self) -> int:
        return sum(n for kind, n in self.done.items() if Fault(0, kind).kills)

    @property
    def outages(self) -> int:
        return sum(n for kind, n in self.done.items() if Fault(0, kind).outage)

    def lines(self) -> list[str]:
        """Return the summary."""
        lines = [f"torture, seed {self.seed}: {self.kills} kills, {self.outages} outages"]
        for title, rows in (
            ("done to the post", dict(sorted(self.done.items()))),
            ("skipped, because that part was down already", dict(sorted(self.skipped.items()))),
            ("counted", self.verdict.figures),
            ("not guaranteed, so not judged", dict(sorted(self.verdict.excused.items()))),
        ):
            if rows:
                lines.append(f"  {title}:")
                lines += [f"    {name}: {value}" for name, value in rows.items()]
        lines += [f"  note: {note}" for note in self.notes]
        if self.verdict.breaches:
            lines.append(f"  BROKEN PROMISES ({len(self.verdict.breaches)}):")
            lines += [f"    {text}" for text in self.verdict.breaches[:60]]
        else:
            lines.append("  no guarantee was broken")
        return lines


async def run(
    seconds: float, seed: int, *, folder: Path, per_s: float = RATE_PER_S, faults: Any = None
) -> Result:
    """Torture a post for `seconds`, repair it, and judge the events received.

    Afterwards the folder has `gateway.log` with the log of the workers too, `faults.txt` (begin and end in
    seconds since boot, kind, lane), `report.txt`, and `evidence.pickle` for `oracle.evaluate`.
    """
    schedule: list[Fault] = plan(seed, seconds) if faults is None else faults
    notes: list[str] = []
    async with post_in(folder) as post:
        if not post.disk.small:
            notes.append(f"no disk was filled: a tmpfs cannot be mounted here ({post.disk.why_not})")
        if unfit := clock_fault():
            post.faked_clock = False
            notes.append(f"no clock was set: {unfit}")
        async with readers(post) as (desk, headquarters):
            await post.start()
            await post.ready()
            speaker, tormentor = EventSource(post, seed, per_s), FaultInjector(post, seed)
            began = boot_s()
            speaking = asyncio.create_task(speaker.run())
            feeling = asyncio.create_task(_feel(post))
            try:
                await tormentor.run(schedule)
                await asyncio.sleep(max(0.0, began + seconds - boot_s()))
                await tormentor.restore()
                await asyncio.sleep(2)
            finally:
                feeling.cancel()
                speaker.stop()
                await asyncio.gather(speaking, feeling, return_exceptions=True)
            healed_s = await delivered(post)
            verdict = await _verdict(post, desk, headquarters, speaker, tormentor, began, seconds)
            if healed_s is None:
                verdict.breach(f"not everything was delivered within {HEALED_S:.0f} s after the repair")
            else:
                verdict.figures["from repair to all delivered, s"] = round(healed_s, 1)
    result = Result(seed, verdict, tormentor.done, tormentor.skipped, schedule, notes)
    (folder / "report.txt").write_text("\n".join([*result.lines(), ""]))
    return result


async def _feel(post: TorturedPost) -> None:
    """Record when this machine stalls: then it stalled the gateway too."""
    loop = asyncio.get_running_loop()
    while True:
        before, boot = loop.time(), boot_s()
        await asyncio.sleep(0.1)
        if loop.time() - before > 0.1 + STARVED_S:
            post.disturbances.append(Disturbance("starved", boot, boot_s()))


async def delivered(post: TorturedPost) -> float | None:
    """Wait until the gateway is ready and nothing is queued; return seconds, or None after `HEALED_S`."""
    began = boot_s()
    quiet = 0
    while boot_s() - began < HEALED_S:
        await asyncio.sleep(0.5)
        with contextlib.suppress(Exception):
            waiting = await asyncio.to_thread(
                lambda: sum(c.events for c in inspect.stream_summaries(post.outbox))
            )
            quiet = quiet + 1 if waiting == 0 and post.is_ready else 0
        if quiet >= 4:
            return boot_s() - began - 2
    return None


async def _verdict(
    post: TorturedPost,
    desk: DeskSubscriber,
    headquarters: HeadquartersSubscriber,
    speaker: EventSource,
    tormentor: FaultInjector,
    began: float,
    seconds: float,
) -> RunVerdict:
    code = await post.end(signal.SIGTERM)
    await asyncio.sleep(1)
    last = await asyncio.to_thread(snapshot, post.outbox)
    tormentor.snapshots.append(last)
    disturbances = post.disturbances + [
        Disturbance("worker", at, at + 1, str(entry.get("device")))
        for at, entry in post.log
        if entry.get("event") == "worker_ended"
    ]
    evidence = RunEvidence(
        given=speaker.given,
        desk=desk.arrivals,
        headquarters=headquarters.arrivals,
        snapshots=tormentor.snapshots,
        disturbances=disturbances,
        log=post.log,
        desk_connected=desk.connected,
        calms=[(began + start, began + end) for start, end in calms(seconds)],
    )
    with (post.folder / "evidence.pickle").open("wb") as file:
        pickle.dump(evidence, file)
    (post.folder / "faults.txt").write_text(
        "".join(
            f"{one.start:.3f} {one.end:.3f} {one.kind} {one.lane}\n"
            for one in sorted(disturbances, key=lambda one: one.start)
        )
    )
    verdict = evaluate(evidence)
    counts = desk.workstation.discarded
    took = [s for _, s in post.starts]
    verdict.figures |= {
        "lines a device had no host for": speaker.not_taken,
        "repeated, stale, unreadable at the workstation": (
            f"{counts.duplicates}, {counts.expired}, {counts.unreadable}"
        ),
        "expired, as reported (a killed gateway reports no more)": sum(desk.expired.values()),
        "dropped, as reported": sum(desk.dropped.values()),
        "problems told": ", ".join(sorted(desk.told)),
        "starts of the gateway": len(took),
        "start to ready, median and longest, s": f"{statistics.median(took):.2f}, {max(took):.2f}",
        "moments in which this machine was stalled": sum(d.kind == "starved" for d in disturbances),
        "damaged outboxes": "; ".join(s.corrupted for s in tormentor.snapshots if s.corrupted) or "none",
    }
    if code != 0:
        verdict.breach(f"the last orderly stop ended with exit code {code}")
    if last.waiting:
        verdict.breach(f"{len(last.waiting)} events are still in the outbox")
    if last.parked:
        verdict.breach(f"{last.parked} events were parked, none of which was poison")
    refused = sum(entry.get("event") == "event_refused" for _, entry in post.log)
    if refused:
        verdict.breach(f"{refused} events were refused by a running gateway")
    for text in post.ended_alone:
        verdict.breach(f"the gateway ended by itself: {text}")
    for code, count in tormentor.exits.items():
        if code != 0:
            verdict.breach(f"{count} orderly stops ended with exit code {code}")
    for text in headquarters.unexpected:
        verdict.breach(f"headquarters: {text}")
    for cause in desk.untold_action:
        verdict.breach(f"the problem {cause} was reported without a text or an action")
    crashed = [entry for _, entry in post.log if entry.get("level") == "error" and "trace" in entry]
    for entry in crashed:
        verdict.figures.setdefault("errors with a trace in the log", Counter())[
            f"{entry.get('event')} {entry.get('error')} {(entry.get('trace') or [''])[-1]}"
        ] += 1
    return verdict
