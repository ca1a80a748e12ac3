"""Authentication and roles of requests.

On the Unix socket the kernel identifies the client's process (SO_PEERCRED, unix(7)); over the network a
session identifies the user, whose cookie browsers send with our own pages only. A route with a parameter
`Viewer`, `Technician` or `Supervisor` refuses users below that role; a request that changes something also
needs the CSRF token if it may come from a browser.
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

from gateway.api.operations import Actor, UserRole
from gateway.console.auth.sessions import csrf_token, is_current
from gateway.console.auth.users import UsersFileError
from gateway.console.web.context import AppContext, context_of
from gateway.console.web.problems import HttpProblem

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
_NO_PAGES = ("/api/", "/updates/", "/metrics", "/openapi.json")
CSRF_HEADER = "x-csrf-token"
CSRF_FIELD = "csrf"
# An SSH tunnel to the socket is opened under one of these names; any other name is that of a page whose name
# was made to resolve to this machine (DNS rebinding).
_TUNNEL_HOSTS = {"console", "localhost", "127.0.0.1", "::1"}
_SOCKET_SECRET = secrets.token_hex(32)


@dataclass(frozen=True, slots=True)
class Peer:
    """Process at the other end of the Unix socket."""

    uid: int


@dataclass(frozen=True, slots=True)
class AuthenticatedUser:
    """User of a request, after authentication."""

    actor: Actor
    csrf: str
    """CSRF token: field `csrf` of forms, header `X-CSRF-Token` of scripts."""
    token: str | None = None
    """Session token."""


def cookie_name(request: Request) -> str:
    """Return the name of the session cookie; under TLS one that browsers accept from our own pages only."""
    return "__Host-borderpost" if request.url.scheme == "https" else "borderpost"


def find_user(request: Request) -> AuthenticatedUser | None:
    """Return the user of a request, or None. Does not extend the session; `authenticate` does."""
    peer: Peer | None = request.scope.get("state", {}).get("peer")
    if peer is not None:
        return _user_of_peer(peer)
    ctx: AppContext = context_of(request)
    token = request.cookies.get(cookie_name(request))
    session = ctx.sessions.find(token) if token else None
    if session is None or token is None or ctx.users is None:
        return None
    try:
        person = ctx.users.find(session.name)
    except UsersFileError:
        return None
    if person is None or not is_current(session, person.password):
        ctx.sessions.end(token)
        return None
    actor = Actor(name=person.name, role=person.role, channel="network")
    return AuthenticatedUser(actor, csrf_token(token), token)


async def authenticate(request: Request) -> AuthenticatedUser:
    """Return the user of a request; raises HttpProblem without one, and for other sites' requests."""
    require_same_origin(request)
    found = find_user(request)
    if found is None:
        raise HttpProblem(401, "not_logged_in", "No user is logged in.", "Log in at /login.")
    if request.method not in SAFE_METHODS and (found.actor.channel == "network" or _is_browser(request)):
        await _check_csrf(request, found)
    if found.token is not None and (session := context_of(request).sessions.find(found.token)) is not None:
        context_of(request).sessions.touch(session)
    return found


def require_same_origin(request: Request) -> None:
    """Refuse requests that a browser sent from another site's page; raises HttpProblem."""
    host = request.headers.get("host", "")
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site", "none")
    if request.scope.get("state", {}).get("peer") is not None and _name(host) not in _TUNNEL_HOSTS:
        raise HttpProblem(
            421, "wrong_host", "The host name of the request is not allowed on this socket.", "Use localhost."
        )
    foreign = (origin is not None and urlsplit(origin).netloc != host) or site not in ("none", "same-origin")
    if foreign and not _is_link_to_page(request):
        raise HttpProblem(
            403,
            "cross_site",
            "The request comes from another site's page and was refused.",
            "Use the console's own pages.",
        )


def _is_link_to_page(request: Request) -> bool:
    """Return True for a link to a page of the console.

    The API and the streams start work (a trace is recorded in the audit), and the user of a tunnel to the
    socket needs no cookie: another site's page must not reach them. Fetch Metadata (W3C): a browser states
    mode and destination of each request; it sends no `Origin` with a link.
    """
    headers = request.headers
    return (
        request.method == "GET"
        and not request.url.path.startswith(_NO_PAGES)
        and headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest") == "document"
    )


class RequiresRole:
    """FastAPI dependency: the user has at least that role."""

    def __init__(self, role: UserRole) -> None:
        self.role = role

    async def __call__(self, user: Annotated[AuthenticatedUser, Depends(authenticate)]) -> AuthenticatedUser:
        """Return the user; raises HttpProblem for a lower role."""
        if user.actor.role < self.role:
            raise HttpProblem(
                403,
                "not_permitted",
                f"{user.actor.name} has the role {user.actor.role.name.lower()}, but this needs the role "
                f"{self.role.name.lower()}.",
                "Ask a user with that role.",
            )
        return user


Viewer = Annotated[AuthenticatedUser, Depends(RequiresRole(UserRole.VIEWER))]
Technician = Annotated[AuthenticatedUser, Depends(RequiresRole(UserRole.TECHNICIAN))]
Supervisor = Annotated[AuthenticatedUser, Depends(RequiresRole(UserRole.SUPERVISOR))]


def still_allowed(request: Request, required_role: UserRole) -> Callable[[], bool]:
    """Return a function that tells whether the user still has the role, for long streams."""

    def may() -> bool:
        found = find_user(request)
        return found is not None and found.actor.role >= required_role

    return may


def _user_of_peer(peer: Peer) -> AuthenticatedUser:
    try:
        name = pwd.getpwuid(peer.uid).pw_name
    except KeyError:
        name = f"uid {peer.uid}"
    ours = peer.uid in (0, os.geteuid())
    role = UserRole.SUPERVISOR if ours else UserRole.TECHNICIAN
    csrf = hmac.new(_SOCKET_SECRET.encode(), str(peer.uid).encode(), "sha256").hexdigest()
    return AuthenticatedUser(Actor(name=name, role=role, channel="socket"), csrf)


def _is_browser(request: Request) -> bool:
    """Return True for a browser, which may be tunnelled to the socket.

    All browsers send the origin of a page.
    """
    return "origin" in request.headers or "sec-fetch-site" in request.headers


async def _check_csrf(request: Request, user: AuthenticatedUser) -> None:
    given = request.headers.get(CSRF_HEADER, "")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not given and kind in ("application/x-www-form-urlencoded", "multipart/form-data"):
        given = str((await request.form()).get(CSRF_FIELD, ""))
    if not hmac.compare_digest(given.encode(), user.csrf.encode()):
        raise HttpProblem(
            403,
            "csrf_token_invalid",
            "The form was not sent from a page of this login, and was refused.",
            "Load the page again.",
        )


def _name(host: str) -> str:
    return urlsplit(f"//{host}").hostname or ""
