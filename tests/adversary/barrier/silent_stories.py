"""Short stories of a board that never answers: frames are lost, and nothing that is read shows it."""

import asyncio

from adversary.barrier.judge.records import Contact
from adversary.barrier.rig.lane import Lane
from adversary.barrier.rig.posts import Post
from adversary.barrier.stories import DUMB, SLOW, Story, lost_stop, open_and_closing

DEAD_S = 0.3


async def lost_reopening(lane: Lane) -> None:
    """The frame of a reopening is lost, after the dead time since the release."""
    await open_and_closing(lane, below=0.97)
    lane.person(True)
    sent = len(lane.records)

    def released() -> bool:
        return any(isinstance(one, Contact) and not one.closed for one in lane.records[sent:])

    assert await lane.until(released)
    await asyncio.sleep(DEAD_S - 0.03)
    lane.fault("lost-request", quietly=True, of="writes")
    await asyncio.sleep(4.0)


SILENT: dict[str, tuple[Post, Story]] = {
    "3 silent stop is lost": (Post("lcus", boom=SLOW, controller=DUMB), lost_stop),
    "4 silent reopening is lost": (Post("lcus", boom=SLOW, controller=DUMB), lost_reopening),
}
