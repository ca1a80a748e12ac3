"""Vocabularies of installed packages, imported and checked once."""

from dataclasses import dataclass
from functools import cache

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
    except (Exception, SystemExit) as error:  # noqa: BLE001 - code of another package may fail in any way
        return None, (describe_error(error),)
    return (loaded if isinstance(loaded, Vocabulary) and not faults else None), faults


def describe_error(error: BaseException) -> str:
    """Return class and first line of an error, without control characters."""
    text = str(error).partition("\n")[0][:200]
    return f"{type(error).__name__}: {''.join(one if one.isprintable() else '?' for one in text)}"


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
