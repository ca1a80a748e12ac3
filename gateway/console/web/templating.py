"""Rendering of pages in the request's language, within the frame common to all pages."""

from collections.abc import Mapping
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse

from gateway.api.operations import REQUIRED_ROLES, UserRole
from gateway.console.auth.auth import AuthenticatedUser
from gateway.console.web import labels
from gateway.console.web.context import context_of
from gateway.console.web.i18n import COOKIE, LANGUAGES, Translate, choose_language, load_catalogue
from gateway.console.web.jinja import environment

_REQUIRED_ROLES = REQUIRED_ROLES | {
    "bundle": UserRole.TECHNICIAN,
    "discover": UserRole.TECHNICIAN,
    "simulate": UserRole.TECHNICIAN,
}


def language_of(request: Request) -> str:
    """Return the language of a request."""
    return choose_language(request.cookies.get(COOKIE), request.headers.get("accept-language"))


def translator_of(request: Request) -> Translate:
    """Return the translation into the request's language."""
    return load_catalogue(language_of(request)).gettext


def render(
    request: Request,
    template: str,
    context: Mapping[str, Any],
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """Render a page. With a `user` in its context it has the frame for logged-in users."""
    language = language_of(request)
    asker: AuthenticatedUser | None = context.get("user")
    frame = _base_context(request, asker) | {"language": language, "languages": LANGUAGES}
    text = environment(language).get_template(template).render({**frame, **context})
    return HTMLResponse(text, status, headers)


def render_fragment(request: Request, template: str, context: Mapping[str, Any]) -> str:
    """Render a fragment of a page, to be pushed to open pages."""
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
        "actor": user.actor if user else None,
        "csrf": user.csrf if user else "",
        "role": labels.ROLES[user.actor.role] if user else "",
        "may": may,
        "message": None,
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
        *([("/discover", say("Find devices"))] if permissions["discover"] else []),
        *([("/audit", say("Audit"))] if permissions["check"] else []),
        ("/contract", say("Messages")),
        *([("/simulators", say("Simulators"))] if simulated else []),
    ]


async def load_post(request: Request) -> None:
    """Load the post, a dependency of every page.

    It shows the post's name and profile, if the daemon responds.
    """
    await context_of(request).live_state.load_post()
