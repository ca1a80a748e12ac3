"""Plays a recording into the real driver through a real pty and collects what the driver says."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

from drivers.command import Call
from drivers.driver import BadFrame, Driver, Status, load_driver
from drivers.links.link import LinkError
from drivers.links.links import Links
from drivers.links.recording import Recording
from simulators.serial_line import SerialLine

ROOT = Path(__file__).parent.parent / "recordings"
LONGEST_PAUSE_S = 0.4


def recordings() -> list[Path]:
    """All recordings of this repository."""
    return sorted(ROOT.rglob("*.rec"))


def expected(path: Path) -> Path:
    """The file with a recording's expected events."""
    return path.with_suffix(".events.json")


async def events_of(path: Path, port: Path) -> list[dict[str, Any]]:
    """Everything the driver says to a recording: type and data of each observation, bad frames included."""
    recording = Recording.parse(path.read_text())
    driver_class = load_driver(recording.driver)
    said: list[dict[str, Any]] = []
    async with SerialLine.at(port) as line:
        links = Links()
        driver = driver_class(driver_class.settings_model(**recording.settings, port=str(port)), links)
        playing = asyncio.create_task(_play(recording, line))
        try:
            identity = await driver.open()
            said.append({"type": "identity", "data": identity.model_dump(mode="json")})
            asking = asyncio.ensure_future(_asked(driver, recording))
            async with contextlib.aclosing(driver.watch()) as observations:
                with contextlib.suppress(LinkError):
                    async for observation in observations:
                        said.append(_told(observation))
            await asking
        finally:
            await links.close()
            await playing
    return said


def _told(said: Any) -> dict[str, Any]:
    """One thing that a driver says; how long it took to measure is not what the wire says."""
    match said:
        case BadFrame(fault, _):
            return {"type": "bad frame", "data": {"fault": fault}}
        case Status(condition):
            return {"type": "status", "data": {"condition": condition}}
        case _:
            data = said.model_dump(mode="json")
            if isinstance(quality := data.get("quality"), dict):
                del quality["duration_ms"]
            return {"type": said.event_type, "data": data}


async def _asked(driver: Driver[Any], recording: Recording) -> None:
    """Give the command that the recorded device was given."""
    if recording.asked is not None:
        verb, request = recording.asked
        command = driver.commands[verb]
        await getattr(driver, command.method)(command.request.model_validate(request), Call.at_hand())


async def _play(recording: Recording, line: SerialLine) -> None:
    """Be the device: say what it said, wait for what the host said, and unplug at the end."""
    await line.host_opened()
    at_s = 0.0
    for chunk in recording.chunks:
        if chunk.direction == "out":
            await line.heard(chunk.data)
            line.forget()
        else:
            await asyncio.sleep(min(chunk.at_s - at_s, LONGEST_PAUSE_S) if chunk.at_s - at_s > 0.1 else 0)
            await line.send(chunk.data)
        at_s = chunk.at_s
    await line.drained()
    await asyncio.sleep(LONGEST_PAUSE_S)  # a silence is part of the recording: it ends what is pending
    line.unplug()
