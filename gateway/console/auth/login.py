"""Login and logout. The login form needs no CSRF token: without a session there is none to abuse."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from gateway.console.auth.auth import Viewer, cookie_name, find_user, require_same_origin
from gateway.console.auth.login_throttle import client_network
from gateway.console.auth.users import User, UsersFileError
from gateway.console.web.context import AppContext, get_context
from gateway.console.web.problems import HttpProblem
from gateway.console.web.templating import render

router = APIRouter(include_in_schema=False)
_password_lock = asyncio.Lock()
"""Verification of a password takes 64 MiB of memory, so one at a time."""
_verifying: set[str] = set()
"""Addresses with a login in progress: one at a time each, so that no client fills the queue of the others."""


async def check_password(ctx: AppContext, name: str, password: str, address: str) -> User | None:
    """Return the user if the password is right; raises HttpProblem during a wait, or if login is disabled."""
    if ctx.users is None:
        raise HttpProblem(
            403,
            "login_disabled",
            "Login over the network is disabled.",
            "Configure users_file under [console].",
        )
    network = client_network(address)
    if network in _verifying:
        raise _wait(1.0, "Another login from this address is in progress; try again.")
    _verifying.add(network)
    try:
        async with _password_lock:
            if wait_s := ctx.login_throttle.remaining_wait_s(name, address):
                raise _wait(wait_s, f"Too many wrong passwords; try again in {wait_s:.0f} s.")
            person = await asyncio.to_thread(ctx.users.verify, name, password)
    except UsersFileError as error:
        raise HttpProblem(503, "users_file_unavailable", str(error), "borderpost console passwd") from error
    finally:
        _verifying.discard(network)
    if person is None:
        ctx.login_throttle.on_failure(name, address)
    else:
        ctx.login_throttle.on_success(name, address)
    return person


def _wait(wait_s: float, text: str) -> HttpProblem:
    return HttpProblem(429, "too_many_attempts", text, "Wait.", {"Retry-After": str(int(wait_s) + 1)})


@router.get("/login")
async def form(request: Request) -> Response:
    """Show the login form."""
    if find_user(request) is not None:
        return RedirectResponse("/", 303)
    return _page(request)


@router.post("/login")
async def log_in(
    request: Request,
    ctx: Annotated[AppContext, Depends(get_context)],
    name: Annotated[str, Form(max_length=64)],
    password: Annotated[str, Form(max_length=256)],
    to: Annotated[str, Form(alias="next", max_length=300)] = "/",
) -> Response:
    """Log a user in."""
    require_same_origin(request)
    address = request.client.host if request.client else ""
    try:
        person = await check_password(ctx, name, password, address)
    except HttpProblem as problem:
        return _page(request, problem.details.text, problem.status, problem.headers, to)
    if person is None:
        return _page(request, "Name or password is wrong.", 401, to=to)
    answer = RedirectResponse(safe_redirect(to), 303)
    answer.set_cookie(
        cookie_name(request),
        ctx.sessions.begin(person.name, person.password),
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
        path="/",
    )
    return answer


@router.post("/logout")
async def log_out(
    request: Request, user: Viewer, ctx: Annotated[AppContext, Depends(get_context)]
) -> Response:
    """Log a user out."""
    if user.token is not None:
        ctx.sessions.end(user.token)
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(
        cookie_name(request), path="/", secure=request.url.scheme == "https", httponly=True, samesite="strict"
    )
    return answer


def _page(
    request: Request, wrong: str = "", status: int = 200, headers: dict[str, str] | None = None, to: str = ""
) -> HTMLResponse:
    context = {"wrong": wrong, "next": safe_redirect(to or request.query_params.get("next", "/"))}
    return render(request, "login.html", context, status, headers)


def safe_redirect(address: str) -> str:
    """Return the page to show after the login: always one of ours, whatever a link contained."""
    inside = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if inside else "/"
