"""A device over TCP: its address, bytes both ways, and what is said when it is gone."""

import socket
from collections.abc import AsyncIterator

import pytest
from pydantic import ValidationError

from drivers.links.factory import LinkFactory
from drivers.links.link import Cause, Direction, LinkError
from drivers.links.settings import NetworkHost
from drivers.links.tcp import TcpLink, TcpSettings, _is_loopback
from simulators.links.tcp_line import TcpLine


@pytest.fixture
async def line() -> AsyncIterator[TcpLine]:
    async with TcpLine.open_at() as line:
        yield line


@pytest.fixture
async def links() -> AsyncIterator[LinkFactory]:
    links = LinkFactory()
    yield links
    await links.close()


async def test_bytes_pass_both_ways_and_are_traced(line: TcpLine) -> None:
    seen: list[tuple[Direction, bytes]] = []
    links = LinkFactory(lambda direction, chunk: seen.append((direction, chunk)))
    link = await links.tcp(TcpSettings(port=line.address))
    await link.write(b"WHO\n")
    await line.wait_for_bytes(b"WHO\n")
    await line.send(b"K-20\n")
    assert await link.read() == b"K-20\n"
    assert seen == [("out", b"WHO\n"), ("in", b"K-20\n")]
    await links.close()
    await line.wait_for_host_close()


async def test_device_of_this_machine_is_simulated(line: TcpLine, links: LinkFactory) -> None:
    assert not links.is_simulated
    await links.tcp(TcpSettings(port=line.address))
    assert links.is_simulated


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("192.0.2.7", False),
        ("fe80::1%lo", False),
    ],
)
def test_loopback_in_any_spelling(address: str, expected: bool) -> None:
    assert _is_loopback(address) is expected


async def test_absent_device_has_remedy(line: TcpLine, links: LinkFactory) -> None:
    line.unplug()
    with pytest.raises(LinkError) as failure:
        await links.tcp(TcpSettings(port=line.address))
    assert failure.value.cause is Cause.NO_RESPONSE
    assert failure.value.text == f"No device responds at {line.address}: Connection refused."
    assert "network cable" in failure.value.how


async def test_lost_device_has_remedy(line: TcpLine, links: LinkFactory) -> None:
    link = await links.tcp(TcpSettings(port=line.address))
    await line.wait_for_host()
    await line.send(b"last")
    line.unplug()
    assert await link.read() == b"last"
    with pytest.raises(LinkError) as failure:
        await link.read()
    assert failure.value.cause is Cause.UNPLUGGED
    assert failure.value.how


async def test_silent_end_is_noticed(line: TcpLine, links: LinkFactory) -> None:
    """A device without power closes nothing: the kernel asks."""
    link = await links.tcp(TcpSettings(port=line.address))
    assert isinstance(link, TcpLink)
    assert link._streams is not None
    end = link._streams[1].get_extra_info("socket")
    assert end.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
    idle_s, between_s, count = (end.getsockopt(socket.IPPROTO_TCP, option) for option in options)
    assert idle_s + between_s * count <= 30


@pytest.mark.parametrize(
    "port",
    ["192.0.2.7:4001", "tcp://192.0.2.7", "tcp://192.0.2.7:0", "tcp://192.0.2.7:70000", "/dev/ttyUSB0"],
)
def test_other_addresses_are_refused(port: str) -> None:
    with pytest.raises(ValidationError, match=r"write it as tcp://host:port"):
        TcpSettings(port=port)


def test_rights_are_those_of_the_address() -> None:
    settings = TcpSettings(port="tcp://[2001:db8::7]:4001")
    assert settings.link_rights().hosts == {NetworkHost("2001:db8::7", 4001)}
    assert list(settings.exclusive_addresses()) == [(("port",), "tcp://[2001:db8::7]:4001")]
