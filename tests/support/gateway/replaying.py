"""Plays recordings as the devices of one post, and collects the events of its gateway."""

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.gateway.gateways import GatewayFixture
from support.patience import PATIENCE_S

from drivers.links.link import Cause
from drivers.links.recording.endpoints import with_endpoint
from drivers.links.recording.recording import Recording
from gateway.client import DeviceStatus, ReceivedEvent, Workstation
from gateway.contract.envelope import Provenance
from gateway.contract.topics import Position
from gateway.testing.playback.expectations import read_recording, recordings_in, without_varying
from gateway.testing.playback.replay_player import ReplayPlayer, address_setting
from simulators.links.serial_line import SerialLine

ROOT = Path(__file__).parents[2] / "recordings"
LONGEST_PAUSE_S = 0.4
MANY_QUESTIONS = 10
SENSING_SLOW = "sensing_slow"
"""Alarm and condition of a barrier whose board answers late."""
OF_SLOW_MACHINES = {SENSING_SLOW, "not_recorded"}
"""Conditions of a barrier whose board, or whose gateway's disk, answers late."""
ROLES = """
authority = "UTO"
[role.all]
verbs = ["*"]
[station.counter-1]
roles = ["all"]
positions = ["*/*"]
"""


def recordings() -> list[Path]:
    """Return all recordings of this repository."""
    return recordings_in(ROOT)


@dataclass
class ReplayedDevice:
    """One recording as a device of the post."""

    position: str
    recording: Recording
    said: list[dict[str, Any]] = field(default_factory=list)
    provenances: set[Provenance] = field(default_factory=set)
    online: asyncio.Event = field(default_factory=asyncio.Event)
    unplugged: asyncio.Event = field(default_factory=asyncio.Event)


async def replay_recordings(gateway: GatewayFixture, paths: list[Path]) -> dict[Path, list[dict[str, Any]]]:
    """Return the identity and all events of each recording, played by one gateway at once."""
    replays = {
        path: ReplayedDevice(f"lane-{number}/device", read_recording(path))
        for number, path in enumerate(paths, start=1)
    }
    gateway.silent_s = 20  # all of them compute at once, on a machine that may be busy
    (gateway.folder / "roles.toml").write_text(ROLES)
    gateway.extra = '[commands]\nroles_file = "roles.toml"\n'
    async with AsyncExitStack() as stack:
        waiting = asyncio.Event()
        playing = {
            path: await _device(gateway, replay, stack, waiting if _talks(replay.recording) else None)
            for path, replay in replays.items()
        }
        desk = await stack.enter_async_context(gateway.workstation(station="counter-1"))
        await asyncio.wait_for(desk.connected_event.wait(), PATIENCE_S)
        ending = asyncio.Event()
        watching = asyncio.create_task(
            _watch(desk, {Position.parse(r.position): r for r in replays.values()}, ending)
        )
        await gateway.start()
        asking = [asyncio.create_task(_ask(desk, replay)) for replay in replays.values()]
        try:
            # Where each answer must come within half a second, nothing else must compute.
            await asyncio.gather(
                *(task for path, task in playing.items() if not _talks(replays[path].recording))
            )
            waiting.set()
            await asyncio.gather(*playing.values(), *asking)
        finally:
            # The gateway delivers its events, and then publishes its end.
            ending.set()
            await gateway.stop()
        await asyncio.wait_for(watching, PATIENCE_S)
    assert {word for replay in replays.values() for word in replay.provenances} <= {Provenance.REPLAYED}
    return {path: without_slowness(replay.said) for path, replay in replays.items()}


def without_slowness(said: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out that a barrier was sensed or recorded slowly: that is the pace of this machine."""
    kept: list[dict[str, Any]] = []
    last_state: dict[str, Any] | None = None
    for event in said:
        if event["type"] == "barrier.alarm" and event["data"]["kind"] == SENSING_SLOW:
            continue
        if event["type"] != "barrier.state":
            kept.append(event)
            continue
        conditions = [each for each in event["data"]["conditions"] if each not in OF_SLOW_MACHINES]
        state = event | {"data": event["data"] | {"conditions": conditions}}
        if state != last_state:
            kept.append(state)
        last_state = state
    return kept


def _talks(recording: Recording) -> bool:
    """Return True if its driver polls."""
    return len([chunk for chunk in recording.chunks if chunk.direction == "out"]) > MANY_QUESTIONS


async def _device(
    gateway: GatewayFixture, replay: ReplayedDevice, stack: AsyncExitStack, waiting: asyncio.Event | None
) -> "asyncio.Task[None]":
    """Configure the device, and play its recording once the gateway is online, after `waiting`."""
    player = ReplayPlayer(replay.recording, LONGEST_PAUSE_S)
    place = address_setting(replay.recording)
    if place == "url":
        port, said = await stack.enter_async_context(player.serve_http())
        where = f"http://127.0.0.1:{port}"
        playing = asyncio.create_task(_until(said))
    else:
        line = SerialLine.open_at(gateway.port(replay.position), look_s=0.002, replays=True)
        where = str(line.path)
        playing = asyncio.create_task(_play(player, line, waiting, replay))
    settings = with_endpoint(replay.recording.settings, place, where)
    lines = [f"{name} = {_toml(value)}" for name, value in settings.items()]
    gateway.devices[replay.position] = "\n".join(
        [f'\n[device."{replay.position}"]', f'driver = "{replay.recording.driver}"', *lines, ""]
    )
    gateway.write()
    return playing


async def _play(
    player: ReplayPlayer, line: SerialLine, waiting: asyncio.Event | None, replay: ReplayedDevice
) -> None:
    if waiting is not None:
        await waiting.wait()
    async with line:
        await player.play_on_line(line)
        # The last events are those of the disconnected device.
        async with asyncio.timeout(PATIENCE_S):
            await replay.unplugged.wait()


async def _until(said: asyncio.Event) -> None:
    await said.wait()


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_toml(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)


async def _ask(desk: Workstation, replay: ReplayedDevice) -> None:
    """Send the command that the recorded device was given."""
    if replay.recording.commands is not None:
        verb, request = replay.recording.commands
        await replay.online.wait()
        await desk.command(replay.position, verb, request, timeout_s=30)


async def _watch(desk: Workstation, replays: dict[Position, ReplayedDevice], ending: asyncio.Event) -> None:
    """Record events until the gateway is offline after `ending`: before its first token it is so as well."""
    async for item in desk.events_and_status():
        replay = replays.get(item.position)
        match item:
            case ReceivedEvent() if replay is not None and not item.envelope.type.startswith("bgw.command."):
                replay.said.append(_told(item))
                replay.provenances.add(item.envelope.provenance)
            case DeviceStatus(description=description) if replay is not None:
                if item.is_usable and description is not None and not replay.online.is_set():
                    assert description.identity is not None
                    identity = description.identity.model_dump(mode="json")
                    replay.said.insert(0, {"type": "identity", "data": identity})
                    replay.online.set()
                if item.state is not None and item.state.cause == Cause.UNPLUGGED:
                    replay.unplugged.set()
                if not item.gateway_online and ending.is_set():
                    return


def _told(received: ReceivedEvent) -> dict[str, Any]:
    """Return one event without the fields that each replay gives anew."""
    event = json.loads(received.envelope.model_dump_json())
    kind = event["type"].removeprefix("bgw.").removesuffix(".v1")
    return {"type": kind, "data": without_varying(event["data"], received.data)}
