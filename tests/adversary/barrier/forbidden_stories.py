"""Short stories of commands that must move nothing: cancelled, too early, or forbidden by the inputs."""

import asyncio

from adversary.barrier.rig.lane import Lane
from adversary.barrier.rig.posts import Post
from adversary.barrier.silent_stories import SILENT
from adversary.barrier.stories import DUMB, QUICK, STORIES, Story, begin, open_and_closing, told


async def open_with_both_limits(lane: Lane) -> None:
    await begin(lane)
    lane.fault("both-limits", for_s=8.0)
    await asyncio.sleep(2.0)
    await told(lane, "open")


async def blind_opening(lane: Lane) -> None:
    """A command to open that comes while the process is stopped, and is executed when it goes on."""
    await begin(lane)
    lane.freeze_worker(1.0)
    await asyncio.sleep(0.5)
    lane.send("open")
    await asyncio.sleep(4.0)


async def open_into_an_emergency(lane: Lane) -> None:
    """An emergency that begins while a command waits for its fresh reading."""
    await begin(lane)
    lane.fault("slow-bus", delay_s=0.08, for_s=3.0)
    await asyncio.sleep(0.5)
    lane.send("open")
    lane.fault("fire", for_s=3.0)
    await asyncio.sleep(5.0)


async def open_at_the_start(lane: Lane) -> None:
    await begin(lane)
    assert await told(lane, "open") == "done"
    lane.kill_worker()
    await asyncio.sleep(0.5)
    lane.start_worker()
    await asyncio.sleep(5.0)
    await told(lane, "close")


async def hurry_at_the_start(lane: Lane) -> None:
    lane.start_worker()
    assert await lane.ready()
    await asyncio.sleep(0.5)
    await told(lane, "open")


async def hurry_after_a_reopening(lane: Lane) -> None:
    await open_and_closing(lane, below=0.9)
    lane.person(True)
    assert await lane.until(lambda: lane.moves() > 0.02)
    lane.person(False)
    for _ in range(20):
        lane.send("close", within_s=0.3)
        await asyncio.sleep(0.1)
    await asyncio.sleep(4.0)


async def many_movements(lane: Lane) -> None:
    """More movements than a minute permits, with lost links in between."""
    await begin(lane)
    for _ in range(3):
        for verb in ("open", "close"):
            await told(lane, verb)
        lane.fault("unplug", for_s=0.2)
        await asyncio.sleep(2.5)


async def slow_once(lane: Lane) -> None:
    """A command to close right after a single slow reading."""
    await begin(lane)
    assert await told(lane, "open") == "done"
    lane.fault("slow-bus", delay_s=0.12, for_s=3.0)
    await asyncio.sleep(0.3)
    lane.send("close")
    await asyncio.sleep(6.0)


async def person_between_readings(lane: Lane) -> None:
    """A person comes just after a reading, and is sensed by the next one."""
    await open_and_closing(lane, below=0.5)
    lane.person(True)
    await asyncio.sleep(4.0)


TCP = "waveshare-tcp"
UNGROUNDED: dict[str, tuple[Post, Story]] = {
    "open with both limits": (Post(TCP), open_with_both_limits),
    "blind open": (Post(TCP), blind_opening),
    "open into an emergency": (Post(TCP), open_into_an_emergency),
    "open at the start": (Post(TCP), open_at_the_start),
    "hurry at the start": (Post(TCP), hurry_at_the_start),
    "hurry after a reopening": (Post(TCP, boom=QUICK, controller=DUMB), hurry_after_a_reopening),
    "many movements": (Post(TCP, boom=QUICK, barrier={"max_per_minute": 3}), many_movements),
    "slow once": (Post("waveshare-rtu", controller=DUMB), slow_once),
    "person between readings": (Post(TCP, controller=DUMB), person_between_readings),
}
ALL_STORIES = STORIES | UNGROUNDED | SILENT
