"""Logging in and out. The form itself needs no token: who is nobody yet has nothing to be robbed of."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from gateway.console.auth.auth import Viewer, cookie_name, from_our_pages, recognised
from gateway.console.auth.users import Person, UsersFileError
from gateway.console.web.context import Bench, bench
from gateway.console.web.problems import Problem
from gateway.console.web.templating import render

router = APIRouter(include_in_schema=False)
_one_at_a_time = asyncio.Lock()
"""A password costs 64 MiB while it is tried."""


async def tried(at: Bench, name: str, password: str, address: str) -> Person | None:
    """Who that is, if the password is right; raises Problem while they have to wait, or where nobody can."""
    if at.people is None:
        raise Problem(403, "nobody_may", "Nobody can log in here.", "Configure users_file under [console].")
    async with _one_at_a_time:
        if wait_s := at.attempts.wait_s(name, address):
            raise Problem(
                429,
                "too_many_attempts",
                f"Too many wrong passwords; the next may be tried in {wait_s:.0f} s.",
                "Wait.",
                {"Retry-After": str(int(wait_s) + 1)},
            )
        try:
            person = await asyncio.to_thread(at.people.verify, name, password)
        except UsersFileError as error:
            raise Problem(503, "users_file", str(error), "borderpost console passwd") from error
        if person is None:
            at.attempts.failed(name, address)
        else:
            at.attempts.succeeded(name)
    return person


@router.get("/login")
async def form(request: Request) -> Response:
    """Ask for name and password."""
    if recognised(request) is not None:
        return RedirectResponse("/", 303)
    return _page(request)


@router.post("/login")
async def log_in(
    request: Request,
    at: Annotated[Bench, Depends(bench)],
    name: Annotated[str, Form(max_length=64)],
    password: Annotated[str, Form(max_length=256)],
    to: Annotated[str, Form(alias="next", max_length=300)] = "/",
) -> Response:
    """Let somebody in."""
    from_our_pages(request)
    address = request.client.host if request.client else ""
    try:
        person = await tried(at, name, password, address)
    except Problem as problem:
        return _page(request, problem.details.text, problem.status, problem.headers, to)
    if person is None:
        return _page(request, "Name or password is wrong.", 401, to=to)
    answer = RedirectResponse(ours(to), 303)
    answer.set_cookie(
        cookie_name(request),
        at.sessions.begin(person.name, person.password),
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
        path="/",
    )
    return answer


@router.post("/logout")
async def log_out(request: Request, asker: Viewer, at: Annotated[Bench, Depends(bench)]) -> Response:
    """Let somebody go."""
    if asker.token is not None:
        at.sessions.end(asker.token)
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(
        cookie_name(request), path="/", secure=request.url.scheme == "https", httponly=True, samesite="strict"
    )
    return answer


def _page(
    request: Request, wrong: str = "", status: int = 200, headers: dict[str, str] | None = None, to: str = ""
) -> HTMLResponse:
    context = {"wrong": wrong, "next": ours(to or request.query_params.get("next", "/"))}
    return render(request, "login.html", context, status, headers)


def ours(address: str) -> str:
    """Where to go after the login: a page of ours, whatever a link said."""
    inside = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if inside else "/"
