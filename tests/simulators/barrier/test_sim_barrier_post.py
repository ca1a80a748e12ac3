"""Barriers in a post: their file, their process, traffic, commands and faults over the socket."""

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sim_host import Host
from support.patience import PATIENCE_S

from simulators.barrier.modbus.mbap import MbapFraming
from simulators.barrier.post_barrier import ModbusBarrierSettings, PostBarrier
from simulators.control import send_command
from simulators.errors import SimulatorError
from simulators.post import Post
from simulators.postfile import PostFileError, load_post
from simulators.registry import parse_settings

pytestmark = pytest.mark.usefixtures("forked_simulators")

BARRIER = """
[[simulator]]
name = "lane-1/barrier"
kind = "modbus-barrier"
port = 0
wire_log = "${BORDERPOST_RUN}/wire.jsonl"
mechanics = { lane = { start_m = -8 }, boom = { opening_s = 0.5, closing_s = 0.5, ramp_s = 0.1 } }

[[simulator.boards]]
model = "waveshare-8"
outputs = { open = 0, close = 1, stop = 2 }
inputs = { open-limit = 0, closed-limit = 1, approach = 2, exit = 3, photocell = 4, fire = 5 }
contacts = { closed-limit = "nc" }
"""
RELAY = """
[[simulator]]
name = "lane-2/barrier"
kind = "serial-relay"
model = "numato"
path = "${BORDERPOST_RUN}/relay"
outputs = { open = 0 }
"""
READER = """
[[simulator]]
name = "lane-3/barrier"
kind = "osdp-reader"
path = "${BORDERPOST_RUN}/osdp"
outputs = { open = 0 }
"""


class Events:
    """Events of a post."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, Mapping[str, Any]]] = []

    def __call__(self, name: str, event: str, details: Mapping[str, Any]) -> None:
        self.seen.append((name, event, details))

    def of(self, event: str) -> list[Mapping[str, Any]]:
        return [details for _, seen, details in self.seen if seen == event]

    async def wait_for(self, event: str, count: int = 1) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while len(self.of(event)) < count:
                await asyncio.sleep(0.005)


@asynccontextmanager
async def running(tmp_path: Path, text: str) -> AsyncIterator[tuple[Post, Events]]:
    (tmp_path / "post.toml").write_text(text)
    events = Events()
    async with Post.start(tmp_path / "post.toml", run_dir=tmp_path / "run", on_event=events) as post:
        yield post, events


def port_of(events: Events) -> int:
    (ready,) = events.of("ready")
    return int(ready["address"].rpartition(":")[2])


@asynccontextmanager
async def asking(port: int) -> AsyncIterator[Callable[[str], Any]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def ask(pdu: str) -> str:
        writer.write(MbapFraming().frame(1, bytes.fromhex(pdu), 1))
        async with asyncio.timeout(PATIENCE_S):
            header = await reader.readexactly(7)
            return (await reader.readexactly(header[5] - 1)).hex()

    try:
        yield ask
    finally:
        writer.close()


async def test_inserted_vehicle_passes_over_modbus(tmp_path: Path) -> None:
    async with running(tmp_path, BARRIER) as (post, events), asking(port_of(events)) as ask:
        inserted = {"do": "insert", "name": "lane-1/barrier", "speed_mps": 20}
        assert await send_command(post.socket_path, inserted) == {"ok": True, "vehicle": 1}
        assert await ask("0200000008") in {"020130", "020134"}
        assert await ask("0502000003") == "0502000003"
        await events.wait_for("passage")
        (passage,) = events.of("passage")
        assert passage == {"vehicle": 1, "door": "", "wrong_way": False}
        (actuation,) = events.of("actuation")
        assert actuation == {"meaning": "relay 0 on for 0.3 s", "fate": "received"}
        status = await send_command(post.socket_path, {"do": "status", "name": "lane-1/barrier"})
        barrier = status["simulators"]["lane-1/barrier"]
        assert (barrier["counts"]["actuations"], barrier["host_connected"]) == (1, True)
        assert barrier["positions"] == {"": 1.0}
        assert barrier["signals"]["open-limit"]
        # Another process can judge by the same log.
        lines = [json.loads(line) for line in (tmp_path / "run/wire.jsonl").read_text().splitlines()]
        assert [line["meaning"] for line in lines if line.get("actuation")] == ["relay 0 on for 0.3 s"]


async def test_faults_by_command(tmp_path: Path) -> None:
    async with running(tmp_path, BARRIER) as (post, events), asking(port_of(events)) as ask:

        async def fault(name: str, **args: Any) -> dict[str, Any]:
            request = {"do": "fault", "name": "lane-1/barrier", "fault": name, "args": args}
            return await send_command(post.socket_path, request)

        assert await fault("exception-reply", code=6) == {"ok": True}
        assert await ask("0100000008") == "8106"
        assert await fault("broken-wire", signal="closed-limit") == {"ok": True}
        assert await ask("0200000008") == "020130"
        assert await fault("mend") == {"ok": True}
        assert await ask("0200000008") == "020130"  # normally closed, and the boom is at the limit: open
        assert (await fault("exception-reply", code=0))["error"].startswith("fault exception-reply: code:")
        assert (await fault("wrong-crc"))["error"] == "wrong-crc: frames over TCP have no checksum"
        assert (await fault("lift", height=3))["error"].startswith("fault lift: height: Extra")
        assert [event["fault"] for event in events.of("fault")] == ["exception-reply", "broken-wire", "mend"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"manner": "flies"}, "insert: manner: Input should be 'waits', 'tailgates' or 'turns-back'"),
        ({"speed_mps": 0}, "insert: speed_mps: Input should be greater"),
        ({"colour": "red"}, "insert: colour: Extra inputs are not permitted"),
    ],
)
async def test_invalid_vehicles_are_refused(tmp_path: Path, arguments: dict[str, Any], message: str) -> None:
    async with running(tmp_path, BARRIER) as (post, _):
        answer = await send_command(post.socket_path, {"do": "insert", "name": "lane-1/barrier"} | arguments)
        assert answer["error"].startswith(message)


async def test_traffic_and_attendant_with_host(tmp_path: Path) -> None:
    traffic = "every_s = 0.2\njitter_s = 0.1\nfirst_s = 0\nattendant_s = 0.05\nmanners = { tailgates = 1 }\n"
    faults = 'faults = [{ at_s = 0.1, every_s = 0.2, fault = "key-switch", for_s = 0.05 }]\n'
    fast = (
        BARRIER.replace("start_m = -8", "start_m = -8, speed_mps = 30")
        .replace("mechanics = {", "mechanics = { controller = { closes_behind_s = 0.1 },")
        .replace("port = 0", f"port = 0\n{traffic}{faults}")
    )
    async with running(tmp_path, fast) as (_, events):
        assert not events.of("arrival")
        async with asking(port_of(events)) as ask:
            await ask("0100000008")
            await events.wait_for("passage", 3)
            await events.wait_for("fault", 2)
        assert {arrival["manner"] for arrival in events.of("arrival")} == {"waits", "tailgates"}
        assert not events.of("actuation")


async def test_relay_board_and_reader_in_post(tmp_path: Path, plug_host: Callable[[Path], Host]) -> None:
    async with running(tmp_path, RELAY + READER) as (post, events):
        host = plug_host(tmp_path / "run/relay")
        host.write(b"relay on 0\r")
        assert await host.read(13) == b"relay on 0\n\r>"
        await events.wait_for("motion")
        assert events.of("actuation") == [{"meaning": "relay 0 on", "fate": "received"}]
        insert = {"do": "insert", "name": "lane-3/barrier"}
        assert await send_command(post.socket_path, insert | {"card": "0102", "bits": 16}) == {
            "ok": True,
            "taken": False,  # no host is connected
        }
        for wrong, message in (
            ({"card": "xy"}, "insert: card: 2 characters are not bytes in hexadecimal"),
            ({"card": "0102", "bits": 99}, "insert: bits: a card has at most"),
        ):
            assert (await send_command(post.socket_path, insert | wrong))["error"].startswith(message)
        assert (await send_command(post.socket_path, insert))["vehicle"] == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BARRIER.replace("port = 0", ""), "port is for TCP, path for a serial line: set only one of them"),
        (
            BARRIER.replace("port = 0", "port = 0\nevery_s = 1\njitter_s = 1"),
            "jitter_s must be less than every_s",
        ),
        (
            BARRIER.replace("port = 0", "port = 0\nmanners = { waits = 0 }"),
            "manners: weights must not be negative",
        ),
        (BARRIER.replace("waveshare-8", "abacus"), "boards.0: Input tag 'abacus'"),
        (BARRIER.replace("stop = 2", "stop = 1"), "outputs: two of them have the same channel"),
        (
            BARRIER.replace("port = 0", "port = 0\nfaults = [{ at_s = 1, fault = 'chatter' }]"),
            "faults.0.chatter.signal: Field required",
        ),
        (RELAY + RELAY.replace("lane-2", "lane-4"), "relay is already used by lane-2/barrier"),
    ],
)
def test_invalid_file_is_explained(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "post.toml").write_text(text)
    with pytest.raises(PostFileError) as caught:
        load_post(tmp_path / "post.toml", {"BORDERPOST_RUN": "/run/x"})
    assert message in str(caught.value)


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("simulators.barrier.osdp.post_reader", "simulators.barrier.osdp.site"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, "osdp_sys", None)
    with pytest.raises(SimulatorError, match="kind: osdp-reader needs the Python package osdp_sys"):
        parse_settings({"name": "lane-3/reader", "kind": "osdp-reader", "path": "/x"})


async def test_post_with_impossible_wiring_fails(tmp_path: Path) -> None:
    text = BARRIER.replace("stop = 2", "raise = 2")
    with pytest.raises(SimulatorError, match="outputs: raise is not one of open, close, stop"):
        async with running(tmp_path, text):
            pass


async def test_impossible_scheduled_fault_is_reported(tmp_path: Path) -> None:
    text = BARRIER.replace("port = 0", 'port = 0\nfaults = [{ at_s = 99, fault = "wrong-crc" }]')
    with pytest.raises(SimulatorError, match="wrong-crc: frames over TCP"):
        async with running(tmp_path, text):
            pass


async def test_occupied_port_is_reported(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(SimulatorError, match=f"port {port}: Address already in use"):
            async with running(tmp_path, BARRIER.replace("port = 0", f"port = {port}")):
                pass


def test_address_and_settings_of_barrier() -> None:
    table = {"name": "lane-1/barrier", "kind": "modbus-barrier", "port": 5020}
    settings = parse_settings(table)
    assert isinstance(settings, ModbusBarrierSettings)
    assert settings.addresses == ("127.0.0.1:5020",)
    assert isinstance(settings.build(), PostBarrier)
