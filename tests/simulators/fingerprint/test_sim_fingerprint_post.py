"""Fingerprint scanners in a simulated post: fingers by schedule and by command, faults, clear errors."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import usbip
from sim_zfm_fixture import ZfmHost
from support.patience import PATIENCE_S

from simulators import registry as kinds
from simulators.control import send_command
from simulators.errors import SimulatorError
from simulators.fingerprint.scanners import Nb1010Settings, Uru4000Settings, ZfmSettings
from simulators.post import Post, PostFileError, load_post

pytestmark = pytest.mark.usefixtures("forked_simulators")

POST = """
[[simulator]]
name = "lane-1/finger"
kind = "uru4000"
port = 0
seed = 1

[[simulator]]
name = "lane-2/finger"
kind = "nb1010"
port = 0
seed = 2
every_s = 0.05
first_s = 0
dwell_s = 0.02
conditions = { clean = 1 }
faults = [{ at_s = 0, fault = "stuck-finger", for_s = 0.01 }]

[[simulator]]
name = "lane-3/finger"
kind = "zfm"
model = "r503"
path = "${BORDERPOST_RUN}/module"
seed = 3
enrolled = 2
capture_s = 0
"""
LANES = ("lane-1/finger", "lane-2/finger", "lane-3/finger")


class Events:
    """Events of the post."""

    def __init__(self) -> None:
        self._events: list[tuple[str, str, dict[str, Any]]] = []

    def __call__(self, name: str, event: str, details: Any) -> None:
        self._events.append((name, event, dict(details)))

    async def until(self, name: str, event: str, count: int = 1) -> dict[str, Any]:
        """Wait until a simulator has emitted the event so many times; return the last one."""
        async with asyncio.timeout(PATIENCE_S):
            while (
                len(found := [message for one, what, message in self._events if (one, what) == (name, event)])
                < count
            ):
                await asyncio.sleep(0.005)
        return found[-1]


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
async def post(tmp_path: Path, events: Events) -> AsyncIterator[Post]:
    file = tmp_path / "post.toml"
    file.write_text(POST)
    async with Post.start(file, run_dir=tmp_path / "run", on_event=events) as post:
        yield post


async def test_fingers_by_schedule_and_command(post: Post, events: Events, tmp_path: Path) -> None:
    async def do(what: str, lane: int, **more: Any) -> dict[str, Any]:
        return await send_command(post.socket_path, {"do": what, "name": LANES[lane - 1], **more})

    async def status(lane: int) -> dict[str, Any]:
        return dict((await do("status", lane))["simulators"][LANES[lane - 1]])

    # By schedule, once a client has the scanner.
    url = (await events.until("lane-2/finger", "ready"))["url"]
    port = int(url.removeprefix("usbip://127.0.0.1:").removesuffix("/1-1"))
    assert (await status(2))["touches"] == 0
    handle = await asyncio.to_thread(usbip.open, transport=usbip.USBIP("127.0.0.1", port))
    await events.until("lane-2/finger", "host")
    message = await events.until("lane-2/finger", "finger", 3)
    assert message["condition"] == "clean"
    assert await events.until("lane-2/finger", "fault") == {"fault": "stuck-finger"}
    handle.close()
    assert await events.until("lane-2/finger", "host", 2) == {"connected": False}

    # By command, on a module with two enrolled fingers.
    host = ZfmHost(tmp_path / "run" / "module")
    await events.until("lane-3/finger", "host")
    assert await host.command(0x01) == b"\x02"
    assert await do("insert", 3, finger=1, for_s=60) == {
        "ok": True,
        "finger": 1,
        "pattern": (await do("insert", 3, finger=1, for_s=60))["pattern"],
        "condition": "clean",
    }
    assert await host.command(0x01) == b"\0"
    assert await host.command(0x02, 1) == b"\0"
    assert (await host.command(0x04, 1, 0, 0, 0, 200))[:3] == b"\0\0\x01"
    assert await do("insert", 3, lift=True) == {"ok": True}
    assert await host.command(0x01) == b"\x02"
    now = await status(3)
    assert (now["templates"], now["touched"], now["touches"], now["host_connected"]) == (2, False, 2, True)
    host.close()

    # A finger is lifted after its time.
    await do("insert", 1, pattern="whorl", condition="dry", for_s=1, rotation_deg=9)
    assert (await status(1))["touched"]
    while (await status(1))["touched"]:
        await asyncio.sleep(0.01)
    assert await do("fault", 1, fault="unplug") == {"ok": True}
    assert not (await status(1))["plugged"]


IMPOSSIBLE: list[tuple[dict[str, Any], str]] = [
    ({"do": "insert", "name": LANES[0], "condition": "sore"}, "insert: 'sore' is not a valid SkinCondition"),
    ({"do": "insert", "name": LANES[0], "pattern": "spiral"}, "insert: 'spiral' is not a valid Pattern"),
    ({"do": "insert", "name": LANES[0], "finger": "thumb"}, "insert: invalid literal"),
    ({"do": "insert", "name": LANES[0], "colour": 3}, "unexpected keyword argument 'colour'"),
    ({"do": "fault", "name": LANES[0], "fault": "wrong-checksum"}, "fault wrong-checksum: "),
    ({"do": "fault", "name": LANES[1], "fault": "trouble"}, "fault trouble: "),
    ({"do": "fault", "name": LANES[2], "fault": "stall"}, "fault stall: "),
    (
        {"do": "fault", "name": LANES[2], "fault": "wrong-answer", "args": {"code": 0}},
        "fault wrong-answer: code: Input should be greater",
    ),
]


async def test_invalid_commands_are_explained(post: Post) -> None:
    for request, error in IMPOSSIBLE:
        answer = await send_command(post.socket_path, request)
        assert answer["ok"] is False
        assert error in answer["error"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ('kind = "uru4000"', "port: Field required"),
        (
            'kind = "uru4000"\nport = 1\nmodel = "9000"',
            "model: Input should be '4500', '4000' or 'microsoft-v2'",
        ),
        ('kind = "nb1010"\nport = 1\nserial_number = "1"', "serial_number: Extra inputs"),
        ('kind = "zfm"\npath = "here"', "path: here is not an absolute path"),
        ('kind = "nb1010"\nport = 1\nevery_s = 1\njitter_s = 1', "jitter_s must be less than every_s"),
        ('kind = "nb1010"\nport = 1\nconditions = { clean = 0 }', "at least one must be above 0"),
        (
            'kind = "nb1010"\nport = 1\nfaults = [{ at_s = 1, fault = "trouble" }]',
            "faults.0: Input tag 'trouble'",
        ),
    ],
)
def test_invalid_file_is_explained(tmp_path: Path, lines: str, message: str) -> None:
    file = tmp_path / "post.toml"
    file.write_text(f'[[simulator]]\nname = "lane-1/finger"\n{lines}\n')
    with pytest.raises(PostFileError) as caught:
        load_post(file)
    assert message in str(caught.value)


def test_two_scanners_have_two_ports(tmp_path: Path) -> None:
    file = tmp_path / "post.toml"
    one = '[[simulator]]\nname = "lane-{}/finger"\nkind = "nb1010"\nport = 4711\n'
    file.write_text(one.format(1) + one.format(2))
    with pytest.raises(PostFileError, match=r"127\.0\.0\.1:4711 is already used by lane-1/finger"):
        load_post(file)


async def test_occupied_port_stops_post(tmp_path: Path, events: Events) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        file = tmp_path / "post.toml"
        port = taken.getsockname()[1]
        file.write_text(f'[[simulator]]\nname = "lane-1/finger"\nkind = "nb1010"\nport = {port}\n')
        with pytest.raises(SimulatorError, match=f"lane-1/finger: port {port}: Address already in use"):
            async with Post.start(file, run_dir=tmp_path / "run", on_event=events):
                pass


def test_demo_file_is_valid() -> None:
    settings = load_post("config/demo-fingerprint-post.toml", {"BORDERPOST_RUN": "/run/here"})
    assert [type(one) for one in settings] == [Uru4000Settings, Nb1010Settings, ZfmSettings]


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(kinds.KINDS, "odd", ("simulators.no_such_module", "Settings"))
    with pytest.raises(
        SimulatorError, match=r"odd needs the Python package simulators\.no_such_module: it comes"
    ):
        kinds.parse_settings({"kind": "odd"})
