"""Chip reads of a certification, each from its redacted event. Pure.

A read is whole if it has the security object and every data group that this gateway reads and the chip lists.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

READ_GROUPS = frozenset({1, 2, 11, 12, 14, 15})
"""Data groups that the gateway reads where a chip lists them."""
NEEDED_GROUPS = frozenset({1, 2})


@dataclass(frozen=True, slots=True)
class ChipRead:
    """One read of a chip, without its content."""

    is_whole: bool
    openings: int
    duration_s: float
    read_bytes: int | None
    limit: str
    """Reason why reads are not longer; empty if nothing was read."""
    outcomes: Mapping[str, str]
    """Outcome of each check."""

    @classmethod
    def of(cls, chip: Mapping[str, Any] | None) -> Self | None:
        """Return the read of the redacted result of a chip; None if no chip was found."""
        if chip is None or not chip["commands"]:
            return None
        due = NEEDED_GROUPS | (READ_GROUPS & set(chip["data_groups_listed"]))
        return cls(
            is_whole=chip["sod_sha256"] is not None and due <= set(chip["data_groups_read"]),
            openings=chip["attempts"],
            duration_s=round((chip["duration_ms"] or 0.0) / 1000, 2),
            read_bytes=chip["read_bytes"],
            limit=chip["read_limit"] or "",
            outcomes={check["id"]: check["outcome"] for check in chip["checks"]},
        )
