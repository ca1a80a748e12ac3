"""In which language the pages speak: gettext catalogues, chosen by cookie or by what the browser prefers.

A catalogue is `messages/LANGUAGE.po`; sentences that devices and drivers write stay in English.
"""

from collections.abc import Callable, Iterable
from functools import cache
from gettext import NullTranslations
from pathlib import Path

MESSAGES = Path(__file__).parents[1] / "messages"
LANGUAGES = {"en": "English", "sw": "Kiswahili"}
COOKIE = "language"

Translate = Callable[[str], str]
"""From an English text to another language."""


class Catalogue(NullTranslations):
    """One language's words; English for what it lacks."""

    def __init__(self, words: dict[str, str]) -> None:
        super().__init__()
        self._words = words

    def gettext(self, message: str) -> str:
        """The message in this language."""
        return self._words.get(message) or message


@cache
def load_catalogue(language: str) -> Catalogue:
    """The catalogue of a language of LANGUAGES."""
    if language == "en":
        return Catalogue({})
    # Loaded where it is needed: who reads English never pays for it.
    import polib

    entries = polib.pofile(str(MESSAGES / f"{language}.po"))
    return Catalogue({entry.msgid: entry.msgstr for entry in entries if entry.translated()})


def choose_language(cookie: str | None, accept_language: str | None) -> str:
    """The language for a browser: what somebody picked, else the first of its languages that we have."""
    if cookie in LANGUAGES:
        return str(cookie)
    for language in _preferred(accept_language or ""):
        if language in LANGUAGES:
            return language
    return "en"


def _preferred(accept_language: str) -> Iterable[str]:
    """The primary tags of an Accept-Language field (RFC 9110, section 12.5.4), the most wanted first."""
    weighed: list[tuple[float, str]] = []
    for part in accept_language.split(",")[:20]:
        tag, _, weight = part.strip().partition(";q=")
        try:
            weighed.append((float(weight or 1), tag.split("-")[0].lower()))
        except ValueError:
            continue
    # sorted() is stable: equal weights stay in the order they were given.
    return [tag for weight, tag in sorted(weighed, key=lambda pair: -pair[0]) if weight > 0]
