"""Fixtures of the simulator tests: a post's file, a line and a host on it."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from sim_host import Host

from simulators.links.serial_line import SerialLine

TWO_READERS = """
[[simulator]]
name = "lane-1/reader"
kind = "serial-mrz"
framing = "accessis"
path = "${BORDERPOST_RUN}/one"
seed = 7

[[simulator]]
name = "lane-2/reader"
kind = "serial-mrz"
framing = "elyctis"
path = "${BORDERPOST_RUN}/two"
seed = 8
every_s = 0.05
jitter_s = 0.01
first_s = 0
dwell_s = 0.03
faults = [{ at_s = 0.01, every_s = 0.01, fault = "no-document" }]
"""


@pytest.fixture(autouse=True)
def run_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BORDERPOST_RUN", raising=False)


@pytest.fixture
def post_file(tmp_path: Path) -> Path:
    path = tmp_path / "post.toml"
    path.write_text(TWO_READERS)
    return path


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[SerialLine]:
    async with SerialLine.open_at(tmp_path / "reader", look_s=0.005) as line:
        yield line


@pytest.fixture
def plug_host() -> Iterator[Callable[[Path], Host]]:
    hosts: list[Host] = []

    def plug(path: Path) -> Host:
        hosts.append(Host(path))
        return hosts[-1]

    yield plug
    for host in hosts:
        host.close()


@pytest.fixture
async def host(line: SerialLine, plug_host: Callable[[Path], Host]) -> Host:
    host = plug_host(line.path)
    await line.wait_for_host()
    return host
