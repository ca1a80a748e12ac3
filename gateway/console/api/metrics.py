"""Documents for other programs: `/metrics` for Prometheus, and `/openapi.json`, which describes the API."""

import base64
import binascii
import hashlib
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request, Response

from gateway.api.models import LiveUpdate, TraceItem
from gateway.api.operations import Actor
from gateway.console.auth.auth import AuthenticatedUser, Viewer, authenticate
from gateway.console.auth.login import check_password
from gateway.console.auth.users import User
from gateway.console.web.context import AppContext, get_context
from gateway.console.web.problems import HttpProblem, ProblemDetails, error_responses

router = APIRouter()
_password_cache: dict[bytes, User] = {}
"""Users by the hash of a correct name and password: verifying a password every 15 seconds costs too much."""


async def authenticate_scraper(
    request: Request, ctx: Annotated[AppContext, Depends(get_context)]
) -> AuthenticatedUser:
    """Authenticate as usual, or by name and password (RFC 7617): Prometheus cannot use the login form."""
    given = request.headers.get("authorization", "")
    if not given.lower().startswith("basic "):
        return await authenticate(request)
    try:
        name, _, password = base64.b64decode(given[6:], validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise HttpProblem(
            401, "not_logged_in", "The Authorization header has no valid name and password."
        ) from None
    key = hashlib.sha256(given.encode()).digest()
    person = _password_cache.get(key)
    if person is None or ctx.users is None or ctx.users.find(name) != person:
        _password_cache.pop(key, None)
        person = await check_password(ctx, name, password, request.client.host if request.client else "")
        if person is None:
            raise HttpProblem(401, "not_logged_in", "Name or password is wrong.")
        _password_cache[key] = person
    return AuthenticatedUser(Actor(name=person.name, role=person.role, channel="network"), csrf="")


@router.get(
    "/metrics",
    response_class=Response,
    responses=error_responses(401, 403, 421, 429, 503) | {200: {"content": {"text/plain": {}}}},
)
async def metrics(
    _user: Annotated[AuthenticatedUser, Depends(authenticate_scraper)],
    ctx: Annotated[AppContext, Depends(get_context)],
) -> Response:
    """Return the post's metrics in Prometheus' text format."""
    from gateway.console.api.exposition import (  # few scrape, and it takes a while to load
        MEDIA_TYPE,
        exposition,
    )

    return Response(exposition(await ctx.daemon.view()), media_type=MEDIA_TYPE)


@router.get("/openapi.json", include_in_schema=False)
async def openapi(request: Request, _user: Viewer) -> dict[str, Any]:
    """Return the description of the API."""
    app: FastAPI = request.app
    if app.openapi_schema is None:
        described = app.openapi()
        schemas = described.setdefault("components", {}).setdefault("schemas", {})
        for model in (ProblemDetails, LiveUpdate, TraceItem):
            made = model.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas.update(made.pop("$defs", {}))
            schemas[model.__name__] = made
    return app.openapi()
