"""C40: three characters in two bytes (ISO/IEC 16022, as used by BSI TR-03137-1, annex B).

Only the basic set occurs in seals: capital letters, digits and space. A single remaining character at the end
is sent as FE and its ASCII code plus one; two are filled up with Shift 1.
"""

from drivers.passport.seals.errors import MalformedSealError

_SET = "\0\0\0 0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"  # the first three are shifts
_UNLATCH = 0xFE
_SHIFT_1 = 0


def size(characters: int) -> int:
    """Return the number of bytes of so many characters."""
    return (characters + 2) // 3 * 2


def decode(data: bytes) -> str:
    """Decode text, spaces kept; raises MalformedSealError."""
    if len(data) % 2:
        raise MalformedSealError("text in C40 has an odd number of bytes")
    last = len(data) - 2
    return "".join(_pair(data[at], data[at + 1], ends=at == last) for at in range(0, len(data), 2))


def _pair(first: int, second: int, *, ends: bool) -> str:
    if first == _UNLATCH:
        character = chr(second - 1) if 0 < second < 0x80 else "\0"
        if not ends or character not in _SET[3:]:
            raise MalformedSealError(
                "text in C40 switches to ASCII before its end, or without a character after the switch"
            )
        return character
    packed = (first << 8 | second) - 1
    if not 0 <= packed < 64_000:
        raise MalformedSealError("a pair of bytes is not C40")
    values = [packed // 1600, packed // 40 % 40, packed % 40]
    if ends and values[2] == _SHIFT_1:
        values.pop()
    if any(value < 3 for value in values):
        raise MalformedSealError("text in C40 shifts to characters that seals do not have")
    return "".join(_SET[value] for value in values)
