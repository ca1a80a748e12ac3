"""Texts of the pages, collected from templates and code; run it to bring the catalogues up to date."""

import ast
from collections.abc import Iterator
from pathlib import Path

import polib

from drivers.barrier.safety import case, protocol
from gateway.console.web.i18n import LANGUAGES, MESSAGES
from gateway.console.web.jinja import TEMPLATES, environment

CONSOLE = TEMPLATES.parent
MARKS = {"mark_for_translation", "say", "_", "step_text"}


def wanted() -> dict[str, str]:
    """Return every text of a page, with its file."""
    return dict(_of_barriers()) | dict(_of_code()) | dict(_of_templates())


def _of_barriers() -> Iterator[tuple[str, str]]:
    """Yield the texts of a barrier's tests: the words for its inputs, and the sentences of the steps."""
    for active, inactive in case.ACTIVE_WORDS.values():
        yield active, "case.py"
        yield inactive, "case.py"
    yield from _of_module(Path(protocol.__file__))


def _of_templates() -> Iterator[tuple[str, str]]:
    extract = environment("en").extract_translations  # type: ignore[attr-defined]
    for template in sorted(TEMPLATES.rglob("*.html")):
        for _, _, message in extract(template.read_text()):
            text = message[0] if isinstance(message, tuple) else message  # a tuple for texts with variables
            if text is not None:  # None if the text is a variable
                yield text, template.name


def _of_code() -> Iterator[tuple[str, str]]:
    for module in sorted(CONSOLE.rglob("*.py")):
        yield from _of_module(module)


def _of_module(module: Path) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(module.read_text())):
        match node:
            case ast.Call(func=ast.Name(id=name), args=[ast.Constant(value=str(text)), *_]) if name in MARKS:
                yield text, module.name


def file_of(language: str) -> Path:
    return MESSAGES / f"{language}.po"


def update(language: str) -> None:
    """Add missing texts, without a translation, and remove unused ones."""
    path = file_of(language)
    known = {entry.msgid: entry.msgstr for entry in polib.pofile(str(path))} if path.exists() else {}
    catalogue = polib.POFile(wrapwidth=110)
    catalogue.metadata = {"Language": language, "Content-Type": "text/plain; charset=utf-8"}
    for message, place in sorted(wanted().items()):
        catalogue.append(
            polib.POEntry(
                msgid=message,
                msgstr=known.get(message, ""),
                comment=place,
                flags=["python-format"] if "%(" in message else [],
            )
        )
    catalogue.save(str(path))


if __name__ == "__main__":
    for language in LANGUAGES:
        if language != "en":
            update(language)
