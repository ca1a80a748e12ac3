"""Simulated cameras in a post: from its file, each in a process of its own."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from sim_camera_fixture import stamp_of
from support.patience import PATIENCE_S

from simulators.post import Post
from simulators.postfile import load_post

pytestmark = pytest.mark.usefixtures("forked_simulators")

KINDS = ["camera-snapshot", "camera-rtsp", "camera-onvif", "anpr-hikvision", "anpr-dahua", "anpr-axis"]


def test_demo_file_is_valid() -> None:
    settings = load_post("config/demo-camera-post.toml", {})
    assert [one.kind for one in settings] == KINDS
    assert len({address for one in settings for address in one.addresses}) == 7


async def test_camera_runs_in_a_post(tmp_path: Path) -> None:
    file = tmp_path / "post.toml"
    file.write_text(
        '[[simulator]]\nname = "lane-1/camera"\nkind = "camera-onvif"\nport = 0\nrtsp_port = 0\n'
        "discoverable = false\n"
    )
    ready: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    def on_event(_name: str, event: str, details: Any) -> None:
        if event == "ready":
            ready.set_result(dict(details))

    async with Post.start(file, run_dir=tmp_path / "run", on_event=on_event), asyncio.timeout(PATIENCE_S):
        url = (await ready)["url"].replace("/onvif/device_service", "/snapshot.jpg")
        async with httpx.AsyncClient(trust_env=False) as client:
            assert stamp_of((await client.get(url)).content).number == 0
