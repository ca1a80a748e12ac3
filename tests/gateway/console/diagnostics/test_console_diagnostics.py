"""Diagnostics through the management API."""

import io
import tarfile
from pathlib import Path

import pytest
from support.console.consoles import PASSWORD, browser, console_of, log_in, on_socket
from support.console.fake_daemon import FakeDaemon

POST = """
[gateway]
site = "ke-busia"
name = "gw-1"
profile = "test"
state_dir = "{folder}"
[broker]
host = "127.0.0.1"
port = 1
[device."lane-1/reader"]
driver = "mrz-serial"
port = "{folder}/reader"
framing = "text"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "post.toml").write_text(POST.format(folder=tmp_path))
    return tmp_path


async def test_why_doctor_and_bundle(folder: Path) -> None:
    async with on_socket(console_of(FakeDaemon(), folder)) as root:
        why = (await root.get("/api/v1/devices/lane-1/reader/why")).json()
        assert why[0]["text"] == f"No device is plugged in at {folder}/reader."
        assert (await root.get("/api/v1/devices/lane-9/reader/why")).status_code == 404

        doctor = (await root.get("/api/v1/doctor")).json()
        assert {"no_device", "broker_unreachable"} <= {finding["code"] for finding in doctor}

        contents = (await root.get("/api/v1/bundle/contents")).json()
        answer = await root.get("/api/v1/bundle")
        assert "borderpost-ke-busia-gw-1.tar.gz" in answer.headers["content-disposition"]
        with tarfile.open(fileobj=io.BytesIO(answer.content)) as tar:
            assert [entry.name.partition("/")[2] for entry in tar] == [part["name"] for part in contents]
        assert {"post.json", "events.json"} <= {part["name"] for part in contents}


async def test_viewer_gets_findings_but_no_bundle(folder: Path) -> None:
    async with browser(console_of(FakeDaemon(), folder)) as viewer:
        assert (await viewer.get("/api/v1/doctor")).status_code == 401
        await log_in(viewer, "viewer", PASSWORD)
        assert (await viewer.get("/api/v1/devices/lane-1/reader/why")).status_code == 200
        for closed in ("/api/v1/bundle", "/api/v1/bundle/contents"):
            assert (await viewer.get(closed)).status_code == 403
