"""JSON for signatures: strict parser (RFC 7493), writer of the canonical form (RFC 8785)."""

import json
import math
from typing import NoReturn

from pydantic import JsonValue

from drivers.passport.seals.errors import MalformedSealError

_MAX_DEPTH = 32
_EXACT = 2**53
_ESCAPES = {
    **{code: f"\\u{code:04x}" for code in range(0x20)},
    0x08: "\\b",
    0x09: "\\t",
    0x0A: "\\n",
    0x0C: "\\f",
    0x0D: "\\r",
    0x22: '\\"',
    0x5C: "\\\\",
}


def parse_json(text: str) -> JsonValue:
    """Parse JSON, and refuse what parsers interpret differently; raises MalformedSealError."""
    try:
        found: JsonValue = json.loads(
            text, object_pairs_hook=_object, parse_constant=_no_constant, parse_int=_integer
        )
    except (ValueError, RecursionError):
        raise MalformedSealError("a seal is no JSON") from None
    return found


def to_canonical(value: JsonValue) -> bytes:
    """Write a value in canonical form; raises MalformedSealError for a value that has none."""
    try:
        return _to_text(value, _MAX_DEPTH).encode("utf-8")
    except UnicodeEncodeError:
        raise MalformedSealError("a seal has an unpaired surrogate") from None


def _to_text(value: JsonValue, depth: int) -> str:
    if depth == 0:
        raise MalformedSealError("a seal is nested too deep")
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return _number(value)
        case str():
            return _string(value)
        case list():
            return f"[{','.join(_to_text(item, depth - 1) for item in value)}]"
        case dict():
            members = sorted(value.items(), key=lambda member: _units(member[0]))
            return f"{{{','.join(f'{_string(name)}:{_to_text(item, depth - 1)}' for name, item in members)}}}"


def _units(name: str) -> bytes:
    """Return the sort key of a name: its UTF-16 code units, whose order differs from that of characters."""
    return name.encode("utf-16-be", "surrogatepass")


def _string(text: str) -> str:
    return f'"{text.translate(_ESCAPES)}"'


def _number(number: float) -> str:
    """Write a number as ECMAScript does (ECMA-262, Number::toString)."""
    if isinstance(number, int) and abs(number) < _EXACT:
        return str(number)
    try:
        value = float(number)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise MalformedSealError("a number is too large")
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = f"{abs(value)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    # The value is 0.digits times ten to the power of `point`.
    point = len(whole.lstrip("0")) + int(exponent or 0)
    if whole == "0":
        point -= len(fraction) - len(fraction.lstrip("0"))
    digits = digits.rstrip("0")
    return sign + _number_text(digits, point)


def _number_text(digits: str, point: int) -> str:
    count = len(digits)
    if count <= point <= 21:
        return digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"0.{'0' * -point}{digits}"
    power = f"e{point - 1:+d}"
    return f"{digits[0]}.{digits[1:]}{power}" if count > 1 else f"{digits}{power}"


def _object(members: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    found = dict(members)
    if len(found) != len(members):
        raise ValueError("a name twice")
    return found


def _integer(digits: str) -> int:
    if len(digits) > 400:  # longer than any double
        raise ValueError("too long")
    return int(digits)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)
