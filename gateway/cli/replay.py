"""`borderpost replay`: replay a recording into its driver, or as a device of a running gateway.

Refused in production: ICAO Doc 9303-2, appendix C.
"""

import asyncio
import json
import os
import tempfile
from contextlib import aclosing
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer
from pydantic_core import to_jsonable_python

from drivers.driver import BadFrame, Identity, PreviewFrame, Status
from drivers.links.link import LinkError, NotInstalledError
from drivers.links.recording.recording import Recording
from drivers.observation import Observation, redact
from drivers.registry import UnknownDriverError
from gateway.cli._lib.post_file import load_or_fail
from gateway.cli._lib.recording_file import RecordingFile, need_driver, recording_or_fail
from gateway.cli._lib.terminal import console, exit_with, not_installed, require_simulators
from gateway.cli._render.event import fields_line
from gateway.cli._render.event_summary import summarise_event
from gateway.config import Post
from gateway.contract.topics import Position
from gateway.testing.playback.replay_player import ReplayError, ReplayPlayer, address_setting, observe


def replay(
    recording: RecordingFile,
    config: Annotated[
        Path | None,
        typer.Argument(envvar="BORDERPOST_CONFIG", help="With --position: the file that describes the post."),
    ] = None,
    position: Annotated[
        str | None,
        typer.Option(
            "--position",
            metavar="POSITION",
            help="Replace that device of a running gateway, as in lane-1/reader.",
        ),
    ] = None,
    pause: Annotated[float, typer.Option(min=0.2, help="Shorten longer pauses to this many seconds.")] = 1e9,
    json_lines: Annotated[bool, typer.Option("--json", help="Print one JSON object per line only.")] = False,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show personal data of real persons in full.")
    ] = False,
) -> None:
    """Replay a recording into its driver and show the resulting events.

    With --position the recording becomes a device of a running gateway, whose events carry `replayed`. Replay
    to a post in production is refused: pre-recorded input is a way to attack a document check.
    """
    require_simulators()
    read = recording_or_fail(recording)
    try:
        need_driver(read.driver)
        player = ReplayPlayer(read, pause)
        if position is None:
            shown = reveal or read.people != "real"
            asyncio.run(_print_observations(player, shown=shown, json_lines=json_lines))
        elif config is None:
            exit_with("no post is given: name its file after the recording", os.EX_USAGE)
        else:
            asyncio.run(_replay_as_device(player, load_or_fail(config), position))
    except (ReplayError, UnknownDriverError) as error:
        exit_with(f"{recording}: {error}", os.EX_DATAERR)
    except NotInstalledError as error:
        not_installed(error.text, error.extra, error.distribution)
    except LinkError as error:
        midway = " The recording begins midway." if read.begins == "midway" else ""
        exit_with(f"{recording}: {error.text}{midway}", os.EX_DATAERR)


async def _print_observations(player: ReplayPlayer, *, shown: bool, json_lines: bool) -> None:
    """Print the driver's observations."""
    with tempfile.TemporaryDirectory(prefix="borderpost-replay-") as folder:
        async with aclosing(observe(player, Path(folder))) as items:  # type: ignore[type-var]
            async for one in items:
                line = _json(one, shown=shown) if json_lines else _line(one, shown=shown)
                if line:
                    console.print(line, markup=False, soft_wrap=True)


def _json(item: Any, *, shown: bool) -> str:
    match item:
        case Identity():
            return json.dumps({"type": "identity", "data": item.model_dump(mode="json")})
        case Observation():
            data = item.model_dump(mode="json") if shown else to_jsonable_python(redact(item))
            return json.dumps({"type": item.event_type, "data": data})
        case BadFrame(fault, wire):
            return json.dumps({"type": "bad frame", "data": {"fault": fault, "bytes": len(wire)}})
        case Status(condition):
            return json.dumps({"type": "status", "data": {"condition": condition}})
        case PreviewFrame(_, picture):
            return json.dumps({"type": "preview_frame", "data": {"bytes": len(picture)}})
    raise AssertionError("unexpected item of a driver")


def _line(item: Any, *, shown: bool) -> str:
    match item:
        case Identity():
            named = (item.manufacturer, item.model, item.serial_number, item.firmware)
            return f"{'identity':<18} {' '.join(filter(None, named))}"
        case Observation():
            words = summarise_event(item, shown=shown)
            text = fields_line(item, shown=shown) if words is None else words.plain
            return f"{item.event_type:<18} {text}"
        case BadFrame(fault, wire):
            return f"{'bad frame':<18} {fault}, {len(wire)} bytes"
        case Status(condition):
            return f"{'status':<18} {condition}"
    return ""


async def _replay_as_device(player: ReplayPlayer, post: Post, position: str) -> None:
    """Act as a device of a gateway until the recording ends."""
    from simulators.errors import SimulatorError
    from simulators.links.serial_line import SerialLine

    recording = player.recording
    table, place = _table(post, position, recording), address_setting(recording)
    if recording.wire == "tcp":
        exit_with(
            "a recording of tcp is no device of a gateway, because nothing at a TCP connection marks it as "
            "replayed: leave out --position",
            os.EX_DATAERR,
        )
    where = str(table["board"]["port"] if place == "board.port" else table[place])
    if place == "url":
        url = urlsplit(where)
        if url.hostname not in ("127.0.0.1", "localhost"):
            exit_with(f"{position}: its `url` is not on this machine", os.EX_CONFIG)
        async with player.serve_http(url.port or 80) as (_, finished):
            console.print(f"{position}: serving {where}", markup=False, soft_wrap=True)
            await finished.wait()
    else:
        path = Path(where)
        if not path.is_absolute():
            exit_with(f"{position}: its `port` is {path}, but only a path can be replaced", os.EX_CONFIG)
        try:
            async with SerialLine.open_at(path, replays=True) as line:
                console.print(f"{position}: waiting at {path}", markup=False, soft_wrap=True)
                await player.play_on_line(line)
        except SimulatorError as error:
            exit_with(str(error), os.EX_CANTCREAT)
    console.print(f"{position}: replay complete", markup=False, soft_wrap=True)


def _table(post: Post, position: str, recording: Recording) -> dict[str, Any]:
    """Return the device's table; ends the program if a replay to it is not permitted."""
    if post.gateway.profile == "production":
        exit_with("this post has the profile production: a replay to it is refused", os.EX_NOPERM)
    try:
        device = post.devices.get(Position.parse(position))
    except ValueError as error:
        exit_with(str(error), os.EX_USAGE)
    if device is None:
        exit_with(f"there is no device {position} in this post", os.EX_USAGE)
    if device.driver != recording.driver:
        exit_with(
            f"{position} has the driver {device.driver}, but the recording is of {recording.driver}",
            os.EX_DATAERR,
        )
    return device.raw_settings
