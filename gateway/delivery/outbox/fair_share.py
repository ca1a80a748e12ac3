"""Fair shares of a bounded store: positions that use the most lose first. Pure."""

from collections.abc import Hashable, Mapping
from typing import TypeVar

OwnerT = TypeVar("OwnerT", bound=Hashable)


def surpluses(used: Mapping[OwnerT, int], needed: int) -> dict[OwnerT, int]:
    """Return how much each owner must give up so that `needed` becomes free; largest surplus first.

    All owners are reduced to one level, and an owner below it loses nothing: a device that floods the store
    displaces its own events, never the few of another device.
    """
    if needed <= 0:
        return {}
    by_size = sorted(used.items(), key=lambda item: item[1], reverse=True)
    level = total = 0
    for count, (_, size) in enumerate(by_size, start=1):
        total += size
        below = by_size[count][1] if count < len(by_size) else 0
        level = max(0, (total - needed) // count)
        if level >= below:
            break
    return {owner: size - level for owner, size in by_size if size > level}
