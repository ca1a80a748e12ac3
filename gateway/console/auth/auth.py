"""Who asks, and what they may.

On the Unix socket the kernel says it (SO_PEERCRED, unix(7)); over the network a session does, whose cookie is
sent with our own pages only. A route takes `Viewer`, `Technician` or `Supervisor` as a parameter and so is
closed to everybody below; whatever changes something needs the CSRF token besides where a browser may ask.
"""

import hmac
import os
import pwd
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request

from gateway.api.operations import Standing, Who
from gateway.console.auth.sessions import csrf_of, holds
from gateway.console.auth.users import UsersFileError
from gateway.console.web.context import Bench, bench_of
from gateway.console.web.problems import Problem

HARMLESS = {"GET", "HEAD", "OPTIONS"}
CSRF_HEADER = "x-csrf-token"
CSRF_FIELD = "csrf"
# An SSH tunnel to the socket is opened at one of these; any other name is a page that had its own name
# point to this machine (DNS rebinding).
_TUNNELLED = {"console", "localhost", "127.0.0.1", "::1"}
_SOCKET_SECRET = secrets.token_hex(32)


@dataclass(frozen=True, slots=True)
class Peer:
    """The process at the other end of the Unix socket."""

    uid: int


@dataclass(frozen=True, slots=True)
class Asker:
    """Somebody who is let in."""

    who: Who
    csrf: str
    """What their forms carry in the field `csrf`, and scripts in the header `X-CSRF-Token`."""
    token: str | None = None
    """Their session."""


def cookie_name(request: Request) -> str:
    """Under TLS a name that a browser takes from no other page than ours."""
    return "__Host-borderpost" if request.url.scheme == "https" else "borderpost"


def recognised(request: Request) -> Asker | None:
    """Who asks; None for a stranger. A session's time starts anew only by `asker`."""
    peer: Peer | None = request.scope.get("state", {}).get("peer")
    if peer is not None:
        return _by_kernel(peer)
    at: Bench = bench_of(request)
    token = request.cookies.get(cookie_name(request))
    session = at.sessions.find(token) if token else None
    if session is None or token is None or at.people is None:
        return None
    try:
        person = at.people.find(session.name)
    except UsersFileError:
        return None
    if person is None or not holds(session, person.password):
        at.sessions.end(token)
        return None
    who = Who(name=person.name, standing=person.role, via="network")
    return Asker(who, csrf_of(token), token)


async def asker(request: Request) -> Asker:
    """Who asks; raises Problem for strangers, and for what another site's page sends in somebody's name."""
    from_our_pages(request)
    found = recognised(request)
    if found is None:
        raise Problem(401, "not_logged_in", "Nobody is logged in here.", "Log in at /login.")
    if request.method not in HARMLESS and (found.who.via == "network" or _by_browser(request)):
        await _check_csrf(request, found)
    if found.token is not None and (session := bench_of(request).sessions.find(found.token)) is not None:
        bench_of(request).sessions.seen(session)
    return found


def from_our_pages(request: Request) -> None:
    """Refuse what a browser says comes from elsewhere; raises Problem."""
    host = request.headers.get("host", "")
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site", "none")
    if request.scope.get("state", {}).get("peer") is not None and _name(host) not in _TUNNELLED:
        raise Problem(421, "wrong_host", "This is not the host that was asked for.", "Use localhost.")
    if request.method in HARMLESS:
        return
    if (origin is not None and urlsplit(origin).netloc != host) or site not in ("none", "same-origin"):
        raise Problem(403, "cross_site", "Another site's page has sent this.", "Use the console's own pages.")


class Needs:
    """A dependency: whoever asks has at least that standing."""

    def __init__(self, standing: Standing) -> None:
        self.standing = standing

    async def __call__(self, asker: Annotated[Asker, Depends(asker)]) -> Asker:
        """Whoever asks; raises Problem for those below."""
        if asker.who.standing < self.standing:
            raise Problem(
                403,
                "not_permitted",
                f"{asker.who.name} is {asker.who.standing.name.lower()} here, and this needs "
                f"{self.standing.name.lower()}.",
                "Ask somebody who is.",
            )
        return asker


Viewer = Annotated[Asker, Depends(Needs(Standing.VIEWER))]
Technician = Annotated[Asker, Depends(Needs(Standing.TECHNICIAN))]
Supervisor = Annotated[Asker, Depends(Needs(Standing.SUPERVISOR))]


def still(request: Request, least: Standing) -> Callable[[], bool]:
    """Whether whoever asks may go on to listen."""

    def may() -> bool:
        found = recognised(request)
        return found is not None and found.who.standing >= least

    return may


def _by_kernel(peer: Peer) -> Asker:
    try:
        name = pwd.getpwuid(peer.uid).pw_name
    except KeyError:
        name = f"uid {peer.uid}"
    ours = peer.uid in (0, os.geteuid())
    standing = Standing.SUPERVISOR if ours else Standing.TECHNICIAN
    csrf = hmac.new(_SOCKET_SECRET.encode(), str(peer.uid).encode(), "sha256").hexdigest()
    return Asker(Who(name=name, standing=standing, via="socket"), csrf)


def _by_browser(request: Request) -> bool:
    """Whether a browser asks, through a tunnel to the socket: they all say where a page came from."""
    return "origin" in request.headers or "sec-fetch-site" in request.headers


async def _check_csrf(request: Request, asker: Asker) -> None:
    given = request.headers.get(CSRF_HEADER, "")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not given and kind in ("application/x-www-form-urlencoded", "multipart/form-data"):
        given = str((await request.form()).get(CSRF_FIELD, ""))
    if not hmac.compare_digest(given.encode(), asker.csrf.encode()):
        raise Problem(403, "csrf", "This was not sent from a page of this login.", "Load the page again.")


def _name(host: str) -> str:
    return urlsplit(f"//{host}").hostname or ""
