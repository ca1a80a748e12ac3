"""The console as one ASGI application: `build(daemon, ...)`.

- `context.AppContext` holds the objects of a request; a route takes it as `ctx: ContextDep`.
- `auth` identifies the user: a route with a parameter `user: Viewer`, `Technician` or `Supervisor` refuses
  lower roles. `user.actor` goes to the daemon; `user.csrf` into every form as the field `csrf`, which those
  three check, and into the header `X-CSRF-Token` of scripts.
- `api` has the routes under `/api/v1`, which respond to errors with problem+json; `pages` has those for
  people, which respond with `problem.html`, and redirect to `/login` without a user.
- `templating.render(request, template, context)` makes a page; `static/` is served at `/static`.
- `counter` serves the counter page at `/counter/`, where the post has one, with a policy of its own.
- Pages contain no inline script or style: the Content-Security-Policy blocks both.
- Routes raise `problems.HttpProblem` for an error of the client; an `RpcError` of the daemon is converted.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from gateway.api.interface import DaemonInterface
from gateway.api.operations import RpcError
from gateway.common.version import VERSION
from gateway.config.model import CounterSection
from gateway.console.api import diagnostics, metrics, routes
from gateway.console.auth import login
from gateway.console.auth.auth import find_user
from gateway.console.auth.login_throttle import LoginThrottle
from gateway.console.auth.persisted import BootScopedStore
from gateway.console.auth.sessions import SessionStore
from gateway.console.auth.tickets import TraceTickets
from gateway.console.auth.users import UserStore
from gateway.console.pages import barrier_tests, contract, discovery, live_updates
from gateway.console.pages import device as device_pages
from gateway.console.pages import post as post_pages
from gateway.console.pages import simulators as simulator_pages
from gateway.console.pages.live_state import LiveState
from gateway.console.web.context import AppContext
from gateway.console.web.counter import PREFIX, content_security_policy, counter_routes
from gateway.console.web.middleware import SECURITY_HEADERS, BodySizeLimit, SecurityHeaders
from gateway.console.web.problems import HttpProblem, from_rpc_error, to_response
from gateway.console.web.templating import load_post, render

_FOR_PROGRAMS = ("/api/", "/metrics", "/openapi.json")


def build(
    daemon: DaemonInterface,
    *,
    config: Path,
    state_dir: Path,
    users_file: Path | None = None,
    simulators: Path | None = None,
    counter: CounterSection | None = None,
) -> FastAPI:
    """Build the console of a running gateway; `counter`: the counter page, if the post has one."""
    app = FastAPI(
        title="Border-post gateway: local API",
        version=VERSION,
        description="View of a post and its management by technicians. No personal data, "
        "except the bytes of a revealed trace.",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.context = AppContext(
        daemon=daemon,
        live_state=LiveState(daemon),
        config=config,
        state_dir=state_dir,
        users=UserStore(users_file) if users_file is not None else None,
        simulators=simulators,
        sessions=SessionStore(BootScopedStore(state_dir / "console-sessions.json")),
        login_throttle=LoginThrottle(BootScopedStore(state_dir / "console-attempts.json")),
        tickets=TraceTickets(),
    )
    app.include_router(routes.router)
    app.include_router(diagnostics.router)
    app.include_router(metrics.router)
    for people in (login, post_pages, device_pages, barrier_tests, discovery, contract, simulator_pages):
        app.include_router(people.router, dependencies=[Depends(load_post)])
    app.include_router(live_updates.router)
    app.mount("/static", StaticFiles(directory=Path(__file__).parents[1] / "static"))
    policies: dict[str, str] = {}
    if counter is not None:
        app.router.routes.extend(counter_routes(config))
        policies[PREFIX] = content_security_policy(counter.broker)
    app.add_middleware(SecurityHeaders, policies=policies)
    app.add_middleware(BodySizeLimit)
    app.add_exception_handler(HttpProblem, _problem)
    app.add_exception_handler(RpcError, _refusal)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _fault)
    return app


async def _problem(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, HttpProblem)
    if request.url.path.startswith(_FOR_PROGRAMS):
        return to_response(problem)
    if problem.status == 401 and request.method in ("GET", "HEAD"):
        return RedirectResponse(f"/login?next={quote(request.url.path)}", 303)
    context = {"problem": problem.details, "user": find_user(request)}
    return render(request, "problem.html", context, problem.status, problem.headers)


async def _refusal(request: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, RpcError)
    return await _problem(request, from_rpc_error(refusal))


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return await _problem(request, HttpProblem(422, "invalid_request", _said(error.errors())))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    return await _problem(
        request, HttpProblem(error.status_code, "http", f"{error.detail}.", headers=headers)
    )


async def _fault(request: Request, _error: Exception) -> Response:
    # Details are in the journal; here they might reveal more than a client should read.
    how = "borderpost bundle, and send it to support."
    answer = await _problem(
        request, HttpProblem(500, "internal_error", "The console failed because of an internal error.", how)
    )
    answer.headers.update(SECURITY_HEADERS)  # This response is made outside of all middleware.
    return answer


def _said(errors: Sequence[Any]) -> str:
    """Return the errors of a request by place, without the values sent."""
    places = (".".join(str(part) for part in error["loc"]) + f": {error['msg']}" for error in errors)
    return "; ".join(places)
