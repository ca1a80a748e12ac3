"""Soak test: fifty events per second with reconnects; memory and descriptors must stay constant.

The median of the first quarter after the warm-up is compared with the median of the last quarter. PSS counts
a shared page by halves, thirds, ..., so it also changes when other programs map or unmap the page: where a
process seems to grow, the part without a file behind it is printed too.
"""

import asyncio
import json
import re
import signal
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path

from torture.chaos import EventSource
from torture.post import TorturedPost, boot_s, post_in
from torture.subscribers import readers

PER_S = 50.0
SAMPLE_S = 10.0
RECONNECT_S = 20.0
WARM, FLAT = 0.25, 0.05
_ROLLUP = re.compile(r"^(Pss|Pss_Anon|Private_Dirty):\s+(\d+) kB", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Sample:
    """One process at one moment."""

    at: float
    name: str
    pid: int
    pss: int
    anonymous: int
    descriptors: int


def look(post: TorturedPost) -> list[Sample]:
    """Return samples of all processes of the gateway."""
    at = boot_s()
    found = []
    for name, process in post.processes().items():
        proc = Path(f"/proc/{process.pid}")
        sizes = {key: int(kib) for key, kib in _ROLLUP.findall((proc / "smaps_rollup").read_text())}
        descriptors = sum(1 for _ in (proc / "fd").iterdir())
        found.append(Sample(at, name, process.pid, sizes["Pss"], sizes.get("Pss_Anon", 0), descriptors))
    return found


async def run(seconds: float, seed: int, *, folder: Path, per_s: float = PER_S) -> tuple[list[str], bool]:
    """Soak a post; return the report, and whether usage stayed constant."""
    samples: list[Sample] = []
    reconnects = 0
    async with post_in(folder, faked_clock=False) as post, readers(post) as (desk, headquarters):
        await post.start()
        await post.ready()
        speaker = EventSource(post, seed, per_s)
        speaking = asyncio.create_task(speaker.run())
        began = boot_s()
        reconnect_at, sample_at = began + RECONNECT_S, began + SAMPLE_S
        try:
            while boot_s() - began < seconds:
                await asyncio.sleep(max(0.0, min(reconnect_at, sample_at) - boot_s()))
                if boot_s() >= sample_at:
                    sample_at += SAMPLE_S
                    samples += await asyncio.to_thread(look, post)
                if boot_s() >= reconnect_at:
                    reconnect_at += RECONNECT_S
                    reconnects += 1
                    await _reconnect(post, reconnects)
        finally:
            speaker.stop()
            await speaking
        # Memory of consumers grows with what they count; the readers' memory is not the gateway's.
        events = len(headquarters.arrivals)
        ended_alone = list(post.ended_alone)
        await post.end(signal.SIGTERM)
    lines = [
        f"soak, seed {seed}: {seconds / 60:g} minutes, {len(speaker.given) / seconds:.1f} events/s in,"
        f" {events} at headquarters, {len(desk.arrivals)} at the desk, {reconnects} reconnects,"
        f" {len(samples)} samples"
    ]
    (folder / "samples.json").write_text(json.dumps([asdict(sample) for sample in samples]))
    table, good = verdict(samples, began + seconds * WARM)
    alone = [f"  the gateway ended by itself: {text}" for text in ended_alone]
    return lines + table + alone, good and not alone


async def _reconnect(post: TorturedPost, count: int) -> None:
    """Cut off headquarters, restart the post's own broker, and unplug a cable, in turn."""
    match count % 3:
        case 0:
            await asyncio.to_thread(post.local.stop)
            await asyncio.to_thread(post.local.start)
        case 1:
            post.way.cut()
            await asyncio.sleep(1)
            post.way.restore()
        case 2:
            for wire in post.wires.values():
                wire.unplug(for_s=1)


def verdict(samples: list[Sample], warm: float) -> tuple[list[str], bool]:
    """Return the table, and whether everything stayed within five per cent of its warm value."""
    lines, good = [], True
    totals: dict[float, list[Sample]] = {}
    names = list(dict.fromkeys(sample.name for sample in samples))
    for sample in samples:
        totals.setdefault(sample.at, []).append(sample)
    rows = {name: [s for s in samples if s.name == name and s.at >= warm] for name in names}
    rows["all together"] = [
        Sample(
            at,
            "",
            0,
            sum(s.pss for s in found),
            sum(s.anonymous for s in found),
            sum(s.descriptors for s in found),
        )
        for at, found in totals.items()
        if at >= warm and len(found) == len(names)
    ]
    for name, found in rows.items():
        quarter = max(1, len(found) // 4)
        if len(found) < 4:
            lines.append(f"  {name}: too few samples")
            good = False
            continue
        if len({sample.pid for sample in found}) > 1:
            lines.append(f"  {name}: was replaced during the soak")
            good = False
        growth = {}
        shown = []
        for what, unit in (("pss", "KiB"), ("anonymous", "KiB"), ("descriptors", "")):
            first = statistics.median(getattr(s, what) for s in found[:quarter])
            last = statistics.median(getattr(s, what) for s in found[-quarter:])
            growth[what] = last / first - 1 if first else 0.0
            shown.append(
                f"{what} {first:.0f} -> {last:.0f} {unit} ({growth[what]:+.1%})".replace("  (", " (")
            )
        by_others = abs(growth["pss"]) > FLAT >= abs(growth["anonymous"])
        flat = (abs(growth["pss"]) <= FLAT or by_others) and abs(growth["descriptors"]) <= FLAT
        good &= flat
        remark = "  NOT FLAT" if not flat else "  (pages of files, shared with others)" if by_others else ""
        lines.append(f"  {name}: {', '.join(shown)}{remark}")
    return lines, good
