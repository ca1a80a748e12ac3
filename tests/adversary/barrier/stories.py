"""Short stories of one lane: what an independent judge once found, and what shows the loss of a guard."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from adversary.barrier.judge.records import Truth, Wire
from adversary.barrier.rig.lane import Lane
from adversary.barrier.rig.posts import Post

from simulators.barrier.bus import DirectConnection
from simulators.barrier.mechanics.lane import DriverBehaviour
from simulators.barrier.modbus_site import ModbusSite

Story = Callable[[Lane], Awaitable[None]]
DUMB = {"photocell": "ignored", "fire_opens": False}
"""A machine without safety devices of its own: what the gateway does is all that is done."""


async def begin(lane: Lane) -> None:
    lane.start_worker()
    assert await lane.ready()
    await asyncio.sleep(2.1)


async def told(lane: Lane, verb: str, within_s: float = 20.0, **arguments: Any) -> str:
    """Send a command, wait for its answer and for the rate limit; return its state."""
    name = lane.send(verb, **arguments)
    await lane.until(lambda: name in lane.answers, within_s)
    await asyncio.sleep(2.1)
    return lane.answers[name].state if name in lane.answers else "no answer"


async def closing(lane: Lane, door: str = "", below: float = 0.8, **arguments: Any) -> str:
    """Let an open door close until it is at a position; return the command's id."""
    name = lane.send("close", **({"door": door} if door else {}), **arguments)
    assert await lane.until(lambda: lane.moves(door) < -0.05 and lane.position(door) < below)
    return name


async def open_and_closing(lane: Lane, door: str = "", below: float = 0.8) -> None:
    await begin(lane)
    assert await told(lane, "open", **({"door": door} if door else {})) == "done"
    await closing(lane, door, below)


async def second_person(lane: Lane) -> None:
    await open_and_closing(lane)
    lane.person(True)
    await asyncio.sleep(0.9)
    lane.person(False)
    lane.site.barrier.press("stop")  # it stands half way
    await asyncio.sleep(7.0)
    await closing(lane, below=0.6)
    lane.person(True)
    await asyncio.sleep(3.0)


async def busy_reopening(lane: Lane) -> None:
    await open_and_closing(lane)
    lane.fault("exception-reply", quietly=True, code=6, of="writes", exchanges=2)
    lane.person(True)
    await asyncio.sleep(4.0)


async def flickering_limit(lane: Lane) -> None:
    await open_and_closing(lane)
    lane.person(True)
    lane.site.wiring.override(["closed-limit"], True)
    await asyncio.sleep(0.25)
    lane.site.wiring.override(["closed-limit"], None)
    await asyncio.sleep(4.0)


async def open_limit_that_stays(lane: Lane) -> None:
    await open_and_closing(lane, below=0.97)
    lane.person(True)
    lane.site.wiring.override(["open-limit"], True)
    await asyncio.sleep(0.6)
    lane.site.wiring.override(["open-limit"], None)
    await asyncio.sleep(4.0)


async def stop_at_the_open_end(lane: Lane) -> None:
    await begin(lane)
    assert await told(lane, "open") == "done"
    lane.send("close")
    await asyncio.sleep(0.1)
    lane.send("stop")
    assert await lane.until(lambda: lane.position() < 0.85)
    lane.person(True)
    await asyncio.sleep(6.0)


async def lost_release(lane: Lane) -> None:
    await open_and_closing(lane, below=0.97)
    lane.fault("lost-request", quietly=True, of="writes")
    lane.person(True)
    await asyncio.sleep(4.0)


async def killed_in_a_pulse(lane: Lane) -> None:
    await begin(lane)
    lane.send("open")
    await asyncio.sleep(0.1)
    lane.kill_worker()
    await asyncio.sleep(0.3)
    lane.start_worker()
    await asyncio.sleep(8.0)


async def silent_in_a_pulse(lane: Lane) -> None:
    await begin(lane)
    lane.send("open")
    await asyncio.sleep(0.3)
    lane.fault("silence", for_s=2.0)
    await asyncio.sleep(15.0)


async def stop_of_two_doors(lane: Lane) -> None:
    await open_and_closing(lane, "second")
    lane.fault("lost-reply", quietly=True, of="writes")
    lane.send("stop")
    await asyncio.sleep(4.0)


async def lost_stop(lane: Lane) -> None:
    await open_and_closing(lane)
    lane.fault("lost-request", quietly=True, of="writes")
    lane.send("stop")
    await asyncio.sleep(4.0)


async def stop_with_a_door(lane: Lane) -> None:
    await open_and_closing(lane)
    lane.send("stop", door="")
    await asyncio.sleep(2.0)


async def grant_and_flicker(lane: Lane) -> None:
    await begin(lane)
    lane.site.barrier.jam(0.0, "first")
    assert await told(lane, "open", door="first") == "failed"
    lane.site.wiring.override(["first-closed-limit"], False)
    await asyncio.sleep(0.25)
    lane.site.wiring.override(["first-closed-limit"], None)
    await asyncio.sleep(1.0)
    lane.send("open", door="second")
    await asyncio.sleep(1.0)
    lane.site.barrier.free("first")
    await asyncio.sleep(20.0)


async def stalled_adapter(lane: Lane) -> None:
    await begin(lane)
    name = lane.send("open", within_s=1.0)
    sent = len(lane.records)

    def fresh_reading() -> bool:
        return any(isinstance(one, Wire) and one.direction == "to-host" for one in lane.records[sent:])

    assert await lane.until(fresh_reading)
    lane.stall(4.0)
    await lane.until(lambda: name in lane.answers)
    await asyncio.sleep(8.0)


async def emergency_in_a_close(lane: Lane) -> None:
    await open_and_closing(lane, below=0.99)
    lane.fault("fire", for_s=3.0)
    await asyncio.sleep(5.0)


async def shut_in_an_emergency(lane: Lane) -> None:
    await begin(lane)
    lane.fault("fire", for_s=30.0)
    await asyncio.sleep(28.0)


async def silence_in_an_emergency(lane: Lane) -> None:
    await begin(lane)
    lane.fault("fire", for_s=3.0)
    await asyncio.sleep(5.0)
    lane.fault("silence", for_s=3.5)
    await asyncio.sleep(10.0)


async def lease_of_another(lane: Lane) -> None:
    await begin(lane)
    await told(lane, "maintenance", issuer="technician", duration_s=60.0, reason="a test")
    await told(lane, "maintenance", issuer="counter-2", duration_s=0.0, reason="in my way")
    await told(lane, "open")


async def lease_and_silence(lane: Lane) -> None:
    await begin(lane)
    await told(lane, "maintenance", issuer="technician", duration_s=60.0, reason="a test")
    lane.fault("silence", for_s=3.5)
    await asyncio.sleep(8.0)
    await told(lane, "open")


async def slow_board(lane: Lane) -> None:
    await begin(lane)
    assert await told(lane, "open") == "done"
    lane.fault("slow-bus", delay_s=0.05, for_s=20.0)
    await asyncio.sleep(4.0)
    lane.send("close")
    if await lane.until(lambda: lane.moves() < -0.05, 3.0):
        lane.person(True)
    await asyncio.sleep(4.0)


async def killed_while_closing(lane: Lane) -> None:
    await open_and_closing(lane)
    lane.kill_worker()
    await asyncio.sleep(0.1)
    lane.start_worker()
    await asyncio.sleep(0.7)
    lane.person(True)
    await asyncio.sleep(4.0)


async def another_master(lane: Lane) -> None:
    await begin(lane)
    assert isinstance(lane.site, ModbusSite)
    host = DirectConnection(lane.site.bus)
    lane.add(Truth(lane.now_s, "foreign", "", {"relay": 0}))
    host.request(1, bytes.fromhex("050000ff00"))
    await asyncio.sleep(1.2)
    host.request(1, bytes.fromhex("0500000000"))
    await asyncio.sleep(3.0)
    await told(lane, "close")


async def early_person(lane: Lane) -> None:
    await open_and_closing(lane, below=0.97)
    lane.person(True)
    await asyncio.sleep(4.0)


async def person_before(lane: Lane) -> None:
    await begin(lane)
    assert await told(lane, "open") == "done"
    lane.person(True)
    await asyncio.sleep(1.5)
    await told(lane, "close")


async def traffic(lane: Lane) -> None:
    await begin(lane)
    await told(lane, "open")
    await asyncio.sleep(2.0)
    await told(lane, "close")
    await told(lane, "open")


async def late_command(lane: Lane) -> None:
    """A command that waits for the line beyond its deadline."""
    await begin(lane)
    lane.fault("slow-bus", delay_s=0.05, for_s=3.0)
    await asyncio.sleep(0.5)
    for _ in range(4):
        lane.send("open", within_s=0.01)
        await asyncio.sleep(1.0)


async def emergency_and_close(lane: Lane) -> None:
    await begin(lane)
    await told(lane, "open")
    lane.fault("fire", for_s=2.0)
    await asyncio.sleep(4.0)
    await told(lane, "close")


async def both_limits(lane: Lane) -> None:
    await begin(lane)
    await told(lane, "open")
    lane.fault("both-limits", for_s=8.0)
    await asyncio.sleep(2.0)
    await told(lane, "close")


async def long_open(lane: Lane) -> None:
    await begin(lane)
    await told(lane, "open")
    await asyncio.sleep(20.0)


async def two_vehicles(lane: Lane) -> None:
    await begin(lane)
    lane.site.barrier.arrive(DriverBehaviour.WAITS)
    lane.site.barrier.arrive(DriverBehaviour.TAILGATES)
    await asyncio.sleep(4.0)
    await told(lane, "open")
    await asyncio.sleep(15.0)


async def both_doors(lane: Lane) -> None:
    await begin(lane)
    await told(lane, "open", door="first")
    await told(lane, "open", door="second")
    await asyncio.sleep(3.0)


async def silence(lane: Lane) -> None:
    await begin(lane)
    lane.fault("silence", for_s=6.0)
    await asyncio.sleep(4.0)
    lane.send("open")
    await asyncio.sleep(4.0)


async def lease_and_open(lane: Lane) -> None:
    await begin(lane)
    await told(lane, "maintenance", issuer="technician", duration_s=60.0, reason="a test")
    await told(lane, "open")


async def key_and_open(lane: Lane) -> None:
    await begin(lane)
    lane.fault("key-switch", for_s=8.0)
    await asyncio.sleep(2.0)
    await told(lane, "open")


async def hurry(lane: Lane) -> None:
    """A boom that is open before the shortest interval between two movements has passed."""
    await begin(lane)
    name = lane.send("open")
    await asyncio.sleep(0.2)
    lane.send("stop")
    await lane.until(lambda: name in lane.answers)
    await told(lane, "close")


async def by_hand(lane: Lane) -> None:
    await begin(lane)
    lane.fault("lift", to=1.0)
    await asyncio.sleep(4.0)


async def stop_and_open(lane: Lane) -> None:
    """A stop while a command still waits for its fresh reading."""
    await begin(lane)
    lane.fault("slow-bus", delay_s=0.06, for_s=6.0)
    await asyncio.sleep(1.0)
    lane.send("open")
    await asyncio.sleep(0.03)
    lane.send("stop")
    await asyncio.sleep(3.0)


async def blind_close(lane: Lane) -> None:
    """A command to close while the answers to readings are lost, and a person comes."""
    await begin(lane)
    assert await told(lane, "open") == "done"
    lane.fault("lost-reply", quietly=True, of="reads", exchanges=2)
    lane.person(True)
    await asyncio.sleep(0.45)
    lane.send("close")
    await asyncio.sleep(4.0)


async def two_conditions(lane: Lane) -> None:
    await begin(lane)
    lane.fault("key-switch", for_s=8.0)
    await asyncio.sleep(2.0)
    lane.fault("fire", for_s=3.0)
    await asyncio.sleep(7.0)


async def vehicle(lane: Lane) -> None:
    await begin(lane)
    lane.site.barrier.arrive(DriverBehaviour.WAITS)
    await asyncio.sleep(4.0)
    await told(lane, "open")
    await asyncio.sleep(8.0)


TCP = "waveshare-tcp"
QUICK = {"opening_s": 0.8, "closing_s": 2.0, "ramp_s": 0.1}
SLOW = {"opening_s": 4.0, "closing_s": 6.0}
STORIES: dict[str, tuple[Post, Story]] = {
    "1 second person": (Post("waveshare-tcp", boom=SLOW, controller=DUMB), second_person),
    "2 killed in a pulse": (Post("wirenboard-tcp"), killed_in_a_pulse),
    "2 silence in a pulse": (Post("numato"), silent_in_a_pulse),
    "3 stop of two doors": (Post("waveshare-tcp", "gate", controller=DUMB), stop_of_two_doors),
    "3 stop is lost": (Post("waveshare-tcp", controller=DUMB), lost_stop),
    "4 busy": (Post("waveshare-tcp", controller=DUMB), busy_reopening),
    "4 flicker": (Post("waveshare-tcp", controller=DUMB), flickering_limit),
    "4 open limit": (Post("waveshare-tcp", controller=DUMB), open_limit_that_stays),
    "4 stop at the open end": (Post("kmtronic", controller=DUMB, has_stop=False), stop_at_the_open_end),
    "5 release is lost": (Post("wirenboard-tcp", controller=DUMB), lost_release),
    "6 grant": (Post("waveshare-tcp", "gate"), grant_and_flicker),
    "7 adapter stalls": (Post("waveshare-rtu"), stalled_adapter),
    "8 close contact": (Post(TCP, controller=DUMB, barrier={"pulse_s": 1.0}), emergency_in_a_close),
    "8 shut": (Post("waveshare-tcp", controller=DUMB), shut_in_an_emergency),
    "9 lease": (Post("waveshare-tcp"), lease_of_another),
    "10 slow board": (Post("numato", boom=SLOW, controller=DUMB), slow_board),
    "11 stop with a door": (Post("waveshare-tcp", controller=DUMB), stop_with_a_door),
    "25 emergency": (Post("waveshare-tcp"), silence_in_an_emergency),
    "25 lease": (Post("waveshare-tcp"), lease_and_silence),
    "28 another master": (Post("waveshare-tcp"), another_master),
    "29 killed while closing": (Post("waveshare-tcp", boom=SLOW, controller=DUMB), killed_while_closing),
    "2 killed, latching": (Post("numato"), killed_in_a_pulse),
    "4 early person": (Post("waveshare-tcp", controller=DUMB), early_person),
    "person before": (Post("waveshare-tcp", controller=DUMB), person_before),
    "traffic": (Post("waveshare-tcp"), traffic),
    "serial traffic": (Post("waveshare-rtu"), traffic),
    "watchdog traffic": (Post("wirenboard-tcp"), traffic),
    "late": (Post("waveshare-tcp"), late_command),
    "emergency and close": (Post("waveshare-tcp", controller=DUMB), emergency_and_close),
    "both limits": (Post("waveshare-tcp"), both_limits),
    "long open": (Post("waveshare-tcp", barrier={"max_open_s": 15.0}), long_open),
    "two vehicles": (Post("waveshare-tcp"), two_vehicles),
    "both doors": (Post("waveshare-tcp", "gate"), both_doors),
    "silence": (Post("waveshare-tcp"), silence),
    "lease and open": (Post("waveshare-tcp"), lease_and_open),
    "key and open": (Post("waveshare-tcp"), key_and_open),
    "hurry": (Post("waveshare-tcp", boom=QUICK), hurry),
    "by hand": (Post("waveshare-tcp"), by_hand),
    "blind close": (Post("waveshare-tcp", controller=DUMB), blind_close),
    "two conditions": (Post("waveshare-tcp"), two_conditions),
    "vehicle": (Post("waveshare-tcp"), vehicle),
    "stop and open": (Post("waveshare-tcp"), stop_and_open),
}  # fmt: skip
