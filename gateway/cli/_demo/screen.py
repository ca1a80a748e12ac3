"""Screen of a demo: the banner with commands to copy, events as they arrive, and the summary."""

import asyncio
import os
import secrets
import shlex
import shutil
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from rich.panel import Panel
from rich.table import Table

from drivers.driver import StateCode
from gateway.api.operations import UserRole
from gateway.cli._demo.officer import STATION, DemoOfficer
from gateway.cli._lib.arguments import default_post_file
from gateway.cli._lib.terminal import console, print_line
from gateway.cli._lib.workstation import Login, make_workstation
from gateway.cli._render.event import event_line, status_line
from gateway.client import DeviceStatus, ReceivedEvent
from gateway.config import Post
from gateway.config.model import ConsoleSection


class Screen:
    """Output of a demo."""

    def __init__(self, post: Post, broker: str, config: Path, *, findable: bool) -> None:
        """`broker`: its name and address. `findable`: `borderpost` finds this demo without CONFIG."""
        self._post = post
        self._broker = broker
        self._config = config
        self._findable = findable
        self._login = _console(post.console)
        self._events: Counter[str] = Counter()
        self._latencies_ms: list[float] = []

    async def watch(self, duration: float | None, end: Callable[[], None]) -> None:
        """Print the banner once the gateway is connected, then events and states.

        Calls `end` after `duration` seconds, which begin when all devices are online.
        """
        expected = set(self._post.devices)
        greeted = False
        # The broker is the demo's own, and its gateway may still be loading: no problem to report.
        workstation = make_workstation(self._post, login=Login(station=STATION), on_problem=lambda _: None)
        async with workstation, DemoOfficer(workstation) as officer:
            async for item in workstation.events_and_status():
                if not greeted and workstation.gateways:
                    greeted = True
                    self._banner()
                if isinstance(item, ReceivedEvent):
                    self._take(item)
                    print_line(event_line(item, reveal=False))
                    officer.on_event(item)
                    continue
                if not _begins(item):
                    print_line(status_line(item))
                if item.is_usable and item.position in expected:
                    expected.discard(item.position)
                    if not expected and duration is not None:
                        asyncio.get_running_loop().call_later(duration, end)

    def summary(self) -> list[str]:
        """Print the summary; returns the devices that published nothing."""
        table = Table(title="Summary", box=None)
        table.add_column("device")
        table.add_column("events", justify="right")
        for position in map(str, self._post.devices):
            count = self._events[position]
            table.add_row(position, str(count) if count else "[red]nothing[/]")
        console.print(table)
        total = self._events.total()
        median = f", median latency {statistics.median(self._latencies_ms):.1f} ms" if total else ""
        console.print(f"[bold]{total} events{median}[/]")
        return [str(position) for position in self._post.devices if not self._events[str(position)]]

    def _take(self, received: ReceivedEvent) -> None:
        """Count one event; both ends run on this machine, so the boot clock gives its latency."""
        self._events[str(received.position)] += 1
        heard_ns = int(received.envelope.monons)
        self._latencies_ms.append((time.clock_gettime_ns(time.CLOCK_BOOTTIME) - heard_ns) / 1e6)

    def _banner(self) -> None:
        gateway = self._post.gateway
        console.print(
            Panel(
                f"[bold]{gateway.site}[/], {len(self._post.devices)} simulated devices, "
                "[magenta]every traveller is invented.[/]\n"
                f"broker  {self._broker}, MQTT 5, topics {gateway.topic_root}/#\n"
                f"{self._login}"
                f"CONFIG  {self._config}",
                title="borderpost demo",
                title_align="left",
                expand=False,
            )
        )
        # Outside the frame, and unbroken on a narrow terminal too: these lines are to be copied.
        console.print("In a second terminal, in this folder:", style="dim")
        for line in self._commands():
            console.print(f"  {line}", markup=False, soft_wrap=True)
        console.print("In Python:", style="dim")
        training = ", training=True" if gateway.profile == "training" else ""
        broker = self._post.broker
        console.print(
            f'  Workstation("{broker.host}", {broker.port}, site="{gateway.site}"{training})',
            markup=False,
            soft_wrap=True,
        )
        console.print("Ctrl-C ends the demo.", style="dim")

    def _commands(self) -> list[str]:
        # A post's own file, if there is one, takes precedence over the demo's.
        named = not self._findable or default_post_file() != self._config
        program, config = _program(), f" {shlex.quote(str(self._config))}" if named else ""
        lines = [f"{program} {verb}{config}" for verb in ("devices", "watch", "doctor")]
        barrier = next((position for position in self._post.devices if position.device == "barrier"), None)
        if barrier is not None:
            lines.append(f"{program} command{config} {barrier} open --station {barrier.lane}")
        return lines


def _begins(status: DeviceStatus) -> bool:
    """Return True for a device before its first state, which is not printed."""
    return status.state is None or (status.gateway_online and status.state.state is StateCode.STARTING)


def _program() -> str:
    """Return the program of this process as a person would type it in the same folder."""
    own = Path(sys.argv[0]).absolute()
    found = shutil.which("borderpost")
    if found is not None and Path(found).resolve() == own.resolve():
        return "borderpost"
    below = os.path.relpath(own)
    return shlex.quote(str(own) if below.startswith("..") else below)


def _console(console: ConsoleSection) -> str:
    """Create a login for the console; returns its line, empty if its libraries are not installed."""
    if console.listen is None or console.users_file is None:
        return ""
    try:
        from gateway.console.auth.users import set_password
    except ImportError:
        return ""
    password = secrets.token_urlsafe(9)
    set_password(console.users_file, "demo", password, UserRole.SUPERVISOR)
    return f"console [bold]http://{console.listen}[/], name [bold]demo[/], password [bold]{password}[/]\n"
