"""The HTTP server of the simulators: access control, and answers that end irregularly."""

import asyncio
from collections.abc import AsyncGenerator
from itertools import pairwise

import httpx
import pytest

from simulators.http.access import AccessControl, Algorithm
from simulators.http.server import HttpServer, Request, Response
from simulators.links.tcp_service import ClientDisconnectedError


def guarded(access: AccessControl) -> HttpServer:
    async def answer(request: Request) -> Response:
        challenge = access.refusal(request.method, request.target, request.authorization)
        if challenge is not None:
            return Response(401, headers=(("WWW-Authenticate", challenge),))
        return Response(body=b"in", media_type="text/plain")

    return HttpServer(answer)


async def request_statuses(access: AccessControl, auth: httpx.Auth, times: int = 1) -> tuple[list[int], int]:
    """Return the status of each answer, and the number of requests."""
    async with guarded(access) as server, httpx.AsyncClient(trust_env=False, auth=auth) as client:
        statuses = [(await client.get(server.url + "/a?b=[0]&c=d e")).status_code for _ in range(times)]
        return statuses, len(server.request_count)


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
@pytest.mark.parametrize("with_qop", [True, False])
async def test_digest_requires_password(algorithm: Algorithm, with_qop: bool) -> None:
    access = AccessControl("digest", "watch", "two words", algorithm=algorithm, with_qop=with_qop)
    assert await request_statuses(access, httpx.DigestAuth("watch", "two words"), times=3) == ([200] * 3, 4)
    assert await request_statuses(access, httpx.DigestAuth("watch", "too words")) == ([401], 2)
    assert await request_statuses(access, httpx.DigestAuth("wotch", "two words")) == ([401], 2)
    assert await request_statuses(access, httpx.BasicAuth("watch", "two words")) == ([401], 1)


async def test_old_nonce_is_stale_and_replay_is_refused() -> None:
    access = AccessControl("digest", "watch", "words", nonce_s=0)
    auth = httpx.DigestAuth("watch", "words")
    assert (await request_statuses(access, auth))[0] == [401]
    access.nonce_s = 60
    async with guarded(access) as server, httpx.AsyncClient(trust_env=False) as client:
        await client.get(server.url, auth=auth)
        proof = {"Authorization": server.request_count[-1].authorization}
        again = await client.get(server.url, headers=proof)
        assert (again.status_code, "stale=true" in again.headers["WWW-Authenticate"]) == (401, True)


async def test_basic_password_change_applies_at_once() -> None:
    access = AccessControl("basic", "watch", "words")
    assert await request_statuses(access, httpx.BasicAuth("watch", "words")) == ([200], 1)
    access.password = "others"
    assert await request_statuses(access, httpx.BasicAuth("watch", "words")) == ([401], 1)


async def pieces(*, hang_up: bool) -> AsyncGenerator[bytes, None]:
    for _ in range(4):
        yield bytes(100_000)
    if hang_up:
        raise ClientDisconnectedError


def streaming(**shape: object) -> HttpServer:
    async def answer(request: Request) -> Response:
        stream = pieces(hang_up=request.path == "/short")
        return Response(media_type="text/plain", stream=stream, **shape)  # type: ignore[arg-type]

    return HttpServer(answer)


@pytest.mark.parametrize("shape", [{}, {"length": 400_000}, {"unframed": True}])
async def test_stream_arrives_with_any_framing(shape: dict[str, object]) -> None:
    async with streaming(**shape) as server, httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(server.url)
        assert len(answer.content) == 400_000
        assert answer.headers.get("Content-Length") == (str(shape["length"]) if "length" in shape else None)
        assert ("Transfer-Encoding" in answer.headers) == (not shape)


async def noted(answer: httpx.Response, sizes: list[int]) -> None:
    async for piece in answer.aiter_raw():
        sizes.append(len(piece))


@pytest.mark.parametrize("shape", [{}, {"length": 500_000}])
async def test_first_part_arrives_before_hang_up(shape: dict[str, object]) -> None:
    async with streaming(**shape) as server, httpx.AsyncClient(trust_env=False) as client:
        sizes: list[int] = []
        async with client.stream("GET", server.url + "/short") as answer:
            with pytest.raises(httpx.RemoteProtocolError):
                await noted(answer, sizes)
        assert sum(sizes) == 400_000


async def test_endless_stream_rate_and_end() -> None:
    ended = asyncio.Event()

    async def ticks() -> AsyncGenerator[bytes, None]:
        try:
            while True:
                yield b"tick\n"
                await asyncio.sleep(0.02)
        finally:
            ended.set()

    async def answer(_request: Request) -> Response:
        return Response(media_type="text/plain", stream=ticks(), unframed=True)

    loop = asyncio.get_running_loop()
    async with HttpServer(answer) as server, httpx.AsyncClient(trust_env=False) as client:
        times = []
        async with client.stream("GET", server.url) as stream:
            async for _ in stream.aiter_raw():
                times.append(loop.time())
                if len(times) == 5:
                    break
        assert all(later > earlier for earlier, later in pairwise(times))
        await asyncio.wait_for(ended.wait(), 2)
