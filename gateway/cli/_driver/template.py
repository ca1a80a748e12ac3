"""Package of a new driver, made of the template of its family with other names.

A template is a folder of plain files beside the command line (`driver_template/`): valid Python, in which the
words of `_words` are replaced. Folders of a family are laid one over the other; a file `NAME.more` is
appended to NAME.
"""

import keyword
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from drivers.packages.reserved_names import NAMESPACES
from drivers.registry import installed_drivers

TEMPLATE = Path(__file__).parents[1] / "driver_template"
FAMILIES: Mapping[str, tuple[str, ...]] = {
    "passport_reader": ("common", "serial", "passport_reader"),
    "fingerprint_scanner": ("common", "serial", "fingerprint_scanner"),
    "camera": ("common", "camera"),
    "barrier": ("common", "serial", "barrier"),
    "card_reader": ("common", "serial", "card_reader"),
}
"""Folders of the template by family."""
OWN_FAMILY = ("common", "serial", "own")
EXTRAS = {"fingerprint_scanner": "fingerprint", "camera": "camera"}
"""Extra of the gateway that the drivers of a family need; `post` for all others."""
RENAMED = {"github": ".github", "gitignore": ".gitignore", "readme.md": "README.md"}
"""Names that no file of the template can have, because tools of this project would read it."""
MORE = ".more"
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
NAMESPACE = re.compile(r"[a-z][a-z0-9_]{0,31}")
PACKAGES = frozenset({"drivers", "gateway", "simulators", "tests"})
TEXT_WORDS = re.compile(r"borderpost-gateway\[sample-extras\]|[Ss]ample[-_ ]?[Dd]evice|sampleco")


class NameFault(ValueError):  # noqa: N818 - an answer, not a fault
    """A name or a family that a package cannot have; the text says why."""


def make_package(name: str, family: str, folder: Path) -> list[Path]:
    """Write the package of a new driver; return its files. Raises NameFault and OSError."""
    words = _words(name, family)
    folder.mkdir(parents=True)
    files: dict[Path, str] = {}
    for layer in FAMILIES.get(family, OWN_FAMILY):
        for source in _files(TEMPLATE / layer):
            name_in_template = source.relative_to(TEMPLATE / layer)
            is_more = source.suffix == MORE
            path = _target(name_in_template.with_suffix("") if is_more else name_in_template, words)
            text = TEXT_WORDS.sub(lambda found: words[found[0]], source.read_text("utf-8"))
            files[path] = files[path] + text if is_more else text
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, "utf-8")
    return sorted(files)


def _files(layer: Path) -> list[Path]:
    """Return the files of a folder of the template, without what tools leave in it."""
    found = [path for path in layer.rglob("*") if path.is_file()]
    return sorted(
        path
        for path in found
        if not any(part[0] in "._" and part != "__init__.py" for part in path.parts[len(layer.parts) :])
    )


def _target(source: Path, words: Mapping[str, str]) -> Path:
    return Path(*(words.get(part, RENAMED.get(part, part)) for part in source.parts))


def _words(name: str, family: str) -> dict[str, str]:
    """Return the words of the template and their replacements; raises NameFault."""
    package = name.replace("-", "_")
    if not NAME.fullmatch(name) or len(name) > 40:
        raise NameFault(
            f"{name!r} is no name of a driver: write small letters and digits, with hyphens between words, "
            "as in kivu-k20"
        )
    if package in PACKAGES:
        raise NameFault(f"{name!r} is the name of a package of this project: choose another one")
    if keyword.iskeyword(package):
        raise NameFault(f"{name!r} is a word of Python: choose another one, such as maker-{name}")
    if package in sys.stdlib_module_names:
        raise NameFault(
            f"{name!r} is the name of a module of Python: choose another one, such as maker-{name}"
        )
    if name in installed_drivers():
        raise NameFault(f"a driver named {name!r} is installed already: choose another name")
    if family in NAMESPACES and family not in FAMILIES:
        raise NameFault(
            f"the namespace {family!r} belongs to the gateway: write one of {', '.join(FAMILIES)}, or a word "
            "of your own, such as your company's name"
        )
    if not NAMESPACE.fullmatch(family):
        raise NameFault(
            f"{family!r} is no family: write one of {', '.join(FAMILIES)}, or a word of your own, of small "
            "letters, digits and underscores"
        )
    extra = EXTRAS.get(family, "post")
    parts = name.split("-")
    return {
        "sample_device": package,
        "sample-device": name,
        "SampleDevice": "".join(part.capitalize() for part in parts),
        "Sample device": " ".join(parts).capitalize(),
        "sampleco": family,
        "borderpost-gateway[sample-extras]": f"borderpost-gateway[{extra}]",
    }
