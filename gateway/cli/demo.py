"""`borderpost demo`: a broker, a simulated post, the real daemon, and its events on the screen."""

import asyncio
import contextlib
import os
import secrets
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from rich.panel import Panel
from rich.table import Table

from gateway.cli.brokers import BrokerError, free_port, loopback_broker
from gateway.cli.officer import STATION, Officer
from gateway.cli.post_file import load_or_fail
from gateway.cli.rendering import event_line, status_line
from gateway.cli.terminal import console, fail, need_simulators, say
from gateway.cli.workstation import Login, workstation_of
from gateway.client import Received
from gateway.config import Post
from gateway.config.model import Console
from gateway.local.orders import Standing

FILES = Path(__file__).parent / "demo_files"
"""The demo's post, its simulated devices and its role file: installed with the package, kept in config/."""
STOP_S = 6.0
START_S = 20.0
"""How long the time of a demo waits for every device to be online: one of them may never be."""


@dataclass
class Tally:
    """What the demo saw."""

    events: Counter[str] = field(default_factory=Counter)
    latencies_ms: list[float] = field(default_factory=list)

    def take(self, received: Received) -> None:
        """Count one event; both ends run on this machine, so the boot clock gives its latency."""
        self.events[str(received.position)] += 1
        heard_ns = int(received.envelope.monons)
        self.latencies_ms.append((time.clock_gettime_ns(time.CLOCK_BOOTTIME) - heard_ns) / 1e6)


def demo(
    duration: Annotated[
        float | None, typer.Option(min=1, help="End by itself so many seconds after every device is online.")
    ] = None,
    config: Annotated[Path, typer.Option(help="The file that describes the post.")] = FILES / "demo.toml",
    post: Annotated[Path, typer.Option(help="The file that describes the simulated devices.")] = FILES
    / "demo-post.toml",
) -> None:
    """Run everything on this machine, without root: broker, simulated post, gateway; show what it says.

    Exit code 1 when a device of the post published nothing.
    """
    need_simulators()
    with tempfile.TemporaryDirectory(prefix="borderpost-demo-") as folder:
        run_dir = Path(folder)
        try:
            with loopback_broker(run_dir) as (broker, port):
                os.environ.update(
                    BORDERPOST_RUN=str(run_dir),
                    BORDERPOST_MQTT_PORT=str(port),
                    BORDERPOST_CONSOLE_PORT=str(free_port()),
                )
                described = load_or_fail(config)
                if described.gateway.profile == "production":
                    fail(f"{config} is in production: no demo is made of it", os.EX_NOPERM)
                code = asyncio.run(_demo(described, config, post, run_dir, duration, f"{broker}:{port}"))
        except BrokerError as error:
            fail(str(error), os.EX_UNAVAILABLE)
    raise typer.Exit(code)


async def _demo(
    described: Post, config: Path, post: Path, run_dir: Path, duration: float | None, broker: str
) -> int:
    console.print(
        Panel(
            f"[bold]{described.gateway.site}[/] with {len(described.devices)} simulated devices\n"
            f"broker {broker} on 127.0.0.1, MQTT 5, topics {described.gateway.topic_root}/#\n"
            f"{_console(described.console)}"
            "[magenta]Every traveller you see is invented.[/]  Ctrl-C ends the demo.",
            title="borderpost demo",
            expand=False,
        )
    )
    loop = asyncio.get_running_loop()
    ending: asyncio.Future[None] = loop.create_future()

    def end() -> None:
        if not ending.done():
            ending.set_result(None)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)
    if duration is not None:
        loop.call_later(START_S + duration, end)
    tally = Tally()
    simulators = [sys.executable, "-m", "simulators", str(post), "--run-dir", str(run_dir)]
    daemon = [sys.executable, "-m", "gateway.daemon", str(config)]
    async with _program(simulators, run_dir, end) as devices, _program(daemon, run_dir, end) as gateway:
        watching = asyncio.create_task(_show(described, tally, duration, end))
        await asyncio.wait({ending, watching}, return_when=asyncio.FIRST_COMPLETED)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        for process, name in ((gateway, "gateway.daemon"), (devices, "simulators")):
            if process.returncode is not None:
                console.print((run_dir / f"{name}.log").read_text()[-2000:], markup=False)
                console.print(f"[red]{name} ended by itself with {process.returncode}[/]")
                return os.EX_SOFTWARE
    silent = _summary(described, tally)
    return 1 if silent else 0


def _console(console: Console) -> str:
    """Let somebody into the console, and say where it is; nothing where its libraries are not installed."""
    if console.listen is None or console.users_file is None:
        return ""
    try:
        from gateway.console.people import set_password
    except ImportError:
        return ""
    password = secrets.token_urlsafe(9)
    set_password(console.users_file, "demo", password, Standing.SUPERVISOR)
    return f"console [bold]http://{console.listen}[/], name [bold]demo[/], password [bold]{password}[/]\n"


@contextlib.asynccontextmanager
async def _program(
    command: Sequence[str], run_dir: Path, ended: Callable[[], None]
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a program beside us; its own Ctrl-C is ours to pass on."""
    with (run_dir / f"{command[2]}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    waiting = asyncio.create_task(process.wait())
    waiting.add_done_callback(lambda _: ended())
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(waiting, STOP_S)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _show(described: Post, tally: Tally, duration: float | None, end: Callable[[], None]) -> None:
    """Show what comes; call `end` when `duration` is over, which slow machines do not spend on starting."""
    expected = set(described.devices)
    desk = workstation_of(described, login=Login(station=STATION))
    async with desk, Officer(desk) as officer:
        async for item in desk.everything():
            if isinstance(item, Received):
                tally.take(item)
                say(event_line(item, reveal=False))
                officer.sees(item)
            else:
                say(status_line(item))
                if item.online and item.position in expected:
                    expected.discard(item.position)
                    if not expected and duration is not None:
                        asyncio.get_running_loop().call_later(duration, end)


def _summary(described: Post, tally: Tally) -> list[str]:
    """Print what was seen; returns the devices that said nothing."""
    table = Table(title="What was seen", box=None)
    table.add_column("device")
    table.add_column("events", justify="right")
    for position in map(str, described.devices):
        count = tally.events[position]
        table.add_row(position, str(count) if count else "[red]nothing[/]")
    console.print(table)
    total = tally.events.total()
    median = f", median latency {statistics.median(tally.latencies_ms):.1f} ms" if total else ""
    console.print(f"[bold]{total} events{median}[/]")
    return [str(position) for position in described.devices if not tally.events[str(position)]]
