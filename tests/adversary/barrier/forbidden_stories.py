"""Short stories of commands that must move nothing: cancelled, too early, or forbidden by the inputs."""

import asyncio

from adversary.barrier.ended_stories import ENDED
from adversary.barrier.judge.records import Event, Wire
from adversary.barrier.rig.lane import Lane
from adversary.barrier.rig.posts import Post
from adversary.barrier.silent_stories import SILENT
from adversary.barrier.stories import DUMB, QUICK, STORIES, Story, begin, open_and_closing, told

IMPLAUSIBLE_S = 1.0
"""Time of contradictory limit switches after which the judge lets no machine be opened, in seconds."""
MOVES_AGAIN_S = 2.1
"""Shortest time between two movements, in seconds; a start counts as one."""


async def read_since(lane: Lane, readings: int = 1) -> None:
    """Wait for as many responses to the worker from now on."""
    since = len(lane.records)

    def are_read() -> bool:
        heard = [one for one in lane.records[since:] if isinstance(one, Wire) and one.direction == "to-host"]
        return len(heard) >= readings

    assert await lane.until(are_read)


async def shown(lane: Lane, *states: str) -> None:
    """Wait until the barrier is shown in one of these states."""
    assert await lane.until(lambda: lane.retained is not None and lane.retained["state"] in states)


async def answered(lane: Lane, name: str) -> None:
    """Wait for the answer to a command, which comes after everything that is written for it."""
    assert await lane.until(lambda: name in lane.answers, 20.0)


async def started_again(lane: Lane) -> None:
    """Start a worker after another one, and wait until it has read its inputs."""
    since = len(lane.records)
    lane.start_worker()
    assert await lane.until(lambda: any(isinstance(one, Event) for one in lane.records[since:]))


async def open_with_both_limits(lane: Lane) -> None:
    await begin(lane)
    lane.fault("both-limits", for_s=8.0)
    await shown(lane, "fault")
    await asyncio.sleep(IMPLAUSIBLE_S)
    await told(lane, "open")


async def blind_opening(lane: Lane) -> None:
    """A command to open that comes while the process is stopped, and is executed when it goes on."""
    await begin(lane)
    lane.freeze_worker(1.0)
    await answered(lane, lane.send("open"))


async def open_into_an_emergency(lane: Lane) -> None:
    """An emergency that begins while a command waits for its fresh reading."""
    await begin(lane)
    lane.fault("slow-bus", delay_s=0.08, for_s=3.0)
    await read_since(lane)
    name = lane.send("open")
    lane.fault("fire", for_s=3.0)
    await answered(lane, name)
    await shown(lane, "emergency_open")


async def open_at_the_start(lane: Lane) -> None:
    await begin(lane)
    assert await told(lane, "open") == "done"
    lane.kill_worker()
    await started_again(lane)
    await asyncio.sleep(MOVES_AGAIN_S)
    await told(lane, "close")


async def hurry_at_the_start(lane: Lane) -> None:
    lane.start_worker()
    assert await lane.ready()
    await read_since(lane, 3)
    await told(lane, "open")


async def hurry_after_a_reopening(lane: Lane) -> None:
    """Commands to close, ten a second, while the boom reopens and after it."""
    await open_and_closing(lane, below=0.9)
    lane.person(True)
    assert await lane.until(lambda: lane.moves() > 0.02)
    lane.person(False)
    for _ in range(20):
        name = lane.send("close", within_s=0.3)
        await asyncio.sleep(0.1)
    await answered(lane, name)


async def many_movements(lane: Lane) -> None:
    """More movements than a minute permits, with lost links in between."""
    await begin(lane)
    for _ in range(3):
        for verb in ("open", "close"):
            await told(lane, verb)
        lane.fault("unplug", for_s=0.2)
        assert await lane.until(lambda: lane.device != "online")
        assert await lane.ready()
        await asyncio.sleep(MOVES_AGAIN_S)


async def many_movements_of_many_lives(lane: Lane) -> None:
    """More movements than a minute permits, with a killed worker after each."""
    await begin(lane)
    for _ in range(8):
        await told(lane, "open")
        lane.send("acknowledge", issuer="supervisor", reason="hall checked")
        await told(lane, "close")
        lane.kill_worker()
        await started_again(lane)
        await asyncio.sleep(MOVES_AGAIN_S)


async def slow_once(lane: Lane) -> None:
    """A command to close right after a single slow reading."""
    await begin(lane)
    assert await told(lane, "open") == "done"
    lane.fault("slow-bus", delay_s=0.12, for_s=3.0)
    await read_since(lane)
    await answered(lane, lane.send("close"))


async def person_between_readings(lane: Lane) -> None:
    """A person comes just after a reading, and is sensed by the next one."""
    await open_and_closing(lane, below=0.5)
    lane.person(True)
    assert await lane.until(lambda: lane.position() > 0.98)


async def person_who_has_just_left(lane: Lane) -> None:
    """Commands to close, from the moment on at which a person has left the way."""
    await begin(lane)
    assert await told(lane, "open") == "done"
    lane.person(True)
    await asyncio.sleep(1.0)
    lane.person(False)
    for _ in range(8):
        await answered(lane, lane.send("close"))
        await asyncio.sleep(0.4)


TCP = "waveshare-tcp"
UNGROUNDED: dict[str, tuple[Post, Story]] = {
    "open with both limits": (Post(TCP), open_with_both_limits),
    "blind open": (Post(TCP), blind_opening),
    "open into an emergency": (Post(TCP), open_into_an_emergency),
    "open at the start": (Post(TCP), open_at_the_start),
    "hurry at the start": (Post(TCP), hurry_at_the_start),
    "hurry after a reopening": (Post(TCP, boom=QUICK, controller=DUMB), hurry_after_a_reopening),
    "many movements": (Post(TCP, boom=QUICK, barrier={"max_per_minute": 3}), many_movements),
    "many lives": (
        Post(TCP, boom=QUICK, barrier={"max_per_minute": 5}),
        many_movements_of_many_lives,
    ),
    "slow once": (Post("waveshare-rtu", controller=DUMB), slow_once),
    "person between readings": (Post(TCP, controller=DUMB), person_between_readings),
    "person has just left": (
        Post(TCP, controller=DUMB, barrier={"clear_s": 2.0}),
        person_who_has_just_left,
    ),
}
ALL_STORIES = STORIES | UNGROUNDED | SILENT | ENDED
