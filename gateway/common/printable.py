"""Text of devices and other programs, made safe for terminals, logs and pages.

A serial number may contain escape sequences that clear a technician's screen, line ends that forge a row, or
marks that reverse the order of letters (Unicode Standard Annex 9, "bidirectional formatting characters").
"""

from typing import Any


def printable(text: str, *, keep: str = "") -> str:
    r"""Return the text with each character that is not printable as an escape: `\u001b`, `\u202e`.

    Not printable are control and format characters, line and paragraph separators, surrogates and unassigned
    characters (`str.isprintable`). Those in `keep` stay.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else escape(c) for c in text)


def escape(character: str) -> str:
    """Return the escape of one character, as TOML writes it."""
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def printable_json(value: Any) -> Any:
    """Return a decoded JSON value with every text and key printable."""
    match value:
        case str():
            return printable(value)
        case dict():
            return {printable(key): printable_json(one) for key, one in value.items()}
        case list():
            return [printable_json(one) for one in value]
    return value
