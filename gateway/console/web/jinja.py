"""Jinja environments, one per language, and the filters of templates."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from gateway.common.one_line import to_one_line
from gateway.common.printable import printable
from gateway.console.web import labels
from gateway.console.web.i18n import Translate, load_catalogue
from gateway.diagnostics.findings import phone_code

TEMPLATES = Path(__file__).parents[1] / "templates"
BOOM_ANGLES = {"open": -78, "emergency_open": -78, "opening": -50, "closing": -26, "closed": 0}
"""Angle of a drawn boom; in other states, where the position is unknown, it is drawn dashed."""
OUTCOME_LIGHTS = {"successful": "good", "failed": "bad", "not_supported": "wait"}


@cache
def environment(language: str) -> Environment:
    """Return the templates in a language. An undefined name is an error; all output is escaped."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        # Texts of devices; markup that was escaped already is no plain `str`.
        finalize=lambda value: printable(value, keep="\n") if type(value) is str else value,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Jinja adds these methods with its extension, which type checkers cannot see.
    made.install_gettext_translations(load_catalogue(language), newstyle=True)  # type: ignore[attr-defined]
    filters: dict[str, Callable[[Any], object]] = {
        "light": lambda code: labels.STATE_LIGHTS.get(code, "bad"),
        "condition": _words(labels.CONDITIONS),
        "cause": _words(labels.CAUSES),
        "action": _words(labels.ACTIONS),
        # A package may bring a family of its own.
        "family": lambda code: labels.FAMILIES.get(code, str(code).replace("_", " ")),
        "outcome": _words(labels.OUTCOMES),
        "outcome_light": lambda code: OUTCOME_LIGHTS.get(code, "warn"),
        "level": _words(labels.LEVELS),
        "machine": _words(labels.MACHINE_STATES),
        "severity": _words(labels.SEVERITIES),
        "found_kind": _words(labels.FOUND_KINDS),
        "severity_light": lambda code: labels.SEVERITY_LIGHTS.get(code, "warn"),
        "spoken": phone_code,
        "slug": lambda name: str(name).replace("/", "--"),
        "clock": format_time,
        "brief": to_one_line,
        "code": mark_code,
        "boom": lambda state: BOOM_ANGLES.get(state, -40),
        "lit": lambda sensed: {True: " on", False: "", None: " none"}.get(sensed, " none"),
        "sensed_words": lambda door: describe_door_sensors(door, load_catalogue(language).gettext),
    }
    made.filters |= filters
    return made


def format_time(at: datetime | None) -> str:
    """Return a time in the post's local time, with the date unless it is today."""
    if at is None:
        return ""
    local = at.astimezone()
    today = datetime.now().astimezone().date()
    return f"{local:%H:%M:%S}" if local.date() == today else f"{local:%Y-%m-%d %H:%M}"


def describe_door_sensors(door: Mapping[str, Any], say: Translate) -> str:
    """Return the state of a door's sensors in labels, as the alternative text of its drawing."""
    names = {
        "open_limit": say("open limit"),
        "closed_limit": say("closed limit"),
        "entry_side": say("entry side"),
        "presence": say("presence"),
        "exit_side": say("exit side"),
    }
    states = {True: say("yes"), False: say("no"), None: say("not connected")}
    return ", ".join(f"{name}: {states.get(door.get(key), '?')}" for key, name in names.items())


def mark_code(text: str) -> Markup:
    """Return a text of the contract with its names, which are between backticks, as code."""
    parts = enumerate(printable(text, keep="\n").split("`"))
    return Markup("").join(Markup("<code>{}</code>").format(part) if at % 2 else part for at, part in parts)


def _words(of: Mapping[Any, str]) -> Callable[[object], str]:
    return lambda code: of.get(code, str(code))
