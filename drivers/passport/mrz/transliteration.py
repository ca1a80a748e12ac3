"""Transliteration of national letters to the 26 of the zone: tables of ICAO Doc 9303-3, section 6.

There is no way back: many letters share one spelling, so names are compared in this form only. Where the
tables leave the issuer a choice, the first spelling is taken unless another is requested.
"""

# ruff: noqa: RUF001  (letters of other scripts are what this module is about)
import unicodedata
from enum import StrEnum


class Language(StrEnum):
    """Languages for which the Cyrillic table makes exceptions."""

    BELARUSIAN = "be"
    BULGARIAN = "bg"
    MACEDONIAN = "mk"
    SERBIAN = "sr"
    UKRAINIAN = "uk"


def _rows(table: str) -> dict[str, str]:
    """Parse rows of `SPELLING letters`."""
    rows = (line.split() for line in table.strip().splitlines())
    return {letter: spelling for spelling, letters in rows for letter in letters}


# Section 6.A, plus the comma-below letters of Romanian, which Unicode separated from the cedilla ones.
LATIN = _rows("""
    A ÀÁÂÃĀĂĄ
    C ÇĆĈĊČ
    D ÐĎĐ
    E ÈÉÊËĒĔĖĘĚ
    G ĜĞĠĢ
    H ĤĦ
    I ÌÍÎÏĨĪĬĮİI
    J Ĵ
    K Ķ
    L ĹĻĽĿŁ
    N ŃŅŇŊ
    O ÒÓÔÕŌŎŐ
    R ŔŖŘ
    S ŚŜŞŠȘ
    T ŢŤŦȚ
    U ÙÚÛŨŪŬŮŰŲ
    W Ŵ
    Y ÝŶŸ
    Z ŹŻŽ
    AE Æ
    IJ Ĳ
    OE ŒØ
    SS ẞß
    TH Þ
""")
LATIN_CHOICES = {
    "Ä": ("AE", "A"),
    "Å": ("AA", "A"),
    "Ñ": ("N", "NXX"),
    "Ö": ("OE", "O"),
    "Ü": ("UE", "UXX", "U"),
}

# Section 6.B. The row 0402 is printed with the shape of 040B and both are read as D and C of Serbian; the
# soft sign and the Macedonian gje, which the table lacks, follow the passports that use them.
CYRILLIC = _rows("""
    A А
    B Б
    C ҺЋ
    CH Ч
    D ДЂ
    DZ ЅЏ
    E ЕЁЭ
    F Ф
    G ГҐҒЃ
    I ИІЇЙ
    IA Я
    IE ЄЪ
    IU Ю
    J Ј
    K КЌ
    KH Х
    L Л
    LJ Љ
    M М
    N Н
    NJ Њ
    O О
    P П
    R Р
    S С
    SH Ш
    SHCH Щ
    T Т
    TS Ц
    U УЎѪ
    V В
    Y ЫѴ
    Z З
    ZH Ж
""") | {"Ь": ""}
CYRILLIC_EXCEPTIONS = {
    Language.BELARUSIAN: {"Ё": "IO", "Г": "H"},
    Language.BULGARIAN: {"Щ": "SHT"},
    Language.MACEDONIAN: {"Ќ": "KJ", "Џ": "DJ", "Х": "H", "Ц": "C", "Ғ": "GJ", "Ѓ": "GJ"},
    Language.SERBIAN: {"Г": "H", "Ж": "Z", "Х": "H", "Ц": "C", "Ч": "C", "Ш": "S"},
    Language.UKRAINIAN: {"Г": "H", "И": "Y"},
}
UKRAINIAN_FIRST = {"Є": "YE", "Ї": "YI", "Й": "Y", "Ю": "YU", "Я": "YA"}

# Section 6.C, and veh and feh with three dots from appendix B, by code point.
_ARABIC_ROWS = """
    0621:XE 0622:XAA 0623:XAE 0624:U 0625:I 0626:XI 0627:A 0628:B 0629:XTA 062A:T 062B:XTH 062C:J 062D:XH
    062E:XKH 062F:D 0630:XDH 0631:R 0632:Z 0633:S 0634:XSH 0635:XSS 0636:XDZ 0637:XTT 0638:XZZ 0639:E
    063A:G 0641:F 0642:Q 0643:K 0644:L 0645:M 0646:N 0647:H 0648:W 0649:XAY 064A:Y 0671:XXA 0679:XXT
    067C:XRT 067E:P 0681:XKE 0685:XXH 0686:XC 0688:XXD 0689:XDR 0691:XXR 0693:XRR 0696:XRX 0698:XJ
    069A:XXS 06A4:V 06A5:XF 06A9:XKK 06AB:XXK 06AD:XNG 06AF:XGG 06BA:XNN 06BC:XXN 06BE:XDO 06C0:XYH
    06C1:XXG 06C2:XGE 06C3:XTG 06CC:XYA 06CD:XXY 06D0:Y 06D2:XYB 06D3:XBE
"""
ARABIC = {chr(int(row[:4], 16)): row[5:] for row in _ARABIC_ROWS.split()}
TEH_MARBUTA, TEH_MARBUTA_LAST = "\u0629", "XAH"
SHADDA = "\u0651"
# Short vowels, the tatweel, and letters of the Maghreb that the table leaves out.
ARABIC_SILENT = frozenset("\u0640\u064b\u064c\u064d\u064e\u064f\u0650\u0652\u0670\u069c\u06a2\u06a7\u06a8")

_ONE_TO_ONE = LATIN | {letter: choices[0] for letter, choices in LATIN_CHOICES.items()} | CYRILLIC | ARABIC
# Section 4.6: hyphens, commas and spaces part a name, every other mark is dropped without a trace.
_PARTING = frozenset(" \t\n,-\u2010\u2011\u2013<\u00a0")


def transliterate(text: str, language: Language | None = None, choice: int = 0) -> str:
    """Write a name with A to Z, its components parted by single fillers (9303-3, sections 4.6 and 6).

    `choice` takes the second or third spelling where the table offers one (UE, UXX or U for Ü). Raises
    ValueError for a letter that no table has, and for digits, which names cannot have.
    """
    exceptions = CYRILLIC_EXCEPTIONS[language] if language else {}
    written: list[str] = []
    letters = unicodedata.normalize("NFC", text).upper()
    for at, letter in enumerate(letters):
        first = not written or written[-1] == "<"
        if "A" <= letter <= "Z":
            written.append(letter)
        elif letter in _PARTING:
            if not first:
                written.append("<")
        elif letter == SHADDA:
            if not first:
                written.append(written[-1])
        elif letter == TEH_MARBUTA and _ends_component(letters, at):
            written.append(TEH_MARBUTA_LAST)
        elif first and language is Language.UKRAINIAN and letter in UKRAINIAN_FIRST:
            written.append(UKRAINIAN_FIRST[letter])
        elif letter in exceptions:
            written.append(exceptions[letter])
        elif choice and letter in LATIN_CHOICES:
            choices = LATIN_CHOICES[letter]
            written.append(choices[min(choice, len(choices) - 1)])
        elif letter in _ONE_TO_ONE:
            written.append(_ONE_TO_ONE[letter])
        elif letter not in ARABIC_SILENT:
            written.append(_base_letters(letter))
    return "".join(written).strip("<")


def _ends_component(letters: str, at: int) -> bool:
    """Return true when only silent marks follow in this component."""
    for letter in letters[at + 1 :]:
        if letter in _PARTING:
            return True
        if letter not in ARABIC_SILENT and letter != SHADDA:
            return False
    return True


def _base_letters(letter: str) -> str:
    """Remove the marks from a letter that the tables do not have; punctuation marks leave nothing."""
    if unicodedata.category(letter)[0] in "PSM":
        return ""
    base = "".join(c for c in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(c))
    if base and all("A" <= c <= "Z" for c in base.upper()):
        return base.upper()
    raise ValueError(f"U+{ord(letter):04X} has no spelling in the machine readable zone")
