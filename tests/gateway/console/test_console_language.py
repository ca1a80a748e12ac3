"""Languages: complete catalogues, a text for every code, the browser's preference."""

import re
import string

import polib
import pytest
from support.console.catalogues import file_of, wanted

from drivers.driver import Family, StateCode
from drivers.links.link import Action, Cause
from drivers.observation import Outcome
from drivers.self_test import SelfTestLevel
from gateway.console.web import labels as words
from gateway.console.web.i18n import LANGUAGES, choose_language, load_catalogue

OTHERS = [language for language in LANGUAGES if language != "en"]


@pytest.mark.parametrize("language", OTHERS)
def test_catalogue_matches_texts(language: str) -> None:
    entries = polib.pofile(str(file_of(language)))
    translated = {entry.msgid for entry in entries if entry.translated()}
    assert set(wanted()) - translated == set(), "run: make messages, and translate"
    assert translated - set(wanted()) == set(), "run: make messages"


@pytest.mark.parametrize("language", OTHERS)
def test_translation_has_same_variables(language: str) -> None:
    for entry in polib.pofile(str(file_of(language))):
        assert variables(entry.msgstr) == variables(entry.msgid), entry.msgid


def variables(text: str) -> list[str]:
    return sorted(re.findall(r"%\((\w+)\)s", text))


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        (StateCode, words.CONDITIONS),
        (Cause, words.CAUSES),
        (Action, words.ACTIONS),
        (Family, words.FAMILIES),
        (Outcome, words.OUTCOMES),
        (SelfTestLevel, words.LEVELS),
    ],
)
def test_every_code_has_translated_text(codes: type[str], said: dict[str, str]) -> None:
    assert set(said) == set(codes)
    for language in OTHERS:
        same = [text for text in said.values() if load_catalogue(language).gettext(text) == text]
        assert same == [], language


@pytest.mark.parametrize(
    ("cookie", "accepts", "language"),
    [
        (None, None, "en"),
        (None, "sw", "sw"),
        (None, "fr,sw-KE;q=0.8,en;q=0.5", "sw"),
        (None, "en-GB,en;q=0.9,sw;q=0.1", "en"),
        (None, "sw;q=0,en", "en"),
        (None, "fr-CD", "en"),
        (None, ";;q=x,,sw;q=nonsense", "en"),
        ("sw", "en", "sw"),
        ("tlh", "sw", "sw"),
    ],
)
def test_browser_language_is_chosen(cookie: str | None, accepts: str | None, language: str) -> None:
    assert choose_language(cookie, accepts) == language


def test_missing_translation_stays_english() -> None:
    assert load_catalogue("sw").gettext(string.ascii_letters) == string.ascii_letters
