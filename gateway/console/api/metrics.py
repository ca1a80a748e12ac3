"""What other programs read: `/metrics` for Prometheus, and `/openapi.json`, which describes the local API."""

import base64
import binascii
import hashlib
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request, Response

from gateway.api.models import Live, TraceItem
from gateway.api.operations import Who
from gateway.console.auth.auth import Asker, Viewer, asker
from gateway.console.auth.login import tried
from gateway.console.auth.users import Person
from gateway.console.web.context import Bench, bench
from gateway.console.web.problems import Problem, ProblemDetails, documented

router = APIRouter()
_known: dict[bytes, Person] = {}
"""Whose name and password were right, by their hash: a password costs too much to try it every 15 seconds."""


async def scraper(request: Request, at: Annotated[Bench, Depends(bench)]) -> Asker:
    """Who asks: as everywhere, or with name and password (RFC 7617), because Prometheus does not log in."""
    given = request.headers.get("authorization", "")
    if not given.lower().startswith("basic "):
        return await asker(request)
    try:
        name, _, password = base64.b64decode(given[6:], validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise Problem(401, "not_logged_in", "This is no name and password.") from None
    key = hashlib.sha256(given.encode()).digest()
    person = _known.get(key)
    if person is None or at.people is None or at.people.find(name) != person:
        _known.pop(key, None)
        person = await tried(at, name, password, request.client.host if request.client else "")
        if person is None:
            raise Problem(401, "not_logged_in", "Name or password is wrong.")
        _known[key] = person
    return Asker(Who(name=person.name, standing=person.role, via="network"), csrf="")


@router.get(
    "/metrics",
    response_class=Response,
    responses=documented(401, 403, 421, 429, 503) | {200: {"content": {"text/plain": {}}}},
)
async def metrics(
    _asker: Annotated[Asker, Depends(scraper)], at: Annotated[Bench, Depends(bench)]
) -> Response:
    """The post in numbers, in Prometheus' text format."""
    from gateway.console.api.exposition import (  # few scrape, and it takes a while to load
        MEDIA_TYPE,
        exposition,
    )

    return Response(exposition(await at.daemon.view()), media_type=MEDIA_TYPE)


@router.get("/openapi.json", include_in_schema=False)
async def openapi(request: Request, _asker: Viewer) -> dict[str, Any]:
    """The local API, described."""
    app: FastAPI = request.app
    if app.openapi_schema is None:
        described = app.openapi()
        schemas = described.setdefault("components", {}).setdefault("schemas", {})
        for model in (ProblemDetails, Live, TraceItem):
            made = model.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas.update(made.pop("$defs", {}))
            schemas[model.__name__] = made
    return app.openapi()
