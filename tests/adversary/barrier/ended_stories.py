"""Short stories of closings that go on, or begin, after their command has ended."""

import asyncio

from adversary.barrier.rig.lane import Lane
from adversary.barrier.rig.posts import Post
from adversary.barrier.stories import DUMB, SLOW, Story, begin, open_and_closing, told

OVER_S = 1.2
"""Time after the end of an emergency until the judge takes no machine for opened by it, in seconds."""


async def leased_closing(lane: Lane) -> None:
    """An emergency ends the command, a technician takes the lane, and a person comes."""
    await open_and_closing(lane, below=0.97)
    lane.fault("fire", for_s=0.4)
    await asyncio.sleep(0.6)
    lane.send("maintenance", issuer="technician", duration_s=60.0, reason="a test")
    await asyncio.sleep(OVER_S)
    lane.person(True)
    await asyncio.sleep(5.0)


async def late_closing(lane: Lane) -> None:
    """A boom that is stuck open does not start in time, and starts while both limits are made."""
    await begin(lane)
    assert await told(lane, "open") == "done"
    lane.fault("stuck-boom", at=1.0, for_s=2.5)
    name = lane.send("close")
    assert await lane.until(lambda: name in lane.answers)
    lane.fault("both-limits", for_s=8.0)
    assert await lane.until(lambda: lane.position() < 0.9)
    lane.person(True)
    await asyncio.sleep(6.0)


async def moved_after_a_stop(lane: Lane) -> None:
    """A boom is stopped half way, and somebody with the key closes it by its button."""
    await open_and_closing(lane)
    lane.send("stop")
    assert await lane.until(lambda: lane.retained is not None and lane.retained["state"] == "stopped")
    lane.fault("key-switch", for_s=3.0)
    await asyncio.sleep(1.0)
    lane.site.barrier.press("close")
    await asyncio.sleep(6.0)


TCP = "waveshare-tcp"
ENDED: dict[str, tuple[Post, Story]] = {
    "leased closing": (Post(TCP, boom=SLOW, controller=DUMB, has_stop=False), leased_closing),
    "late closing": (Post(TCP, boom=SLOW, controller=DUMB), late_closing),
    "moved after a stop": (Post(TCP, boom=SLOW, controller=DUMB), moved_after_a_stop),
}
