"""`clear`, `reset` and `wait` of a simulated post: nothing of one test reaches the next."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from sim_host import Host
from support.patience import PATIENCE_S

from simulators.control import send_command
from simulators.control.fault_list import list_faults
from simulators.errors import SimulatorError
from simulators.links.tcp_service import TcpService
from simulators.passport.accessis import ocr_frame
from simulators.post import Post
from simulators.registry import KINDS, parse_settings
from simulators.simulator import EmitCallback, Simulator

pytestmark = pytest.mark.usefixtures("forked_simulators")

EVERY_FAMILY = """
[[simulator]]
name = "lane-1/swipe"
kind = "serial-mrz"
framing = "accessis"
path = "${BORDERPOST_RUN}/swipe"

[[simulator]]
name = "lane-1/page"
kind = "document-bridge"
port = 0
dwell_s = 600

[[simulator]]
name = "lane-1/finger"
kind = "uru4000"
port = 0
dwell_s = 600

[[simulator]]
name = "lane-1/camera"
kind = "camera-snapshot"
port = 0

[[simulator]]
name = "lane-1/barrier"
kind = "modbus-barrier"
port = 0
mechanics = { boom = { opening_s = 0.5, closing_s = 0.5, ramp_s = 0.1 } }

[[simulator.boards]]
model = "waveshare-8"
outputs = { open = 0, close = 1, stop = 2 }
inputs = { open-limit = 0, closed-limit = 1, approach = 2, exit = 3, photocell = 4, fire = 5 }
"""
EARLIER, NEXT = ["IDUTOEARLIER", "ONE"], ["IDUTONEXT", "TWO"]


class RunningPost:
    """A post, and short forms of its commands, which must succeed."""

    def __init__(self, post: Post, folder: Path) -> None:
        self.post = post
        self.folder = folder

    async def do(self, verb: str, name: str, **arguments: Any) -> dict[str, Any]:
        answer = await send_command(
            self.post.socket_path, {"do": verb, "name": f"lane-1/{name}", **arguments}
        )
        assert answer.pop("ok"), answer
        return answer

    async def fault(self, name: str, fault: str, **args: Any) -> None:
        await self.do("fault", name, fault=fault, args=args)

    async def reset(self) -> None:
        answer = await send_command(self.post.socket_path, {"do": "reset", "within_s": PATIENCE_S})
        assert answer == {"ok": True}

    async def status(self, name: str) -> Mapping[str, Any]:
        answer = await self.do("status", name)
        found: Mapping[str, Any] = answer["simulators"][f"lane-1/{name}"]
        return found


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[RunningPost]:
    described = tmp_path / "post.toml"
    described.write_text(EVERY_FAMILY)
    async with Post.start(described, run_dir=tmp_path / "run", on_event=lambda *_: None) as running:
        yield RunningPost(running, tmp_path / "run")


@pytest.fixture
async def swiping(post: RunningPost, plug_host: Callable[[Path], Host]) -> Host:
    host = plug_host(post.folder / "swipe")
    await post.do("wait", "swipe", until={"host_connected": True}, within_s=PATIENCE_S)
    return host


async def test_delayed_read_ends_with_reset(post: RunningPost, swiping: Host) -> None:
    await post.fault("swipe", "slow", delay_s=0.2)
    earlier = asyncio.create_task(post.do("insert", "swipe", lines=EARLIER))
    await post.do("wait", "swipe", until={"documents_presented": 1})
    await post.reset()
    assert (await earlier)["heard"] is False
    await post.do("insert", "swipe", lines=NEXT)
    frame = ocr_frame(NEXT)
    assert await swiping.read(len(frame)) == frame


async def test_read_in_pieces_ends_with_reset(post: RunningPost, swiping: Host) -> None:
    await post.fault("swipe", "dribble", size=1, every_ms=200)
    earlier = asyncio.create_task(post.do("insert", "swipe", lines=EARLIER))
    assert await swiping.read(1) == ocr_frame(EARLIER)[:1]
    await post.reset()
    assert (await earlier)["heard"] is False
    await post.do("insert", "swipe", lines=NEXT)
    got = b""
    while not got.endswith(ocr_frame(NEXT)):
        got += await swiping.read(1)
    assert len(got) < len(ocr_frame(EARLIER) + ocr_frame(NEXT)) - 1


async def test_pending_faults_and_pulled_cable_end_with_clear(post: RunningPost) -> None:
    await post.fault("swipe", "garbage", reads=5)
    await post.fault("swipe", "unplug")
    await post.do("clear", "swipe")
    swipe = await post.status("swipe")
    assert (swipe["faults_pending"], swipe["plugged"]) == (0, True)
    assert (post.folder / "swipe").exists()


async def test_document_is_gone_after_reset(post: RunningPost) -> None:
    await post.do("insert", "page", format="TD3")
    await post.fault("page", "reader-unplugged")
    assert (await post.status("page"))["document"] == "present"
    await post.do("clear", "page")
    assert (await post.status("page"))["document"] == "present"
    await post.reset()
    assert (await post.status("page"))["document"] == "absent"


async def test_finger_is_gone_after_reset(post: RunningPost) -> None:
    await post.do("insert", "finger", finger=3)
    await post.fault("finger", "stuck-finger")
    await post.fault("finger", "stall", transfers=9)
    await post.fault("finger", "unplug")
    await post.reset()
    finger = await post.status("finger")
    assert (finger["touched"], finger["plugged"], finger["faults_pending"]) == (False, True, 0)


async def test_camera_that_had_stopped_answers_after_reset(post: RunningPost) -> None:
    await post.fault("camera", "not-found", times=9)
    await post.fault("camera", "service-dies")
    await post.reset()
    url = (await post.status("camera"))["url"]
    async with httpx.AsyncClient(timeout=PATIENCE_S) as client:
        assert (await client.get(f"{url}/snapshot.jpg")).status_code == 200


async def test_barrier_is_at_rest_after_reset(post: RunningPost) -> None:
    await post.do("insert", "barrier", manner="tailgates")
    await post.fault("barrier", "fire")
    await post.fault("barrier", "broken-wire", signal="closed-limit")
    await post.do("wait", "barrier", until={"positions": {"": 1.0}}, within_s=PATIENCE_S)
    await post.reset()
    barrier = await post.status("barrier")
    assert barrier["at_rest"] is True
    assert (barrier["vehicles"], barrier["positions"]) == (0, {"": 0.0})
    assert barrier["signals"]["fire"] is False


async def test_reset_names_what_is_not_at_rest(post: RunningPost) -> None:
    await post.fault("barrier", "lift", over_s=0.05)
    await post.do("wait", "barrier", until={"positions": {"": 1.0}}, within_s=PATIENCE_S)
    answer = await send_command(post.post.socket_path, {"do": "reset", "within_s": 0.05})
    assert answer == {"ok": False, "error": "lane-1/barrier: reset: not at rest after 0.05 s"}


async def test_kind_without_reset_says_so() -> None:
    class Lamp(Simulator):
        async def run(self, emit: EmitCallback) -> None:
            raise NotImplementedError

        async def handle_command(self, verb: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
            raise NotImplementedError

    with pytest.raises(SimulatorError, match="this kind does not support clear or reset"):
        await Lamp().reset()


SERVED = {"port": 0}
OTHERS: dict[str, tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any]]] = {
    "ocr-scanner": (
        {"model": "newland", "path": "{path}"},
        [{"fault": "silence", "args": {"for_s": 600}}, {"fault": "garbage"}, {"fault": "unplug"}],
        {"plugged": True, "faults_pending": 0},
    ),
    "desko": (
        SERVED,
        [{"fault": "reader-unplugged"}, {"fault": "wrong-credentials"}],
        {"document": "absent"},
    ),
    "regula-server": (SERVED, [{"fault": "garbage"}], {}),
    "nb1010": (
        SERVED,
        [{"fault": "zero-image", "args": {"images": 9}}, {"fault": "stuck-finger"}, {"fault": "unplug"}],
        {"plugged": True, "touched": False, "faults_pending": 0},
    ),
    "zfm": (
        {"path": "{path}"},
        [{"fault": "wrong-password"}, {"fault": "stuck-finger"}, {"fault": "unplug"}],
        {"plugged": True, "touched": False, "faults_pending": 0},
    ),
    "ws-bd": (
        SERVED,
        [{"fault": "lock-held"}, {"fault": "service-dies", "args": {"capturing": False}}],
        {"locked": False},
    ),
    "camera-rtsp": (SERVED, [{"fault": "stall"}, {"fault": "stale-picture"}, {"fault": "service-dies"}], {}),
    "camera-onvif": (
        SERVED | {"rtsp_port": 0, "discoverable": False},
        [{"fault": "wrong-clock"}, {"fault": "subscriptions-refused"}, {"fault": "service-dies"}],
        {"subscriptions": 0},
    ),
    "anpr-hikvision": (SERVED, [{"fault": "late"}, {"fault": "service-dies"}], {"listening": 0}),
    "anpr-dahua": (SERVED, [{"fault": "wrong-credentials"}, {"fault": "service-dies"}], {"listening": 0}),
    "anpr-axis": (
        SERVED | {"push_to": "http://127.0.0.1:9/"},
        [{"fault": "misread"}, {"fault": "service-dies"}],
        {},
    ),
    "serial-relay": (
        {"path": "{path}", "model": "numato", "outputs": {"open": 0}},
        [{"fault": "power-cut"}, {"fault": "key-switch"}, {"fault": "stuck-boom"}],
        {"at_rest": True},
    ),
    "osdp-reader": (
        {"path": "{path}", "outputs": {"open": 0}},
        [{"fault": "silence"}, {"fault": "fire"}, {"fault": "unplug"}],
        {"at_rest": True},
    ),
}
HERE = {"serial-mrz", "document-bridge", "uru4000", "camera-snapshot", "modbus-barrier"}
"""Kinds of the post above."""


def test_every_kind_is_reset_in_a_test() -> None:
    assert OTHERS.keys() | HERE == KINDS.keys()


@pytest.mark.parametrize("kind", OTHERS)
def test_every_kind_lists_the_faults_that_it_takes(kind: str) -> None:
    settings, faults, _ = OTHERS[kind]
    with tempfile.TemporaryDirectory(prefix="line-") as folder:
        table = {key: f"{folder}/line" if value == "{path}" else value for key, value in settings.items()}
        simulator = parse_settings({"name": "lane-1/device", "kind": kind, **table}).build()
        listed = {one["fault"]: one for one in list_faults(simulator.faults_adapter)}
    assert {fault["fault"] for fault in faults} <= listed.keys()
    assert all(one["description"] for one in listed.values())


@pytest.mark.parametrize("kind", OTHERS)
async def test_every_fault_of_other_kinds_ends_with_reset(tmp_path: Path, kind: str) -> None:
    settings, faults, after = OTHERS[kind]
    table = {key: str(tmp_path / "line") if value == "{path}" else value for key, value in settings.items()}
    simulator = parse_settings({"name": "lane-1/device", "kind": kind, **table}).build()
    ready = asyncio.Event()
    running = asyncio.create_task(simulator.run(lambda event, _: ready.set() if event == "ready" else None))
    try:
        async with asyncio.timeout(PATIENCE_S):
            await ready.wait()
            for fault in faults:
                await simulator.handle_command("fault", fault)
            await simulator.reset()
            await simulator.reset()  # also when nothing is left
        status = await simulator.handle_command("status", {})
        assert {key: status[key] for key in after} == after
        if isinstance(server := getattr(simulator, "server", None), TcpService):
            assert server.is_running
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
