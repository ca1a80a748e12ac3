"""Name field of a zone, and the shortening of a name that is too long for it.

ICAO Doc 9303-4 to -7, section 4.2.3: at least the first letter of the secondary identifier is kept, and the
last place holds a letter, which marks a name that may be incomplete. The choice of letters is the issuer's;
the three ways below are those of the examples there.
"""

from enum import StrEnum


class Truncation(StrEnum):
    """Ways of shortening a name."""

    INITIALS = "initials"
    """Later components shrink to their initials before earlier ones lose a letter."""
    CUT = "cut"
    """The name is written out and ends where the field does."""
    FIXED = "fixed"
    """Components of the primary identifier keep a fixed number of letters."""


def name_field(
    primary: str,
    secondary: str,
    width: int,
    truncation: Truncation = Truncation.INITIALS,
    component_length: int = 6,
) -> str:
    """Fill a name field with identifiers that are transliterated already (components parted by fillers)."""
    whole = f"{primary}<<{secondary}" if secondary else primary
    if len(whole) <= width:
        return whole.ljust(width, "<")
    first = primary.split("<")
    if not secondary:
        return _fill(first, width, truncation) or primary[:width]
    rest = secondary.split("<")
    if truncation is Truncation.FIXED:
        shortened = [component[:component_length] for component in first]
        # The name is so short that nothing is omitted, so it would not show that it is shortened.
        first = shortened if len("<".join(shortened)) + 2 + len(secondary) >= width else first
    # The primary identifier has the field except for two fillers and a letter, or less if the last place
    # requires it.
    for room in range(width - 3, 0, -1):
        head = _shorten(first, room, truncation)
        if len(head) + 2 + len(secondary) < width:
            # Shrunk further than needed: the primary identifier takes the places that the secondary leaves.
            if head_filled := _fill(first, width - 2 - len(secondary), truncation):
                return f"{head_filled}<<{secondary}"
        elif tail := _fill(rest, width - len(head) - 2, truncation):
            return f"{head}<<{tail}"
    # Only one-letter components cannot be fitted: the field ends in a filler and seems complete.
    return f"{_shorten(first, width - 3, truncation)}<<{secondary[0]}".ljust(width, "<")


def _shorten(components: list[str], room: int, truncation: Truncation) -> str:
    """Bring components into at most `room` characters."""
    joined = "<".join(components)
    if len(joined) <= room:
        return joined
    if truncation is Truncation.INITIALS:
        kept = list(components)
        for at in range(len(kept) - 1, 0, -1):
            kept[at] = kept[at][0]
            joined = "<".join(kept)
            if len(joined) <= room:
                return joined
    return joined[:room].rstrip("<")


def _fill(components: list[str], room: int, truncation: Truncation) -> str | None:
    """Fill `room` places, fewer than the components have, and end with a letter; None when they cannot."""
    kept = _initials_last(components, room) if truncation is Truncation.INITIALS else list(components)
    while True:
        field = "<".join(kept)[:room]
        if not field.endswith("<"):
            return field
        # The cut fell behind a component: a letter less of the longest one moves the next one in.
        inside = field.count("<")
        longest = max(range(inside), key=lambda at: len(kept[at]))
        if len(kept[longest]) == 1:
            return None
        kept[longest] = kept[longest][:-1]


def _initials_last(components: list[str], room: int) -> list[str]:
    """Return letters to the first components, and at least its initial to every later one."""
    if 2 * len(components) - 1 > room:
        return list(components)
    kept = []
    for at, component in enumerate(components):
        reserved = 2 * (len(components) - at - 1)
        kept.append(component[: room - reserved])
        room -= len(kept[-1]) + 1
    return kept
