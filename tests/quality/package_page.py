"""Page `drivers/packages/README.md`: the faults of other packages, from the tables of their tests."""

from collections.abc import Iterable, Iterator, Mapping

from support.package_faults import DRIVER_FAULTS, IMPORT_FAULTS, OTHER_FAULTS, SIMULATOR_FAULTS
from support.vocabulary_faults import VOCABULARY_FAULTS

HEAD = """# Faults of a package
<!-- Made by `make quality` -->
A package brings drivers, vocabularies and simulators. The gateway tries each driver in a process of its own
before it imports it, when a post's file is read (`borderpost config check`, start, reload).
`borderpost drivers` tries all parts of all packages and lists every fault. A device with a faulty driver is
in fault with the cause `driver_unusable`, and the others run; a faulty vocabulary is left out at a
workstation; a faulty simulator is refused by its line in the file. Every fault below has a test
(`tests/support/package_faults.py`, `vocabulary_faults.py`); names are those of invented packages.
"""


def fault_page() -> str:
    """Return the whole page."""
    other = dict(OTHER_FAULTS)
    names = [other.pop(key) for key in ("clash", "ours", "name")]
    imports = [*_sentences(IMPORT_FAULTS), other.pop("endless")]
    lines = [
        HEAD,
        *_section("Names", names),
        *_section("Imports", imports),
        *_section("Vocabularies", _sentences(VOCABULARY_FAULTS)),
        *_section("Drivers", (*_sentences(DRIVER_FAULTS), *other.values())),
        *_section("Simulators", _sentences(SIMULATOR_FAULTS)),
    ]
    return "\n".join(lines)


def _section(title: str, sentences: Iterable[str]) -> Iterator[str]:
    yield f"## {title}"
    yield from (f"- {sentence[0].upper()}{sentence[1:]}." for sentence in dict.fromkeys(sentences))
    yield ""


def _sentences(table: Mapping[str, tuple[str, str]]) -> tuple[str, ...]:
    return tuple(sentence for _, sentence in table.values())
