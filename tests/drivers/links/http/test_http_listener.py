"""HTTP listener: allowed sources only, limits of size, time and queue."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from drivers.links.factory import LinkFactory
from drivers.links.http.listener import QUEUED, HttpListener, HttpListenerSettings
from drivers.links.link import Cause, LinkError


@contextlib.asynccontextmanager
async def listening(**settings: Any) -> AsyncIterator[tuple[HttpListener, str, LinkFactory]]:
    links = LinkFactory()
    quick = {"listen": "127.0.0.1:0", "allowed_sources": ["127.0.0.0/8"]}
    try:
        listener = await links.http_listener(HttpListenerSettings(**quick | settings))
        yield listener, f"http://127.0.0.1:{listener.port}/push", links
    finally:
        await links.close()


async def post(url: str, body: bytes = b"{}", **how: Any) -> int:
    async with httpx.AsyncClient(trust_env=False) as client:
        return (await client.post(url, content=body, **how)).status_code


async def test_requests_arrive_in_order() -> None:
    async with listening() as (listener, url, links):
        async with httpx.AsyncClient(trust_env=False) as client:
            for number in range(5):
                answer = await client.post(
                    url, content=f"{number}", headers={"content-type": "Application/JSON; charset=utf-8"}
                )
                assert answer.status_code == 200
        put = [await listener.next_request() for _ in range(5)]
        assert [one.body for one in put] == [b"0", b"1", b"2", b"3", b"4"]
        assert (put[0].path, put[0].media_type, links.is_simulated) == ("/push", "application/json", False)


async def test_chunked_body_after_continue_is_accepted() -> None:
    async with listening() as (listener, _, _links):
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(
            b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        for byte in b"3\r\nabc\r\n0\r\n\r\n":
            writer.write(bytes([byte]))
            await writer.drain()
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        writer.close()
        assert (await listener.next_request()).body == b"abc"


async def test_strangers_are_hung_up_on() -> None:
    async with listening(allowed_sources=["192.0.2.21"]) as (_, url, _links):
        with pytest.raises(httpx.HTTPError):
            await post(url)


async def test_missing_password_is_refused() -> None:
    async with listening(username="cam", password="right") as (listener, url, _):
        assert await post(url) == 401
        assert await post(url, auth=("cam", "wrong")) == 401
        assert await post(url, auth=("cam", "right")) == 200
        await listener.next_request()


async def test_too_large_request_is_refused() -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield bytes(4096)

    async with listening(body_max_bytes=65536) as (_, url, _links):
        assert await post(url, bytes(70000)) == 413
        with contextlib.suppress(httpx.HTTPError):  # it may still be sending when the connection is closed
            async with httpx.AsyncClient(trust_env=False) as client:
                assert (await client.post(url, content=endless())).status_code == 413


async def test_invalid_push_is_refused() -> None:
    async with listening() as (listener, url, _):
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(url)).status_code == 405
        _, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
        await writer.drain()
        writer.close()
        assert await post(url) == 200
        await listener.next_request()


async def test_full_queue_answers_503() -> None:
    async with listening() as (listener, url, _):
        async with httpx.AsyncClient(trust_env=False) as client:
            codes = [(await client.post(url, content=b"x")).status_code for _ in range(QUEUED + 1)]
        assert codes == [200] * QUEUED + [503]
        await listener.next_request()
        assert await post(url) == 200


async def test_endless_request_times_out() -> None:
    async with listening(request_timeout_s=0.1) as (listener, _, _links):
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(b"POST / HTTP/1.1\r\nContent-Length: 10\r\nHost: x\r\n\r\nabc")
        assert await reader.read() == b""
        writer.close()


async def test_simulator_is_marked_by_header() -> None:
    async with listening() as (_, url, links):
        await post(url, headers={"x-borderpost-simulated": "1"})
        assert links.is_simulated


async def test_occupied_port_is_reported() -> None:
    async with listening() as (listener, _, _links):
        with pytest.raises(LinkError) as held:
            async with listening(listen=f"127.0.0.1:{listener.port}"):
                pass
        assert (held.value.cause, "listen" in held.value.how) == (Cause.PORT_HELD, True)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"listen": "localhost:80"}, "is not an address"),
        ({"listen": "127.0.0.1"}, "is not an address"),
        ({"listen": "127.0.0.1:http"}, "does not end in a port"),
        ({"listen": "0.0.0.0:8090"}, "unencrypted from a network"),
        ({"allowed_sources": []}, "at least 1"),
        ({"allowed_sources": ["camera.example"]}, "neither an address"),
        ({"username": "cam"}, "belong together"),
    ],
)
def test_invalid_settings_are_refused(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        HttpListenerSettings(**{"listen": "127.0.0.1:8090", "allowed_sources": ["127.0.0.1"]} | settings)
