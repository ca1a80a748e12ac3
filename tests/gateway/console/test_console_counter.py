"""The counter page at the console: files, settings of the post, security policy."""

import asyncio
from pathlib import Path

import pytest
from support.console.consoles import browser, console_of
from support.console.fake_daemon import FakeDaemon

from gateway.config import load
from gateway.config.errors import ConfigError
from gateway.config.model import CounterSection, Post
from gateway.console.web import counter
from gateway.console.web.counter import content_security_policy

BROKER = "wss://broker.busia.example:8884"
CONFIG = """
[gateway]
site = "ke-busia"
name = "gw-1"
profile = "{profile}"
state_dir = "{folder}"
[broker]
host = "127.0.0.1"
{counter}
[device."lane-1/reader"]
driver = "mrz-serial"
port = "/dev/null"
framing = "text"
[device."lane-2/reader"]
driver = "mrz-serial"
port = "/dev/zero"
framing = "text"
"""
COUNTER = f'[counter]\nbroker = "{BROKER}"\nlock_after_s = 120\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of a post with a built page."""
    built = tmp_path / "built"
    built.mkdir()
    (built / "index.html").write_text("<title>Counter</title>")
    (built / "counter.js").write_text("export {}")
    monkeypatch.setattr(counter, "FILES", built)
    write(tmp_path)
    return tmp_path


def write(folder: Path, counter: str = COUNTER, profile: str = "test", more: str = "") -> None:
    text = CONFIG.format(folder=folder, counter=counter, profile=profile)
    (folder / "post.toml").write_text(text + more)


def served(folder: Path) -> object:
    return console_of(FakeDaemon(), folder, counter=CounterSection(broker=BROKER))


async def test_page_is_served_without_login_and_with_policy_of_its_own(folder: Path) -> None:
    async with browser(served(folder)) as client:  # type: ignore[arg-type]
        moved = await client.get("/counter")
        page = await client.get("/counter/")
        script = await client.get("/counter/counter.js")
    assert (moved.status_code, moved.headers["location"]) == (307, "/counter/")
    assert "<title>Counter</title>" in page.text
    assert script.headers["content-type"].startswith("text/javascript")
    policy = page.headers["content-security-policy"]
    assert f"connect-src 'self' {BROKER} https://broker.busia.example:8884;" in policy
    assert "unsafe" not in policy
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["x-frame-options"] == "DENY"


async def test_console_keeps_its_policy(folder: Path) -> None:
    async with browser(served(folder)) as client:  # type: ignore[arg-type]
        assert BROKER not in (await client.get("/login")).headers["content-security-policy"]


async def test_settings_follow_the_file(folder: Path) -> None:
    (folder / "gw.pub").write_text("KEY")
    write(folder, COUNTER + f'gateway_keys = ["{folder}/gw.pub"]\n')
    async with browser(served(folder)) as client:  # type: ignore[arg-type]
        first = (await client.get("/counter/counter.json")).json()
        write(folder, more='[device."lane-2/finger"]\ndriver = "zfm"\nport = "/dev/full"\nmodel = "r503"\n')
        lanes = (await client.get("/counter/counter.json")).json()["lanes"]
    assert first == {
        "site": "ke-busia",
        "broker": BROKER,
        "lanes": {"lane-1": ["lane-1/reader"], "lane-2": ["lane-2/reader"]},
        "training": False,
        "passwords": True,
        "sign": True,
        "verify": {"ke-busia/gw-1": ["KEY"]},
        "wipe_after_s": 60,
        "lock_after_s": 120,
    }
    assert lanes["lane-2"] == ["lane-2/reader", "lane-2/finger"]


async def test_flood_of_requests_reads_the_file_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading a post's file takes 50 ms of processor time, and the request needs no login."""
    read: list[Path] = []

    def counted(file: Path, **options: bool) -> Post:
        read.append(file)
        return load(file, **options)

    monkeypatch.setattr(counter, "load", counted)
    (folder / "gw.pub").write_text("KEY")
    write(folder, COUNTER + f'gateway_keys = ["{folder}/gw.pub"]\n')
    async with browser(served(folder)) as client:  # type: ignore[arg-type]
        answers = await asyncio.gather(*(client.get("/counter/counter.json") for _ in range(20)))
        assert {answer.status_code for answer in answers} == {200}
        assert len(read) == 1
        monkeypatch.setattr(counter, "RETRY_S", 1000)
        write(folder, more="[nonsense]\n")
        for _ in range(5):
            assert (await client.get("/counter/counter.json")).status_code == 503
    assert len(read) == 2


async def test_corrected_file_is_read_after_a_pause(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counter, "RETRY_S", 0)
    write(folder, more="[nonsense]\n")
    async with browser(served(folder)) as client:  # type: ignore[arg-type]
        assert (await client.get("/counter/counter.json")).status_code == 503
        write(folder)
        assert (await client.get("/counter/counter.json")).status_code == 200


async def test_file_with_errors_says_so(folder: Path) -> None:
    write(folder, more="[nonsense]\n")
    async with browser(served(folder)) as client:  # type: ignore[arg-type]
        answer = await client.get("/counter/counter.json")
    assert answer.status_code == 503
    assert "borderpost config check" in answer.text


async def test_page_that_is_not_built_says_how(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counter, "FILES", folder / "missing")
    async with browser(served(folder)) as client:  # type: ignore[arg-type]
        answer = await client.get("/counter/")
    assert answer.status_code == 503
    assert "make counter" in answer.text


async def test_post_without_counter_serves_none(folder: Path) -> None:
    async with browser(console_of(FakeDaemon(), folder)) as client:
        assert (await client.get("/counter/counter.json")).status_code == 404


@pytest.mark.parametrize(
    ("counter", "profile", "fault"),
    [
        ('broker = "ws://broker.busia.example:8884"', "test", "unencrypted"),
        (f'broker = "{BROKER}"\npasswords = false', "production", "needs passwords"),
        ('broker = "mqtt://broker"', "test", "broker"),
    ],
)
def test_unsafe_settings_are_refused(folder: Path, counter: str, profile: str, fault: str) -> None:
    write(folder, f"[counter]\n{counter}\n", profile)
    with pytest.raises(ConfigError, match=fault):
        load(folder / "post.toml")


def test_policy_of_a_local_broker_names_only_its_socket() -> None:
    assert "connect-src 'self' ws://127.0.0.1:9001;" in content_security_policy("ws://127.0.0.1:9001")
