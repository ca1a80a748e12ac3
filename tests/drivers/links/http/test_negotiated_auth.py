"""Negotiated authentication against the simulated access control, which shares no code with it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import ValidationError

from drivers.links.factory import LinkFactory
from drivers.links.http.client import HttpLink, HttpSettings
from drivers.links.link import Cause, CredentialsRefusedError, LinkError
from simulators.http.access import AccessControl
from simulators.http.server import HttpServer, Request, Response

USER = {"username": "watch", "password": "two words", "auth": "auto"}


def control(scheme: Any, **more: Any) -> AccessControl:
    return AccessControl(scheme, "watch", "two words", **more)


@asynccontextmanager
async def service(
    paths: Mapping[str, AccessControl], **settings: Any
) -> AsyncIterator[tuple[HttpLink, HttpServer]]:
    async def answer(request: Request) -> Response:
        access = paths[request.path]
        challenge = access.refusal(request.method, request.target, request.authorization)
        if challenge is not None:
            return Response(401, headers=(("WWW-Authenticate", challenge),))
        return Response(body=b"in", media_type="text/plain")

    async with HttpServer(answer) as server:
        links = LinkFactory()
        try:
            yield await links.http(HttpSettings(**{"url": server.url, **USER} | settings)), server
        finally:
            await links.close()


async def get(link: HttpLink, path: str) -> bytes:
    return (await link.request("GET", path, media_type="text/plain")).body


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
async def test_digest_is_negotiated(algorithm: Any) -> None:
    async with service({"/a": control("digest", algorithm=algorithm)}) as (link, server):
        for _ in range(3):
            assert await get(link, "/a") == b"in"
        assert len(server.request_count) == 4, "only the first is repeated"
        assert not any(request.authorization.startswith("Basic") for request in server.request_count)


async def test_basic_is_negotiated_on_this_machine() -> None:
    async with service({"/a": control("basic")}) as (link, server):
        assert await get(link, "/a") == b"in"
        assert server.request_count[0].authorization == "", "nothing is sent unasked"


async def test_paths_may_require_different_kinds() -> None:
    paths = {"/a": control("digest"), "/b": control("basic"), "/c": control("digest")}
    async with service(paths) as (link, _):
        for path in "abcabc":
            assert await get(link, f"/{path}") == b"in"


async def test_expired_nonce_is_renewed() -> None:
    access = control("digest")
    async with service({"/a": access}) as (link, server):
        assert await get(link, "/a") == b"in"
        access.nonce_s = 0
        with pytest.raises(CredentialsRefusedError):
            await get(link, "/a")
        access.nonce_s = 60
        assert await get(link, "/a") == b"in"
        assert len(server.request_count) <= 6


@pytest.mark.parametrize("scheme", ["digest", "basic"])
async def test_wrong_password_is_sent_once(scheme: str) -> None:
    async with service({"/a": control(scheme)}, password="wrong") as (link, server):
        with pytest.raises(CredentialsRefusedError):
            await get(link, "/a")
        assert sum(bool(request.authorization) for request in server.request_count) == 1


async def test_missing_credentials_are_named() -> None:
    async with service({"/a": control("digest")}, username=None, password=None) as (link, _):
        with pytest.raises(LinkError, match="requires a user name and a password") as refused:
            await get(link, "/a")
        assert not isinstance(refused.value, CredentialsRefusedError)
        assert refused.value.how.startswith("Add `username`")


async def test_basic_is_never_sent_in_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    # As for another machine: only the address decides.
    monkeypatch.setattr("drivers.links.http.client.is_loopback", lambda _: False)
    there = {"allow_cleartext": True}
    async with service({"/a": control("basic")}, **there) as (link, server):
        with pytest.raises(LinkError) as refused:
            await get(link, "/a")
        assert refused.value.cause is Cause.WRONG_DEVICE
        assert "the password unencrypted (Basic), which is refused" in refused.value.text
        assert "allow_cleartext_password" in refused.value.how
        assert not any(request.authorization for request in server.request_count)
    async with service({"/a": control("basic")}, **there, allow_cleartext_password=True) as (link, _):
        assert await get(link, "/a") == b"in"


def test_basic_in_clear_needs_a_setting() -> None:
    there = {"url": "http://192.0.2.7", "allow_cleartext": True} | USER | {"auth": "basic"}
    with pytest.raises(ValidationError, match="would send the password unencrypted"):
        HttpSettings(**there)
    assert HttpSettings(**there, allow_cleartext_password=True).allows_basic
    assert not HttpSettings(**there | {"auth": "auto"}).allows_basic
