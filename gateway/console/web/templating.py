"""From a request to a page: its language, and the frame that all pages have around what they show."""

from collections.abc import Mapping
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse

from gateway.api.operations import REQUIRED_ROLES, UserRole
from gateway.console.auth.auth import AuthenticatedUser
from gateway.console.web import labels as words
from gateway.console.web.context import context_of
from gateway.console.web.i18n import COOKIE, LANGUAGES, Translate, choose_language, load_catalogue
from gateway.console.web.jinja import environment

_REQUIRED_ROLES = REQUIRED_ROLES | {"bundle": UserRole.TECHNICIAN, "simulate": UserRole.TECHNICIAN}


def language_of(request: Request) -> str:
    """The language that a request is answered in."""
    return choose_language(request.cookies.get(COOKIE), request.headers.get("accept-language"))


def translator_of(request: Request) -> Translate:
    """From an English text to the request's language."""
    return load_catalogue(language_of(request)).gettext


def render(
    request: Request,
    template: str,
    context: Mapping[str, Any],
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """One page. With an `asker` in its context it is one of those behind the login."""
    language = language_of(request)
    asker: AuthenticatedUser | None = context.get("asker")
    frame = _base_context(request, asker) | {"language": language, "languages": LANGUAGES}
    text = environment(language).get_template(template).render({**frame, **context})
    return HTMLResponse(text, status, headers)


def render_fragment(request: Request, template: str, context: Mapping[str, Any]) -> str:
    """A part of a page, to be pushed to those who have it open."""
    return environment(language_of(request)).get_template(f"parts/{template}").render(context)


def _base_context(request: Request, user: AuthenticatedUser | None) -> dict[str, Any]:
    at, say = context_of(request), translator_of(request)
    known = at.live_state.last_post
    may = {verb: user is not None and user.actor.role >= needed for verb, needed in _REQUIRED_ROLES.items()}
    return {
        "site": known.site if known else "",
        "gateway": known.gateway if known else "",
        "profile": known.report.profile if known else "",
        "here": request.url.path,
        "navigation": _navigation(at.simulators is not None, may, say),
        "who": user.actor if user else None,
        "csrf": user.csrf if user else "",
        "standing": words.ROLES[user.actor.role] if user else "",
        "may": may,
        "said": None,
        "fresh": False,
    }


def _navigation(simulated: bool, permissions: Mapping[str, bool], say: Translate) -> list[tuple[str, str]]:
    return [
        ("/", say("Board")),
        ("/events", say("Events")),
        ("/barriers", say("Barriers")),
        ("/cameras", say("Cameras and scanners")),
        ("/delivery", say("Delivery")),
        ("/health", say("Health")),
        *([("/audit", say("Audit"))] if permissions["check"] else []),
        *([("/simulators", say("Simulators"))] if simulated else []),
    ]


async def load_post(request: Request) -> None:
    """A dependency of every page: to know whose it is, and how serious, if the daemon answers."""
    await context_of(request).live_state.load_post()
