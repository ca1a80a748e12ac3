"""Vocabularies of installed packages, imported and checked once."""

import traceback
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint

from drivers.packages.entry_points import VOCABULARIES, Offer, offers, package_of
from drivers.packages.vocabulary_faults import vocabulary_faults
from drivers.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class InstalledVocabulary:
    """One vocabulary, and the package that brings it."""

    vocabulary: Vocabulary
    package: str
    package_version: str


@dataclass(frozen=True, slots=True)
class PackageFault:
    """One fault of an installed package."""

    package: str
    """Name and version."""
    subject: str
    """Its faulty part, such as `vocabulary acme`."""
    text: str
    """Fault and remedy, as a clause without a full stop."""

    def __str__(self) -> str:
        return f"{self.subject} of {self.package}: {self.text}"


def installed_vocabularies() -> tuple[InstalledVocabulary, ...]:
    """Return the usable vocabularies, by namespace. Never raises: a faulty one is left out."""
    return _read()[0]


def faults_of_vocabularies() -> tuple[PackageFault, ...]:
    """Return the reasons why other vocabularies are left out."""
    return _read()[1]


def read_vocabulary(offer: Offer) -> tuple[Vocabulary | None, tuple[str, ...]]:
    """Import one vocabulary; return it, or the faults for which it cannot be used."""
    if offer.clash is not None:
        return None, (offer.clash,)
    try:
        loaded: object = offer.point.load()
        faults = tuple(vocabulary_faults(loaded, offer.name))
    except ImportError as error:
        return None, (_describe_import(offer.point, error),)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - code of another package may fail in any way
        return None, (describe_error(error),)
    return (loaded if isinstance(loaded, Vocabulary) and not faults else None), faults


def describe_error(error: BaseException) -> str:
    """Return class and first line of an error, without control characters."""
    return f"{type(error).__name__}: {_first_line(error)}"


def _first_line(error: BaseException) -> str:
    text = str(error).partition("\n")[0][:200]
    return "".join(one if one.isprintable() else "?" for one in text)


def _describe_import(point: EntryPoint, error: ImportError) -> str:
    """Name the module that cannot be imported, the one that imports it, and the remedy."""
    name, is_absent = error.name, isinstance(error, ModuleNotFoundError)
    is_own = name is not None and _top(name) == _top(point.module)
    if name is None or not name.isprintable() or (is_own and not is_absent):
        return describe_error(error)
    whole = "install the whole package again"
    if is_absent and f"{point.module}.".startswith(f"{name}."):
        return (
            f"its entry point names the module {point.module}, which is not installed; {whole}, or correct "
            "its entry point"
        )
    importer = _importer(error)
    found = (
        f"the module {point.module} cannot be imported, because "
        f"{'it' if importer in (None, point.module) else importer} imports {name}, which "
    )
    if is_own:
        return f"{found}is not installed; {whole}"
    another = "a version of the package whose vocabulary needs no device library"
    if is_absent:
        return f"{found}is not installed here; install that, or {another}"
    return (
        f"{found}cannot be loaded here ({_first_line(error)}); mend the installation of that, or install "
        f"{another}"
    )


def _importer(error: ImportError) -> str | None:
    """Return the name of the module in whose code an import failed."""
    modules = [frame.f_globals.get("__name__") for frame, _ in traceback.walk_tb(error.__traceback__)]
    return next((one for one in reversed(modules) if one and _top(one) != "importlib"), None)


def _top(module: str) -> str:
    return module.partition(".")[0]


@cache
def _read() -> tuple[tuple[InstalledVocabulary, ...], tuple[PackageFault, ...]]:
    found, wrong = [], []
    for name, offer in offers(VOCABULARIES).items():
        vocabulary, faults = read_vocabulary(offer)
        if vocabulary is not None and offer.point.dist is not None:
            found.append(InstalledVocabulary(vocabulary, offer.point.dist.name, offer.point.dist.version))
        package = package_of(offer.point)
        wrong += [PackageFault(package, f"vocabulary {name}", fault) for fault in faults]
    return tuple(found), tuple(wrong)
