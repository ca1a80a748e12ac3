"""Holder of a document, as seals and certificates name the person in the document's zone."""

from dataclasses import dataclass
from datetime import date

from simulators.mrz import Document, transliterate

_FILLER = "<"


@dataclass(frozen=True, slots=True)
class Holder:
    """One person and the document that identifies them."""

    surname: str
    given_names: str
    birth: str
    """Date of birth YYYY-MM-DD, with x for unknown digits."""
    sex: str
    """M, F or X."""
    nationality: str
    document_number: str

    @classmethod
    def of(cls, document: Document, today: date) -> "Holder":
        """Return the holder of a document; the century of birth is the last one that is possible."""
        year, month, day = document.birth[:2], document.birth[2:4], document.birth[4:]
        century = "xx" if _FILLER in year else str(today.year // 100 - (int(year) > today.year % 100))
        return cls(
            surname=document.surname,
            given_names=document.given_names,
            birth=f"{century}{year}-{month}-{day}".replace(_FILLER, "x"),
            sex="X" if document.sex == _FILLER else document.sex,
            nationality=document.nationality,
            document_number=document.number,
        )

    @property
    def zone_name(self) -> str:
        """Surname and given names in the letters of a zone, with spaces between their parts."""
        names = filter(None, (self.surname, self.given_names))
        return " ".join(transliterate(name).replace(_FILLER, " ") for name in names)
