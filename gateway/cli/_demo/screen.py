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
from importlib.util import find_spec
from pathlib import Path

from rich.panel import Panel
from rich.table import Table

import gateway.counter
from drivers.camera.observations import FaceFeedback
from drivers.driver import StateCode
from drivers.fingerprint.observations import CaptureEnded, FingerFeedback
from drivers.passport.observations import (
    ChipReadProgress,
    DocumentChecked,
    DocumentPlaced,
    DocumentRemoved,
    ImageCaptured,
    MrzRead,
)
from gateway.api.operations import UserRole
from gateway.cli._demo.officer import STATION, DemoOfficer
from gateway.cli._lib.arguments import default_post_file
from gateway.cli._lib.terminal import console, print_line
from gateway.cli._lib.workstation import Login, make_workstation
from gateway.cli._render.event import event_line, status_line
from gateway.client import DeviceStatus, ReceivedEvent
from gateway.config import Post
from gateway.config.model import ConsoleSection
from gateway.contract.events import ClaimChanged, CommandDecided
from gateway.contract.topics import Position

STEPS = (
    CaptureEnded,
    ChipReadProgress,
    ClaimChanged,
    DocumentChecked,
    DocumentPlaced,
    DocumentRemoved,
    FaceFeedback,
    FingerFeedback,
    ImageCaptured,
    MrzRead,
)
"""Steps of one document, one capture or one claim, of which the demo shows the result."""
CLAIM_VERBS = ("claim", "renew", "release")


COUNTER = "counter"
"""Name of the station in the demo's role file for whoever opens the counter page."""
PAGE_FILES = Path(gateway.counter.__file__).parent / "dist"


class Screen:
    """Output of a demo."""

    def __init__(self, post: Post, broker: str, config: Path, *, findable: bool) -> None:
        """`broker`: its name and address. `findable`: `borderpost` finds this demo without CONFIG."""
        self.post = post
        self._broker = broker
        self._config = config
        self._findable = findable
        self._login = _console(post.console)
        self._counter_page = _counter_page(post) if self._login else ""
        self._events: Counter[str] = Counter()
        self._latencies_ms: list[float] = []
        self._states: dict[Position, tuple[StateCode, bool]] = {}
        """State that was printed of each device, and whether its gateway was alive."""
        self._holders: dict[str, str] = {}
        """Station that has a lane, as printed."""
        self.listeners: list[Callable[[ReceivedEvent], None]] = []
        """Called with each event."""

    def is_taken(self, lane: str) -> bool:
        """Tell whether another station than the demo's officer serves a lane."""
        return lane in self._holders

    async def watch(self, duration: float | None, end: Callable[[], None]) -> None:
        """Print the banner once the gateway is connected, then events and states.

        Calls `end` after `duration` seconds, which begin when all devices are online.
        """
        expected = set(self.post.devices)
        greeted = False
        # The broker is the demo's own, and its gateway may still be loading: no problem to report.
        workstation = make_workstation(self.post, login=Login(station=STATION), on_problem=lambda _: None)
        async with workstation, DemoOfficer(workstation) as officer:
            async for item in workstation.events_and_status():
                if not greeted and workstation.gateways:
                    greeted = True
                    self._banner()
                if isinstance(item, ReceivedEvent):
                    self._take(item)
                    if not isinstance(item.data, STEPS) and not _is_about_claim(item):
                        print_line(event_line(item, reveal=False))
                    for listener in (officer.on_event, *self.listeners):
                        listener(item)
                    continue
                self._show(item)
                if item.is_usable and item.position in expected:
                    expected.discard(item.position)
                    if not expected and duration is not None:
                        asyncio.get_running_loop().call_later(duration, end)

    def _show(self, status: DeviceStatus) -> None:
        """Print a device's state where it changed, and who has its lane."""
        if status.state is not None and status.state.state is not StateCode.BUSY and not _begins(status):
            shown = status.state.state, status.gateway_online
            if self._states.get(status.position) != shown:
                self._states[status.position] = shown
                print_line(status_line(status))
        lane, claim = status.position.lane, status.claim
        if claim is not None and claim.holder != STATION and self._holders.get(lane) != claim.holder:
            self._holders[lane] = claim.holder
            console.print(f"{lane} is served by {claim.holder}: the demo's officer leaves it.", style="dim")
        elif claim is None and self._holders.pop(lane, None) is not None:
            console.print(f"{lane} is served by the demo's officer again.", style="dim")

    def summary(self) -> list[str]:
        """Print the summary; returns the devices that published nothing."""
        table = Table(title="Summary", box=None)
        table.add_column("device")
        table.add_column("events", justify="right")
        for position in map(str, self.post.devices):
            count = self._events[position]
            table.add_row(position, str(count) if count else "[red]nothing[/]")
        console.print(table)
        total = self._events.total()
        median = f", median latency {statistics.median(self._latencies_ms):.1f} ms" if total else ""
        console.print(f"[bold]{total} events{median}[/]")
        return [str(position) for position in self.post.devices if not self._events[str(position)]]

    def _take(self, received: ReceivedEvent) -> None:
        """Count one event; both ends run on this machine, so the boot clock gives its latency."""
        self._events[str(received.position)] += 1
        heard_ns = int(received.envelope.monons)
        self._latencies_ms.append((time.clock_gettime_ns(time.CLOCK_BOOTTIME) - heard_ns) / 1e6)

    def _banner(self) -> None:
        gateway = self.post.gateway
        console.print(
            Panel(
                f"[bold]{gateway.site}[/], {len(self.post.devices)} simulated devices, "
                "[magenta]every traveller is invented.[/]\n"
                f"broker  {self._broker}, MQTT 5, topics {gateway.topic_root}/#\n"
                f"{self._counter_page}{self._login}"
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
        broker = self.post.broker
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
        barrier = next((position for position in self.post.devices if position.device == "barrier"), None)
        if barrier is not None:
            lines.append(f"{program} command{config} {barrier} open --station {barrier.lane}")
        return lines


def _is_about_claim(received: ReceivedEvent) -> bool:
    """Return True for a command that only claims a device."""
    return isinstance(received.data, CommandDecided) and received.data.verb in CLAIM_VERBS


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


def _counter_page(post: Post) -> str:
    """Return the line of the counter page, empty if the post has none."""
    if post.counter is None or find_spec("websockets") is None:
        return ""
    lane = next(iter(post.devices)).lane
    built = "" if PAGE_FILES.is_dir() else "\n        [yellow]not built yet: make counter[/]"
    return f"counter [bold]http://{post.console.listen}/counter/[/], {lane}, name [bold]{COUNTER}[/]{built}\n"
