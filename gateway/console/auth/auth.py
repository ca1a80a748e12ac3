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

from gateway.api.operations import Actor, UserRole
from gateway.console.auth.sessions import csrf_token, is_current
from gateway.console.auth.users import UsersFileError
from gateway.console.web.context import AppContext, context_of
from gateway.console.web.problems import HttpProblem

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
CSRF_HEADER = "x-csrf-token"
CSRF_FIELD = "csrf"
# An SSH tunnel to the socket is opened at one of these; any other name is a page that had its own name
# point to this machine (DNS rebinding).
_TUNNEL_HOSTS = {"console", "localhost", "127.0.0.1", "::1"}
_SOCKET_SECRET = secrets.token_hex(32)


@dataclass(frozen=True, slots=True)
class Peer:
    """The process at the other end of the Unix socket."""

    uid: int


@dataclass(frozen=True, slots=True)
class AuthenticatedUser:
    """Somebody who is let in."""

    actor: Actor
    csrf: str
    """What their forms carry in the field `csrf`, and scripts in the header `X-CSRF-Token`."""
    token: str | None = None
    """Their session."""


def cookie_name(request: Request) -> str:
    """Under TLS a name that a browser takes from no other page than ours."""
    return "__Host-borderpost" if request.url.scheme == "https" else "borderpost"


def find_user(request: Request) -> AuthenticatedUser | None:
    """Who asks; None for a stranger. A session's time starts anew only by `asker`."""
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
    who = Actor(name=person.name, role=person.role, channel="network")
    return AuthenticatedUser(who, csrf_token(token), token)


async def authenticate(request: Request) -> AuthenticatedUser:
    """Who asks; raises Problem for strangers, and for what another site's page sends in somebody's name."""
    require_same_origin(request)
    found = find_user(request)
    if found is None:
        raise HttpProblem(401, "not_logged_in", "Nobody is logged in here.", "Log in at /login.")
    if request.method not in SAFE_METHODS and (found.actor.channel == "network" or _is_browser(request)):
        await _check_csrf(request, found)
    if found.token is not None and (session := context_of(request).sessions.find(found.token)) is not None:
        context_of(request).sessions.touch(session)
    return found


def require_same_origin(request: Request) -> None:
    """Refuse what a browser says comes from elsewhere; raises Problem."""
    host = request.headers.get("host", "")
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site", "none")
    if request.scope.get("state", {}).get("peer") is not None and _name(host) not in _TUNNEL_HOSTS:
        raise HttpProblem(421, "wrong_host", "This is not the host that was asked for.", "Use localhost.")
    if request.method in SAFE_METHODS:
        return
    if (origin is not None and urlsplit(origin).netloc != host) or site not in ("none", "same-origin"):
        raise HttpProblem(
            403, "cross_site", "Another site's page has sent this.", "Use the console's own pages."
        )


class RequiresRole:
    """A dependency: whoever asks has at least that standing."""

    def __init__(self, role: UserRole) -> None:
        self.role = role

    async def __call__(self, user: Annotated[AuthenticatedUser, Depends(authenticate)]) -> AuthenticatedUser:
        """Whoever asks; raises Problem for those below."""
        if user.actor.role < self.role:
            raise HttpProblem(
                403,
                "not_permitted",
                f"{user.actor.name} is {user.actor.role.name.lower()} here, and this needs "
                f"{self.role.name.lower()}.",
                "Ask somebody who is.",
            )
        return user


Viewer = Annotated[AuthenticatedUser, Depends(RequiresRole(UserRole.VIEWER))]
Technician = Annotated[AuthenticatedUser, Depends(RequiresRole(UserRole.TECHNICIAN))]
Supervisor = Annotated[AuthenticatedUser, Depends(RequiresRole(UserRole.SUPERVISOR))]


def still_allowed(request: Request, required_role: UserRole) -> Callable[[], bool]:
    """Whether whoever asks may go on to listen."""

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
    """Whether a browser asks, through a tunnel to the socket: they all say where a page came from."""
    return "origin" in request.headers or "sec-fetch-site" in request.headers


async def _check_csrf(request: Request, user: AuthenticatedUser) -> None:
    given = request.headers.get(CSRF_HEADER, "")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not given and kind in ("application/x-www-form-urlencoded", "multipart/form-data"):
        given = str((await request.form()).get(CSRF_FIELD, ""))
    if not hmac.compare_digest(given.encode(), user.csrf.encode()):
        raise HttpProblem(403, "csrf", "This was not sent from a page of this login.", "Load the page again.")


def _name(host: str) -> str:
    return urlsplit(f"//{host}").hostname or ""
