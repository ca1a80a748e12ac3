"""Time of a reopening at a board whose inputs are read one by one: it waits for one frame at most."""

import asyncio
from pathlib import Path

from adversary.barrier.judge.records import Wire
from adversary.barrier.rig.lane import Lane, play
from adversary.barrier.rig.posts import Post
from adversary.barrier.stories import DUMB, SLOW, begin, closing, told

FRAME_S = 0.055
"""Time of one exchange with a board that answers after 0.05 s, in seconds."""
DEAD_S = 0.3


async def person_at_a_slow_board(lane: Lane) -> None:
    await begin(lane)
    assert await told(lane, "open") == "done"
    await closing(lane, below=0.98)
    lane.fault("slow-bus", delay_s=0.05, for_s=20.0)
    lane.person(True)
    await asyncio.sleep(4.0)


def test_reopening_waits_for_one_frame(tmp_path: Path) -> None:
    """A reading of Numato's inputs is eight frames, and a reopening becomes due in the middle of it."""
    records = play(Post("numato", boom=SLOW, controller=DUMB), tmp_path, person_at_a_slow_board).records
    wires = [one for one in records if isinstance(one, Wire)]
    release = next(one for one in wires if b"relay writeall 00" in one.data)
    acknowledged_s = next(one.at_s for one in wires if one.answers == release.number)
    reopening = next(one for one in wires if one.data == b"relay on 0\r" and one.at_s > acknowledged_s)
    waits_s = reopening.at_s - acknowledged_s - DEAD_S
    assert -0.01 <= waits_s <= FRAME_S + 0.01
