"""Language of the pages: gettext catalogues, chosen by cookie or by the browser's preference.

A catalogue is `messages/LANGUAGE.po`; sentences written by devices and drivers stay in English.
"""

from collections.abc import Callable, Iterable
from functools import cache
from gettext import NullTranslations
from pathlib import Path

MESSAGES = Path(__file__).parents[1] / "messages"
LANGUAGES = {"en": "English", "sw": "Kiswahili"}
COOKIE = "language"

Translate = Callable[[str], str]
"""Translation of an English text."""


class Catalogue(NullTranslations):
    """Translations of one language; English for missing ones."""

    def __init__(self, words: dict[str, str]) -> None:
        super().__init__()
        self._words = words

    def gettext(self, message: str) -> str:
        """Return the message in this language."""
        return self._words.get(message) or message


@cache
def load_catalogue(language: str) -> Catalogue:
    """Load the catalogue of a language of LANGUAGES."""
    if language == "en":
        return Catalogue({})
    # Imported here: English pages do not need it.
    import polib

    entries = polib.pofile(str(MESSAGES / f"{language}.po"))
    return Catalogue({entry.msgid: entry.msgstr for entry in entries if entry.translated()})


def choose_language(cookie: str | None, accept_language: str | None) -> str:
    """Return the language for a browser: the chosen one, else the first of its languages that we have."""
    if cookie in LANGUAGES:
        return str(cookie)
    for language in _preferred(accept_language or ""):
        if language in LANGUAGES:
            return language
    return "en"


def _preferred(accept_language: str) -> Iterable[str]:
    """Return primary tags of Accept-Language (RFC 9110, section 12.5.4), the most preferred first."""
    weighed: list[tuple[float, str]] = []
    for part in accept_language.split(",")[:20]:
        tag, _, weight = part.strip().partition(";q=")
        try:
            weighed.append((float(weight or 1), tag.split("-")[0].lower()))
        except ValueError:
            continue
    # sorted() is stable: equal weights stay in their order.
    return [tag for weight, tag in sorted(weighed, key=lambda pair: -pair[0]) if weight > 0]
