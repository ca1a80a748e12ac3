"""From a request to a page: its language, and the frame that all pages have around what they show."""

from collections.abc import Mapping
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse

from gateway.api.operations import NEEDED, Standing
from gateway.console.auth.auth import Asker
from gateway.console.web import labels as words
from gateway.console.web.context import bench_of
from gateway.console.web.i18n import COOKIE, LANGUAGES, Say, catalogue, chosen
from gateway.console.web.jinja import environment

_MAY = NEEDED | {"bundle": Standing.TECHNICIAN, "simulate": Standing.TECHNICIAN}


def language_of(request: Request) -> str:
    """The language that a request is answered in."""
    return chosen(request.cookies.get(COOKIE), request.headers.get("accept-language"))


def say_in(request: Request) -> Say:
    """From an English text to the request's language."""
    return catalogue(language_of(request)).gettext


def render(
    request: Request,
    template: str,
    context: Mapping[str, Any],
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """One page. With an `asker` in its context it is one of those behind the login."""
    language = language_of(request)
    asker: Asker | None = context.get("asker")
    frame = _frame(request, asker) | {"language": language, "languages": LANGUAGES}
    text = environment(language).get_template(template).render({**frame, **context})
    return HTMLResponse(text, status, headers)


def piece(request: Request, template: str, context: Mapping[str, Any]) -> str:
    """A part of a page, to be pushed to those who have it open."""
    return environment(language_of(request)).get_template(f"parts/{template}").render(context)


def _frame(request: Request, asker: Asker | None) -> dict[str, Any]:
    at, say = bench_of(request), say_in(request)
    known = at.lookout.known
    may = {verb: asker is not None and asker.who.standing >= needed for verb, needed in _MAY.items()}
    return {
        "site": known.site if known else "",
        "gateway": known.gateway if known else "",
        "profile": known.report.profile if known else "",
        "here": request.url.path,
        "navigation": _navigation(at.simulators is not None, may, say),
        "who": asker.who if asker else None,
        "csrf": asker.csrf if asker else "",
        "standing": words.STANDINGS[asker.who.standing] if asker else "",
        "may": may,
        "said": None,
        "fresh": False,
    }


def _navigation(simulated: bool, may: Mapping[str, bool], say: Say) -> list[tuple[str, str]]:
    return [
        ("/", say("Board")),
        ("/events", say("Events")),
        ("/barriers", say("Barriers")),
        ("/cameras", say("Cameras and scanners")),
        ("/delivery", say("Delivery")),
        ("/health", say("Health")),
        *([("/audit", say("Audit"))] if may["check"] else []),
        *([("/simulators", say("Simulators"))] if simulated else []),
    ]


async def acquainted(request: Request) -> None:
    """A dependency of every page: to know whose it is, and how serious, if the daemon answers."""
    await bench_of(request).lookout.acquaint()
